"""What make run shows, in one guest: memory is filled and freed, and the host gets it back.

What the guest freed is the guest's word: its anonymous memory and page tables
while stress-ng held its memory, less those after it ended.  (MemFree would miss
what lies on per-CPU lists then.)  What came back is the host's word: the charge
when stress-ng ended less the charge at the end.  Times count from stress-ng's end.

A second act frees memory in pieces: files of 1 MiB are written into a tmpfs, and every
other one is removed.
"""

import dataclasses
import signal
import time

import memorymap
import sampler
import terminal
from discards import total
from guest import MIB, Guest, GuestError, WaitTimeout

FILL_TIMEOUT = 120  # seconds
HOLD = 2  # seconds for which stress-ng holds what it filled
WATCH_TIMEOUT = 60  # seconds after the memory was freed
QUIET = 3  # seconds without a change of the charge that end the watch
SEEN = 20  # seconds after which several kernels can be compared
PIECES_SEEN = 30  # seconds from when files were removed
DELAY = "/proc/sys/vm/page_reporting_delay_ms"


@dataclasses.dataclass
class Story:
    """Sizes in bytes, times in seconds; times of day are those of time.time()."""

    name: str
    kernel: str  # its release
    smp: int
    image: str
    delay_ms: str  # of memory's wait for its report, None if it is no knob
    log: str
    samples: list
    freed_at: float
    ended_at: float  # of the first act
    before: int  # charged before anything happened
    high: int  # when the memory was freed
    freed: int
    returned: int
    charged: int  # at the end of the first act
    discards: list
    maps: dict  # moment: memorymap.Map
    pieces_at: float = None  # when memory was freed in pieces, None without
    pieces_freed: int = 0
    pieces_left: int = 0  # of that still charged
    complaint: str = None  # of the guest's kernel

    def time_back(self, share):
        """Seconds until a share of what was freed was back, None if it never was."""
        samples = sampler.between(self.samples, self.freed_at, self.ended_at)
        return sampler.time_to_fall(samples, self.freed_at, self.high, self.high - self.freed,
                                    share)

    @property
    def share(self):
        return self.returned / self.freed

    @property
    def discard_size(self):
        return total(self.discards) / max(1, len(self.discards))


def in_use(guest):
    """Bytes of the guest that only processes hold; they are free once these end."""
    meminfo = guest.meminfo()
    return meminfo["AnonPages"] + meminfo["PageTables"]


def _show(line, phase, guest):
    charge = guest.charge()
    line.show(f"  {phase}  {terminal.bar(charge / guest.memory)}  "
              f"host is charged {charge / MIB:5.0f} MiB")


def _fill(guest, mib, line):
    """Has stress-ng hold memory; returns its job and what is in use meanwhile."""
    wanted = in_use(guest) + 0.98 * mib * MIB
    job = guest.spawn(f"stress-ng --vm 1 --vm-bytes {mib}M --vm-keep "
                      f"--vm-method zero-one --temp-path /tmp -t {2 * FILL_TIMEOUT}")
    deadline = time.monotonic() + FILL_TIMEOUT
    held_since = None
    while True:
        _show(line, "filling", guest)
        held = in_use(guest)
        if not job.running:
            raise GuestError(f"stress-ng ended early: {(job.errors or job.output).strip()[-200:]} "
                             f"(log {guest.console_log})")
        if held >= wanted:
            held_since = held_since or time.monotonic()
            if time.monotonic() - held_since > HOLD:
                return job, held
        if time.monotonic() > deadline:
            raise GuestError(f"stress-ng did not fill {mib} MiB in {FILL_TIMEOUT} s "
                             f"(log {guest.console_log})")
        time.sleep(0.1)


def _watch(guest, line, freed_at, least):
    """Until the charge is steady; what comes late must not be missed."""
    def steady():
        _show(line, "freed  ", guest)
        now = time.time()
        charges = [sample.charge for sample in guest.samples(max(freed_at, now - QUIET))]
        return now - freed_at > least and max(charges) - min(charges) < 2 * MIB

    try:
        guest.wait_for(steady, WATCH_TIMEOUT, "the charge is steady")
    except WaitTimeout:
        pass  # it says how far it came


def _pieces(guest, line, story, mib):
    """Frees half of so much memory in pieces."""
    guest.sh(f"mkdir -p /tmp/pieces && mount -t tmpfs -o size={2 * mib}m pieces /tmp/pieces && "
             f"files --dir /tmp/pieces --count {mib} --kib 1024", 120)
    guest.quiet()
    story.maps["written"] = memorymap.look(guest)
    shared, high = guest.meminfo()["Shmem"], guest.charge()
    guest.sh(f"files --dir /tmp/pieces --count {mib} --remove", 60)
    story.pieces_at = time.time()
    story.pieces_freed = shared - guest.meminfo()["Shmem"]
    while time.time() < story.pieces_at + PIECES_SEEN:
        _show(line, "pieces ", guest)
        time.sleep(0.1)
    story.pieces_left = max(0, story.pieces_freed - max(0, high - guest.charge()))
    story.maps["removed"] = memorymap.look(guest)


def tell(kernel, memory, fill, line, *, name=None, cmdline="", sysctls=(), pieces=False, say=None):
    """Starts a guest and returns its Story.

    kernel, memory, fill   the kernel's name; MiB
    name, cmdline          what pages call it; added to the kernel's command line
    pieces                 whether there is a second act, and kernels to compare with
    say                    called with what happens next
    """
    say = say or (lambda text: None)
    with Guest(kernel, name="run", memory=memory, cmdline=cmdline) as guest:
        for pair in sysctls:
            guest.sh(f"sysctl -w {pair}")
        _show(line, "booted ", guest)
        try:
            guest.settle(2, timeout=30)
        except WaitTimeout:
            pass  # upstream reports the whole guest once after boot, in small portions
        maps = {"booted": memorymap.look(guest)}
        say(f"stress-ng fills {fill} MiB and frees them")
        before = guest.charge()
        job, held = _fill(guest, fill, line)
        maps["filled"] = memorymap.look(guest)
        told_at = time.time()
        job.kill(signal.SIGINT)
        job.wait(60)
        freed_at = time.time()
        freed = held - in_use(guest)
        high = max(sample.charge for sample in guest.samples(told_at - 0.5, freed_at))
        _watch(guest, line, freed_at, SEEN if pieces else 2 * QUIET)
        ended_at, charged = time.time(), guest.charge()
        discards = guest.discards(freed_at)
        maps["freed"] = memorymap.look(guest)
        story = Story(name or kernel, guest.sh("uname -r").strip(), guest.smp, guest.image,
                      guest.read(DELAY) if guest.exists(DELAY) else None, guest.console_log,
                      [], freed_at, ended_at, before, high, freed, high - charged, charged, discards, maps)
        if pieces:
            say(f"files of {fill // 2} MiB are written, and every other one removed")
            _pieces(guest, line, story, fill // 2)
        story.samples = guest.samples()
        line.done()
        bad = guest.bad_dmesg()
        story.complaint = bad[0] if bad else None
        return story

"""Guests that share a host with too little room for them, with several managers and none."""

import contextlib
import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import framework
import paths
import workload
from framework import AtMost, Row, Scenario
from guest import Guest, GuestError
from memcg import SharedCgroup
from scenarios.mix import TRANSLATED
from scenarios.stranding import scratch_image
from workload import MIB

AUTOBALLOON = os.path.join(paths.TOP, "tools", "autoballoon")
sys.path.append(os.path.join(AUTOBALLOON, "tests"))

import daemon  # noqa: E402

RIVAL = os.path.join(daemon.BUILD, "tests", "rival")  # the rules of other managers
MEMORY = 512  # MiB of each guest
READ, HEAP = 120, 100  # MiB
BUSY, TURN = 10, 8  # seconds a job works, seconds between the beginnings of two
BALLOON = "free-page-reporting=on,deflate-on-oom=on"
# A job reads what it will not need again, and then works on its memory.
JOB = (f"for part in $(seq 0 {READ // 10 - 1}); do dd if=/dev/vda of=/dev/null bs=10M count=1 "
       "skip=$part 2>/dev/null; sleep 0.2; done; "
       f"timeout -s TERM {BUSY} working_set --mib {HEAP} --pause-ms 20 || true")


class Host:
    """A small host with its guests.

    size: bytes that a manager sees as its memory; what the emulator needs comes on top
    """

    def __init__(self, directory, shared, guests, size):
        self.directory, self.shared, self.guests, self.size = directory, shared, guests, size

    def settle(self):
        for guest in self.guests:
            # Page cache of a drive stays as long as somebody has it open.
            guest.spawn("exec 3</dev/vda; sleep 3600")
            workload.quiet(guest)
        self.shared.forbid_swap()
        self.shared.limit(self.size + len(self.guests) * TRANSLATED * MIB)

    def available(self):
        """Bytes that no guest is charged for; translated code is nobody's."""
        return self.size - sum(max(0, guest.charge() - TRANSLATED * MIB) for guest in self.guests)


@dataclasses.dataclass
class Seen:
    """A guest at one time: bytes that are free, the balloon's size, and what its QEMU needs
    beside RAM."""
    free: int
    size: int
    own: int

    @staticmethod
    def look(guest):
        return Seen(guest.meminfo()["MemFree"], guest.balloon_actual(),
                    workload.qemu_own(guest))

    @property
    def needed(self):
        """Bytes that an ideal guest is charged: its RAM that is neither free nor in the balloon,
        the kernel's image and tables among it, and what its QEMU needs beside RAM."""
        return self.size - self.free + self.own


@contextlib.contextmanager
def nobody(_host):
    """No manager: every second nothing happens."""
    yield lambda seen: None


@contextlib.contextmanager
def autoballoond(host):
    """The daemon with its defaults, but that it keeps room for the next job, and has known the
    guests for a while."""
    settings = {"pressure": {"cgroup": host.shared.pressure,
                             "cgroup-memory": host.shared.path, "headroom-low": "25%",
                             "headroom-medium": "15%", "headroom-critical": "10%"},
                "policy": {"boot-pause": "1s"}}
    with daemon.Daemon(host.directory, settings, quiet=False) as running:
        running.wait_ready(*[guest.name for guest in host.guests])
        yield lambda seen: None


class Rival:
    """The rules of another manager, which look at the host and its living guests every second."""

    def __init__(self, rule, host):
        self._rule, self._host = rule, host
        self._program, self._known = None, None

    def stop(self):
        if self._program:
            self._program.stdin.close()
            self._program.wait()

    def _start(self, guests):
        self.stop()
        self._known = guests
        self._program = subprocess.Popen(
            [RIVAL, self._rule, str(self._host.size // MIB), *[str(MEMORY)] * len(guests)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def second(self, seen):
        if list(seen) != self._known:
            self._start(list(seen))
        numbers = [self._host.available()] + [
            number for one in seen.values() for number in (one.size, one.free)]
        print(*[number / MIB for number in numbers], file=self._program.stdin, flush=True)
        wanted = map(int, self._program.stdout.readline().split())
        for (guest, one), size in zip(seen.items(), wanted):
            if abs(size * MIB - one.size) > MIB:
                guest.set_balloon(size * MIB)


def rival(rule):
    @contextlib.contextmanager
    def managed(host):
        manager = Rival(rule, host)
        try:
            yield manager.second
        finally:
            manager.stop()
    return managed


MANAGERS = {"": nobody, "-daemon": autoballoond, "-mom": rival("mom"),
            "-proxmox": rival("proxmox")}
FEW = ("", "-daemon")  # for quick runs, and beside upstream at its best


def look_at_all(guests):
    """{guest: what is seen of it} of those that answer."""
    seen = {}
    for guest in guests:
        with contextlib.suppress(GuestError, OSError):
            seen[guest] = Seen.look(guest)
    return seen


def work(host, second, turns):
    """Runs the jobs, the manager's second() beside them; returns the measures."""
    begun, stalled = time.time(), host.shared.stall_us()
    jobs, looks = [], []
    for turn in range(turns):
        with contextlib.suppress(GuestError):
            jobs.append(host.guests[turn % len(host.guests)].spawn(JOB))
        while time.time() < begun + (turn + 1) * TURN:
            seen = look_at_all(host.guests)
            if seen:
                looks.append(seen)
                with contextlib.suppress(GuestError, OSError):  # one may die meanwhile
                    second(seen)
            time.sleep(1)
    for job in jobs:
        with contextlib.suppress(GuestError):
            job.wait(120)
    ended = time.time()
    measures = {
        "lost": host.shared.kills(),
        "rounds": sum(job.output.count("round ") for job in jobs),
        "stalled": (host.shared.stall_us() - stalled) / 1e4 / (ended - begun),
    }
    if not measures["lost"]:
        charged = sum(statistics.mean(s.charge for s in guest.samples(begun, ended))
                      for guest in host.guests)
        needed = statistics.mean(sum(one.needed for one in seen.values()) for seen in looks
                                 if len(seen) == len(host.guests))
        measures["charged"] = charged / needed
        measures["killed"] = sum(guest.vmstat()["oom_kill"] for guest in host.guests)
        for guest in host.guests:
            workload.assert_healthy(guest)
    return measures


class Fleet(Scenario):
    """managers: of MANAGERS; share: how many times the host's memory the guests have."""

    repetitions = 2
    quick_repetitions = 0

    def __init__(self, name, guests, share, turns, managers, tuned=True):
        self.name, self.tuned = name, tuned
        self._guests, self._turns = guests, turns
        self._size = guests * MEMORY // share * MIB
        self._managers = managers
        self.title = (f"{guests} guests of {MEMORY} MiB on a host with {self._size // MIB}: in turn "
                      f"each reads {READ} MiB and works on {HEAP}")
        self.rows = tuple(row for suffix in managers for row in self._rows_of(suffix))

    @staticmethod
    def _rows_of(suffix):
        who = {"": "without a manager", "-daemon": "with autoballoond",
               "-mom": "with MOM's rules", "-proxmox": "with Proxmox's rules"}[suffix]
        rows = (
            Row(f"lost{suffix}", f"guests that the host killed, {who}", "",
                AtMost(0) if suffix == "-daemon" else None),
            Row(f"rounds{suffix}", f"rounds of work that the jobs did, {who}", ""),
            Row(f"stalled{suffix}",
                f"share of the time in which a QEMU waited for memory, {who}", "%"),
        )
        # Of dead guests there is no more to say.
        return rows if suffix != "-daemon" else rows + (
            Row(f"killed{suffix}", f"processes that guests killed, {who}", "", AtMost(0), ours=True),
            Row(f"charged{suffix}", f"charged / used, means, {who}", "", AtMost(1.05), ours=True),
        )

    def prepare(self):
        self._drive = scratch_image(self.name)
        for target in ("all", RIVAL):
            if subprocess.run(["make", "-s", "-C", AUTOBALLOON, target], check=False).returncode:
                raise GuestError("the daemon does not build: run tools/vm/setup tools")

    def run(self, setup, quick):
        measures = {}
        few = quick or setup is framework.TUNED
        for suffix in [suffix for suffix in self._managers if not few or suffix in FEW]:
            found = self._scene(setup, MANAGERS[suffix])
            measures.update({name + suffix: value for name, value in found.items()})
        return measures

    def _scene(self, setup, manager):
        with contextlib.ExitStack() as stack:
            directory = tempfile.mkdtemp(prefix="ab-")  # a socket's path must be short
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            os.mkdir(os.path.join(directory, "guests"))  # their monitors
            shared = SharedCgroup(self.name)
            stack.callback(shared.remove)
            guests = [stack.enter_context(self._guest(setup, directory, shared, number))
                      for number in range(self._guests)]
            host = Host(directory, shared, guests, self._size)
            host.settle()
            second = stack.enter_context(manager(host))
            return work(host, second, self._turns)

    def _guest(self, setup, directory, shared, number):
        name = f"{self.guest_name(setup)}-{number}"
        return Guest(framework.image(setup.kernel), name=name, memory=MEMORY, smp=1,
                     cmdline=setup.cmdline, balloon=BALLOON, within=shared, tb_size=TRANSLATED,
                     drives=[(self._drive, "snapshot=on")], extra=daemon.monitor(directory, name))


SCENARIOS = [Fleet("fleet", 4, 2, 18, tuple(MANAGERS)),
             Fleet("fleet-8", 8, 3, 38, ("-daemon",), tuned=False)]

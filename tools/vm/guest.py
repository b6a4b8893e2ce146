"""Starts guests under QEMU, runs commands in them and measures what they cost the host.

    with Guest("overlay", memory=2048) as guest:
        guest.sh("stress-ng --vm 1 --vm-bytes 1200M --vm-keep -t 5")
        guest.wait_for(lambda: guest.charge() < 400 << 20, 30, "memory comes back")
        print(len(guest.discards()), guest.bad_dmesg())

A guest's logs stay in build/vm/<name>/: console.log, qemu.log and trace.log.
Whatever happens, QEMU and its memory cgroup are gone after the with block, and
QEMU dies with this process.
"""

import atexit
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref

import accel as accelerators
import arch
import debianroot
import discards as discarding
import dmesg
import guestroot
import paths
import qemu as qemus
from channel import Channel
from errors import (BootError, CommandError, GuestDied, GuestError, HostError,  # noqa: F401
                    QmpError, WaitTimeout)
from memcg import MemoryCgroup, joining
from qmp import Qmp
from sampler import Sampler

MIB = 1 << 20
GIB = 1 << 30
POLL = 0.05  # seconds
DEFAULT_BALLOON = "free-page-reporting=on"
BOOT, BOOT_DEBIAN = 120, 300  # seconds that a boot may take on a busy host
DEBUG_PATIENCE = 5  # a debug kernel under TCG is that much slower, and more
# PR_SET_THP_DISABLE, which the program that follows keeps.
WITHOUT_HUGE_PAGES = ("import ctypes, os, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0 or "
                      "sys.exit('prctl(PR_SET_THP_DISABLE) failed'); "
                      "os.execvp(sys.argv[1], sys.argv[1:])")

_live = weakref.WeakSet()


@atexit.register
def _stop_all():
    for guest in list(_live):
        guest.stop()


def exit_on_sigterm():
    """Turns SIGTERM into an ordinary exit of a script, so that its guests are cleaned up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class Guest:
    """A virtual machine.  Sizes are MiB in arguments, bytes in what methods take and return.

    kernel       a variant's name (overlay, upstream, debug) or a bzImage's path
    name         directory of its logs under build/vm
    memory       MiB of RAM at boot; smp: number of CPUs
    numa         MiB of each node; they sum up to memory, and smp is a multiple of their number
    balloon      options of virtio-balloon-pci, None for no device
    cmdline      added to the kernel command line
    max_memory   MiB up to which DIMMs can be plugged (add_dimm)
    root         "debian": a Debian system on /dev/vda, as new at each start; else busybox.  Or
                 an image of one that has the agent: it boots without an initramfs
    drives       paths of raw images, /dev/vda first; a (path, options) pair adds -drive options
    backend      memory backend object of the RAM, such as "memory-backend-memfd,share=on"
    accel        kvm or tcg instead of what was found to work
    icount       such as "shift=0": deterministic virtual time (tcg, one CPU)
    tb_size      MiB of TCG's translation cache
    trace        further QEMU trace events for trace.log
    restartable  stay when the guest restarts or panics; else QEMU ends then
    qemu         a number from build/qemu or a program, if not that of the environment
    incoming     URI that the guest is to come from, see arrive()
    within       a SharedCgroup that it is charged to, beside others
    machine      QEMU's machine type, with options, if not the usual one
    huge_pages   False: the host gives QEMU no transparent huge pages
    extra        further QEMU arguments
    """

    def __init__(self, kernel="overlay", *, name="guest", memory=2048, smp=2, numa=None,
                 balloon=DEFAULT_BALLOON, cmdline="", max_memory=None, root=None, drives=(),
                 backend=None, accel=None, icount=None, tb_size=None, trace=(),
                 restartable=False, qemu=None, incoming=None, within=None, machine=None,
                 huge_pages=True, extra=()):
        if root not in (None, "debian") and not os.path.exists(root):
            raise ValueError(f"no root named {root}")
        self.image = paths.kernel_image(kernel)
        self.kernel, self.series = paths.split_kernel(kernel)
        self.arch = arch.of_variant(self.kernel)
        if machine:
            self.arch = self.arch.on(machine)
        self.name = name
        self.memory = memory * MIB
        self.patience = DEBUG_PATIENCE if self.kernel == "debug" else 1  # multiplies time limits
        self.smp = smp
        self.numa = numa
        self.log_dir = os.path.join(paths.RUNS, name)
        self.console_log = os.path.join(self.log_dir, "console.log")
        self._qemu_log = os.path.join(self.log_dir, "qemu.log")
        self._trace_log = os.path.join(self.log_dir, "trace.log")
        self._balloon = balloon
        self._cmdline = cmdline
        self._max_memory = max_memory
        self._root = root
        self._bare = root not in (None, "debian")
        self._drives = drives
        self._backend = backend
        self._accel = accel
        self._icount = icount
        self._tb_size = tb_size
        self._trace = trace
        self._restartable = restartable
        self._qemu = qemu
        self._incoming = incoming
        self._within = within
        self._huge_pages = huge_pages
        self._extra = list(extra)
        self._dimms = 0
        self._bases = {}  # RAM block: host address
        self._process = None
        self._sockets = None
        self._sampler = None
        self.cgroup = None
        self.qmp = None
        self.channel = None
        self.boot_seconds = None

    # --- life ---------------------------------------------------------------

    def start(self, timeout=None):
        """Boots and waits for the command agent; a guest that comes from elsewhere only begins."""
        timeout = timeout or (BOOT_DEBIAN if self._root else BOOT)
        if not os.path.exists(self.image):
            known = paths.is_kernel(self.kernel)
            raise HostError(f"no kernel {os.path.relpath(self.image)}" + (
                f": run make kernel KERNEL={self.kernel}-{self.series}" if known else ""))
        self._emulator()  # or say that there is none
        guestroot.build(self.arch)
        if self._root == "debian":
            debianroot.build()
        shutil.rmtree(self.log_dir, ignore_errors=True)
        paths.made_dir(self.log_dir)
        _live.add(self)
        try:
            self._launch()
            if not self._incoming:
                self._wait_for_agent(timeout * self.patience)
        except BaseException:
            self.stop()
            raise
        return self

    def arrive(self, source, timeout=60):
        """Waits for a guest whose migration to here has ended, lets it run, and takes over
        the commands that it is running."""
        self.wait_for(lambda: self.qmp.command("query-status")["status"] != "inmigrate",
                      timeout, "the guest arrives")
        self.channel.take_over(source.channel)
        self.qmp.command("cont")
        self._base(self._blocks()[0][0])

    def stop(self):
        """Ends QEMU and removes all but the logs.  Safe at any time, and twice."""
        _live.discard(self)
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._sampler:
            self._sampler.stop()
        for connection in (self.channel, self.qmp):
            if connection:
                connection.close()
        if self.cgroup:
            self.cgroup.remove()
            self.cgroup = None
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    @property
    def alive(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    def _launch(self):
        self._accel = self._accel or ("tcg" if self._icount or self.arch.foreign
                                      else accelerators.choose(self.image))
        self._sockets = tempfile.mkdtemp(prefix="guest-")  # a socket's path must be short
        self.cgroup = MemoryCgroup(re.sub(r"\W+", "-", self.name), self._within)
        command = self.command_line()
        with open(self._qemu_log, "w") as log:
            log.write(" ".join(command) + "\n")
            log.flush()
            if not self._huge_pages:
                command = [sys.executable, "-c", WITHOUT_HUGE_PAGES, *command]
            # QEMU dies with us.
            command = joining(self.cgroup.procs, "setpriv", "--pdeathsig", "KILL", "--", *command)
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True)
        self._sampler = Sampler(lambda: (self.charge(), self.rss(), self.minor_faults()))
        self.channel = self._connected("agent", Channel)
        self.qmp = self._connected("qmp", Qmp)
        # None would read as a guest that reports nothing.
        if not self.qmp.command("trace-event-get-state", name=discarding.EVENTS):
            raise HostError(f"{self._emulator()} has no trace event "
                            f"{discarding.EVENTS}: its discards cannot be seen")
        self._sampler.start()

    def _connected(self, name, connect):
        path = os.path.join(self._sockets, name)
        deadline = time.monotonic() + 20
        while True:
            try:
                return connect(path)
            except (OSError, QmpError) as error:
                if not self.alive or time.monotonic() > deadline:
                    last = open(self._qemu_log).read().strip().splitlines()[-1]
                    raise BootError(f"QEMU did not start: {last} ({self._qemu_log})") from error
                time.sleep(0.02)

    def _wait_for_agent(self, timeout):
        begun = time.monotonic()
        self.channel.wait(lambda: self.channel.boots or self.channel.closed, begun + timeout)
        if not self.channel.boots:
            problem = self._panic() or ("QEMU ended" if self.channel.closed else
                                        f"no command agent within {timeout} s")
            raise BootError(f"guest did not boot: {problem} ({self.console_log})")
        self.boot_seconds = time.monotonic() - begun
        self._base(self._blocks()[0][0])

    def _panic(self):
        match = re.search(r"Kernel panic.*", self.console())
        return match.group(0) if match else None

    def _assert_alive(self):
        if not self.alive:
            raise GuestDied(f"guest died: {self._panic() or 'QEMU ended'} ({self.console_log})")

    # --- QEMU's command line ------------------------------------------------

    def _emulator(self):
        """QEMU's program; for another machine's processor the host's own."""
        if not self.arch.foreign:
            return qemus.program(self._qemu)
        if not shutil.which(self.arch.qemu):
            raise HostError(f"no {self.arch.qemu}: run tools/vm/setup run arch")
        return self.arch.qemu

    def command_line(self):
        memory = f"{self.memory // MIB}M"
        if self._max_memory:
            memory += f",slots=16,maxmem={self._max_memory}M"
        # Debian's own kernels may lie anywhere, in what is to go offline as well.
        nokaslr = "nokaslr " if self.kernel == "stock" else ""
        append = (f"console={self.arch.console} {self.arch.cmdline} {nokaslr}"
                  f"panic={0 if self._restartable else -1} "
                  f"{f'agent={self.arch.agent} ' if self.arch.agent else ''}"
                  f"{'root=/dev/vda ' if self._root else ''}{'rw ' if self._bare else ''}"
                  f"{self._cmdline}")
        command = [self._emulator(), "-nodefaults", "-no-user-config", "-display", "none",
                   "-msg", "timestamp=on", "-name", self.name,
                   "-m", memory, "-smp", f"{self.smp},sockets={self._sockets_of_cpus()}",
                   *self._machine(), *self._acceleration(),
                   "-kernel", self.image, *self._initrd(), "-append", append.strip(),
                   "-chardev", f"file,id=console,path={self.console_log}",
                   "-serial", "chardev:console", *self._socket("agent"),
                   *self._agent_line(), *self._socket("qmp"),
                   "-qmp", "chardev:qmp",
                   "-D", self._trace_log, "-trace", discarding.EVENTS]
        for event in self._trace:
            command += ["-trace", event]
        if not self._restartable:
            command.append("-no-reboot")
        if self._balloon is not None:
            bus = "device" if self._microvm else "pci"
            command += ["-device", ",".join(filter(None, (f"virtio-balloon-{bus},id=balloon0",
                                                          self._balloon)))]
            if "free-page-hint=on" in self._balloon:
                command[-1] += ",iothread=iothread0"
                command += ["-object", "iothread,id=iothread0"]
        if self._incoming:
            command += ["-incoming", self._incoming, "-S"]
        # What the guest writes goes to a file that QEMU makes for it and has unlinked.
        own = [(self._root if self._bare else debianroot.IMAGE, "snapshot=on")] if self._root else []
        for drive in (*own, *self._drives):
            path, options = (drive, "") if isinstance(drive, str) else drive
            command += ["-drive", ",".join(filter(None, (f"file={path},format=raw,if=virtio",
                                                         options)))]
        return command + self._extra

    def _initrd(self):
        return [] if self._bare else ["-initrd", guestroot.for_kernel(self.image, self.arch)]

    def _sockets_of_cpus(self):
        """The small kernel goes by the MP table, which has one CPU of each socket."""
        return self.smp if self.kernel == paths.SMALL else len(self.numa or [1])

    @property
    def _microvm(self):
        return self.arch.machine.startswith("microvm")

    def _agent_line(self):
        """A second serial one; a microvm has one port of its own, other machines have none."""
        if self.arch.agent:
            # With a single port it is there before the first process.
            return ["-device", "virtio-serial-pci,max_ports=1",
                    "-device", "virtconsole,chardev=agent"]
        if self._microvm:
            return ["-device", "isa-serial,chardev=agent,iobase=0x2f8,irq=3,index=1"]
        return ["-serial", "chardev:agent"]

    def _socket(self, name):
        path = os.path.join(self._sockets, name)
        return ["-chardev", f"socket,id={name},path={path},server=on,wait=off"]

    def _machine(self):
        if not self.numa:
            if not self._backend:
                return ["-machine", self.arch.machine]
            return ["-machine", f"{self.arch.machine},memory-backend=ram0",
                    "-object", f"{self._backend},id=ram0,size={self.memory}"]
        options = ["-machine", self.arch.machine]
        backend = self._backend or "memory-backend-ram"
        share = self.smp // len(self.numa)
        for node, size in enumerate(self.numa):
            options += ["-object", f"{backend},id=ram{node},size={size}M",
                        "-numa", f"node,nodeid={node},memdev=ram{node},"
                                 f"cpus={node * share}-{(node + 1) * share - 1}"]
        return options

    def _acceleration(self):
        if self._accel == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        cpu = ["-cpu", self.arch.cpu] if self.arch.cpu else []
        options = f"tcg,thread={'single' if self._icount else 'multi'}"
        if self._tb_size:
            options += f",tb-size={self._tb_size}"
        return [*cpu, "-accel", options] + (["-icount", self._icount] if self._icount else [])

    # --- commands in the guest ----------------------------------------------

    def spawn(self, script, timeout=None):
        """Starts a shell command and returns a Job (wait, check, kill, output, status)."""
        self._assert_alive()
        return self.channel.spawn(script, timeout and timeout * self.patience)

    def sh(self, script, timeout=60):
        """Runs a shell command that must succeed within timeout seconds; returns its output."""
        try:
            return self.spawn(script, timeout).check()
        except GuestDied as error:
            self._process_ended()
            raise GuestDied(f"{error}: {self._panic() or 'no panic seen'} "
                            f"({self.console_log})") from error

    def _process_ended(self):
        """Gives a QEMU that is about to end the time to do so, for a truthful message."""
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            pass

    def read(self, path, timeout=60):
        """A file's contents without the space around them."""
        return self.sh(f"cat {path}", timeout).strip()

    def read_int(self, path):
        return int(self.read(path))

    def write(self, path, value, timeout=60):
        """Writes to a file such as a sysctl; CommandError has the kernel's refusal."""
        self.sh(f"echo {value} >{path}", timeout)

    def exists(self, path):
        return self.spawn(f"test -e {path}", 60).wait() == 0

    def meminfo(self):
        """/proc/meminfo in bytes."""
        rows = (line.split() for line in self.sh("cat /proc/meminfo").splitlines())
        return {row[0].rstrip(":"): int(row[1]) * (1024 if row[2:] else 1) for row in rows}

    def vmstat(self):
        rows = (line.split() for line in self.sh("cat /proc/vmstat").splitlines())
        return {name: int(value) for name, value in rows}

    # --- waiting --------------------------------------------------------------

    def wait_for(self, condition, timeout, what):
        """Polls until condition() is true and returns its value; the guest must stay alive.

        Time limits here and elsewhere are for a release kernel; others get more.
        """
        deadline = time.monotonic() + timeout * self.patience
        while True:
            value = condition()
            if value:
                return value
            self._assert_alive()
            if time.monotonic() > deadline:
                raise WaitTimeout(f"not within {timeout * self.patience} s: {what} "
                                  f"({self.log_dir})")
            time.sleep(POLL)

    def settle(self, seconds=2, tolerance=4 * MIB, timeout=120):
        """Waits until the charge has stayed within tolerance for some seconds; returns it."""
        begun = time.time()

        def still():
            now = time.time()
            charges = [s.charge for s in self.samples(now - seconds)]
            return (now - begun > seconds and charges
                    and max(charges) - min(charges) <= tolerance)

        self.wait_for(still, timeout, "the charge settles")
        return self.charge()

    def quiet(self, seconds=3, timeout=120):
        """Waits until QEMU has discarded nothing for some seconds from now on."""
        begun = time.time()

        def still():
            discards = self.discards()
            last = max(begun, discards[-1].time if discards else 0)
            return time.time() - last > seconds

        self.wait_for(still, timeout, f"no discard for {seconds} s")

    def wait_restart(self, boots, timeout=120):
        """Waits for the agent of a restarted guest; boots: channel.boots before the restart."""
        self.wait_for(lambda: self.channel.boots > boots, timeout, "the guest restarts")

    # --- what it costs the host ----------------------------------------------

    def charge(self):
        """Bytes the host is charged for QEMU: what counts as memory it holds."""
        return self.cgroup.charge()

    def rss(self):
        with open(f"/proc/{self.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def minor_faults(self):
        with open(f"/proc/{self.pid}/stat") as f:
            return int(f.read().rpartition(")")[2].split()[7])

    def samples(self, start=0, end=float("inf")):
        """Samples (time, charge, rss, minor_faults) taken every 50 ms since boot."""
        taken, found = self._sampler.samples, []
        for sample in reversed(taken[:len(taken)]):
            if sample.time < start:
                break
            if sample.time <= end:
                found.append(sample)
        return found[::-1]

    # --- what QEMU discarded ----------------------------------------------------

    def discards(self, start=0):
        """Discards (time, block, offset, length, result) since a time."""
        if not hasattr(self, "_discards"):
            self._discards = discarding.DiscardLog(self._trace_log, self._base)
        return self._discards.since(start)

    def _ram(self):
        """(QEMU's RAM block, where it begins in the RAM) for the memory it has at boot."""
        if not self.numa:
            return [("ram0" if self._backend else self.arch.ram, 0)]
        starts = itertools.accumulate([size * MIB for size in self.numa[:-1]], initial=0)
        return [(f"ram{node}", start) for node, start in enumerate(starts)]

    def _blocks(self):
        """(QEMU's RAM block, its guest physical address) for all RAM, DIMMs last."""
        blocks = [(name, self._physical(start)) for name, start in self._ram()]
        if self._max_memory and self.qmp:
            for device in self.qmp.command("query-memory-devices"):
                memdev = os.path.basename(device["data"]["memdev"])
                blocks.append((memdev, device["data"].get("addr", device["data"].get("memaddr"))))
        return blocks

    def _physical(self, offset):
        return self.arch.physical(offset, self.memory)

    def _block_address(self, block):
        """Where a RAM block is; a device's has the device's path before its own name."""
        address = dict(self._blocks()).get(os.path.basename(block))
        if address is None:
            raise GuestError(f"unknown RAM block {block}")
        return address

    def _base(self, block):
        """The host address at which QEMU maps a RAM block."""
        if block not in self._bases:
            address = self._block_address(block)
            text = self.qmp.human(f"gpa2hva {address:#x}")
            match = re.search(r"is (0x[0-9a-f]+)", text)
            if not match:
                raise GuestError(f"cannot find where QEMU maps {block}: {text.strip()}")
            self._bases[block] = int(match.group(1), 16)
        return self._bases[block]

    def ram_address(self):
        """The host address of the RAM of a guest that has neither nodes nor DIMMs."""
        (name, _), = self._blocks()
        return self._base(name)

    def physical(self, discard):
        """The guest physical address of a discard's first byte."""
        start = dict(self._ram()).get(discard.block)
        if start is not None:
            # The hole below 4 GiB may be anywhere in a block.
            return self._physical(start + discard.offset)
        return self._block_address(discard.block) + discard.offset

    # --- the balloon and hotplug ------------------------------------------------

    def set_balloon(self, size):
        """Asks the guest to shrink to size bytes; it follows in its own time."""
        self.qmp.command("balloon", value=size)

    def balloon_actual(self):
        """The size in bytes the guest says it has."""
        return self.qmp.command("query-balloon")["actual"]

    def balloon_stats(self):
        """The guest's last statistics (None before the first) by their QMP names."""
        reply = self.qmp.command("qom-get", path="/machine/peripheral/balloon0",
                                 property="guest-stats")
        return reply["stats"] if reply["last-update"] else None

    def poll_stats(self, seconds):
        self.qmp.command("qom-set", path="/machine/peripheral/balloon0",
                         property="guest-stats-polling-interval", value=seconds)

    def add_dimm(self, size, node=0):
        """Plugs a DIMM of size bytes; returns its id.  Needs max_memory."""
        dimm = f"dimm{self._dimms}"
        self._dimms += 1
        self.qmp.command("object-add", qom_type="memory-backend-ram", id=f"{dimm}-mem",
                         size=size)
        self.qmp.command("device_add", driver="pc-dimm", id=dimm, memdev=f"{dimm}-mem",
                         node=node)
        self._base(f"{dimm}-mem")  # as long as it is there to be asked for
        return dimm

    def remove_dimm(self, dimm, timeout=60):
        """Asks the guest to give a DIMM back and waits until it is gone."""
        seen = len(self.qmp.events)
        self.qmp.command("device_del", id=dimm)
        self.qmp.wait_event("DEVICE_DELETED", timeout, seen)
        self.qmp.command("object-del", id=f"{dimm}-mem")

    # --- the kernel log -----------------------------------------------------------

    def console(self, mark=0):
        """The console log from a mark on."""
        with open(self.console_log, errors="replace") as f:
            f.seek(mark)
            return f.read()

    def console_mark(self):
        """Where the console log ends now."""
        return os.path.getsize(self.console_log)

    def bad_dmesg(self, mark=0, allowed=()):
        """Lines since a mark that a kernel log must not have."""
        return dmesg.bad_lines(self.console(mark), allowed)

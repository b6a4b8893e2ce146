"""Guests that share a host with room for half of them, without the host daemon and with it."""

import contextlib
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

from daemon import Daemon, monitor  # noqa: E402

GUESTS, MEMORY = 4, 512  # MiB
HOST = GUESTS * MEMORY // 2
READ, HEAP = 120, 100  # MiB
BUSY, TURN, TURNS = 10, 8, 18  # seconds a job works, seconds between two, jobs
BALLOON = "free-page-reporting=on,deflate-on-oom=on"
# A job reads what it will not need again, and then works on its memory.
JOB = (f"for part in $(seq 0 {READ // 10 - 1}); do dd if=/dev/vda of=/dev/null bs=10M count=1 "
       "skip=$part 2>/dev/null; sleep 0.2; done; "
       f"timeout -s TERM {BUSY} working_set --mib {HEAP} --pause-ms 20 || true")


def used(guest):
    """Bytes that are neither free nor in the balloon, which counts as used where it is lent."""
    meminfo = guest.meminfo()
    return meminfo["MemTotal"] - meminfo["MemFree"] - (guest.memory - guest.balloon_actual())


class Scene:
    """One host, from its first guest's boot to its last job's end."""

    def __init__(self, directory, shared, guests):
        self.shared, self.guests = shared, guests
        self._directory = directory
        self._jobs = []
        self._used = {guest: [] for guest in guests}

    def settle(self):
        for guest in self.guests:
            # Page cache of a drive stays as long as somebody has it open.
            guest.spawn("exec 3</dev/vda; sleep 3600")
            workload.quiet(guest)
        # QEMU itself, and the kernel's image: charged, but not what the guest calls used.
        self._always = {guest: guest.charge() - used(guest) for guest in self.guests}
        self.shared.forbid_swap()
        self.shared.limit((HOST + GUESTS * TRANSLATED) * MIB)

    @contextlib.contextmanager
    def daemon(self):
        """autoballoond with its defaults, but that it keeps room for the next job, and has
        known the guests for a while."""
        settings = {"pressure": {"cgroup": self.shared.pressure,
                                 "cgroup-memory": self.shared.path, "headroom-low": "25%",
                                 "headroom-medium": "15%", "headroom-critical": "10%"},
                    "policy": {"boot-pause": "1s"}}
        with Daemon(self._directory, settings, quiet=False) as daemon:
            daemon.wait_ready(*[guest.name for guest in self.guests])
            yield

    def work(self):
        """Runs the jobs; returns the measures."""
        begun, stalled = time.time(), self.shared.stall_us()
        for turn in range(TURNS):
            self._spawn(self.guests[turn % GUESTS])
            while time.time() < begun + (turn + 1) * TURN:
                self._look()
                time.sleep(1)
        for job in self._jobs:
            with contextlib.suppress(GuestError):
                job.wait(120)
        ended = time.time()
        measures = {
            "lost": self.shared.kills(),
            "rounds": sum(job.output.count("round ") for job in self._jobs),
            "stalled": (self.shared.stall_us() - stalled) / 1e4 / (ended - begun),
        }
        if not measures["lost"]:
            charged = sum(statistics.mean(s.charge for s in guest.samples(begun, ended))
                          for guest in self.guests)
            needed = sum(statistics.mean(self._used[guest]) + self._always[guest]
                         for guest in self.guests)
            measures["charged"] = charged / needed
            measures["killed"] = sum(guest.vmstat()["oom_kill"] for guest in self.guests)
            for guest in self.guests:
                workload.assert_healthy(guest)
        return measures

    def _spawn(self, guest):
        with contextlib.suppress(GuestError):
            self._jobs.append(guest.spawn(JOB))

    def _look(self):
        for guest in self.guests:
            with contextlib.suppress(GuestError):
                self._used[guest].append(used(guest))


class Fleet(Scenario):
    name = "fleet"
    title = (f"{GUESTS} guests of {MEMORY} MiB on a host with {HOST}: in turn each reads {READ} "
             f"MiB and works on {HEAP}; without the host daemon and with it")
    repetitions = 2
    quick_repetitions = 0
    rows = (
        Row("lost", "guests that the host killed, without the daemon", ""),
        Row("lost_daemon", "the same with it", "", AtMost(0)),
        Row("killed_daemon", "processes that guests killed, with it", "", AtMost(0)),
        Row("rounds", "rounds of work that the jobs did, without", ""),
        Row("rounds_daemon", "the same with it", ""),
        Row("stalled", "share of the time in which a QEMU waited for memory, without", "%"),
        Row("stalled_daemon", "the same with it", "%"),
        Row("charged_daemon", "charged / used, means, with it", "", AtMost(1.05)),
    )

    def prepare(self):
        self._drive = scratch_image(self.name)
        if subprocess.run(["make", "-s", "-C", AUTOBALLOON, "all"], check=False).returncode:
            raise GuestError("the daemon does not build: run tools/vm/setup tools")

    def run(self, setup, quick):
        measures = {}
        for suffix in ("", "_daemon"):
            found = self._scene(setup, bool(suffix))
            measures.update({name + suffix: value for name, value in found.items()})
        return measures

    def _scene(self, setup, with_daemon):
        with contextlib.ExitStack() as stack:
            directory = tempfile.mkdtemp(prefix="ab-")  # a socket's path must be short
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            os.mkdir(os.path.join(directory, "guests"))  # their monitors
            shared = SharedCgroup(self.name)
            stack.callback(shared.remove)
            guests = [stack.enter_context(self._guest(setup, directory, shared, number))
                      for number in range(GUESTS)]
            scene = Scene(directory, shared, guests)
            scene.settle()
            if with_daemon:
                stack.enter_context(scene.daemon())
            return scene.work()

    def _guest(self, setup, directory, shared, number):
        name = f"{self.guest_name(setup)}-{number}"
        return Guest(framework.image(setup.kernel), name=name, memory=MEMORY, smp=1,
                     cmdline=setup.cmdline, balloon=BALLOON, within=shared, tb_size=TRANSLATED,
                     drives=[(self._drive, "snapshot=on")], extra=monitor(directory, name))


SCENARIOS = [Fleet()]

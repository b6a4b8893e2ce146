"""Everything at once: what users, devices, memory, CPUs and hosts do, on the debug kernel.

The guest's part is tests/guest/torture.c; beside it programs look after their memory, and the
host resizes the balloon, stops the guest, plugs memory and begins migrations.  Nothing may be
lost, stuck or refused without a reason, and the kernel log must be clean.

Linux 6.12 itself does not stand three things:

- Memory that goes offline, whose map is overwritten and then freed, and compaction, which
  reads the map of what was online a moment before and takes no lock that keeps it so.  One
  of them rests in each round; what this project does goes on, and meets both.
- Memory that root takes offline, and memory that the host unplugs: lockdep complains, and
  looks at nothing more.  So there is one of the two in each guest.
- CPUs that go offline while the scheduler's fair server is on.  It is off.

docs/threats.md has what is known of them.
"""

import math
import os
import random
import re
import time

import pytest

from guest import MIB, QmpError, WaitTimeout
from test_reporting import comes_back

FPR = "/proc/sys/vm/page_reporting_"
COUNTERS = "/sys/kernel/mm/page_reporting/"
THP = "/sys/kernel/mm/transparent_hugepage/"
REST = "/run/torture.rest"
BLOCK = 128 * MIB
MEMORY = 1536
DIMMS = 2  # at a time
EJECT = (0x3, 0x103)  # what an answer of the guest's ACPI is about
OFFLINE = {"root": "unplug", "host": "memory"}  # who does it: what the other does not do
ROUNDS = ["memory", "compact"]  # who rests
ROUND = 20  # seconds of one at most

pytestmark = [pytest.mark.kernels("debug"), pytest.mark.fresh,
              pytest.mark.machine(memory=MEMORY, smp=3, max_memory=3072, cmdline="movablecore=768M",
                                  balloon="free-page-reporting=on,deflate-on-oom=on,"
                                          "free-page-hint=on")]


class Host:
    """What a host does to a guest, at random."""

    def __init__(self, guest, seed):
        self._guest = guest
        self._random = random.Random(seed)
        self._dimms = []
        self._asked = set()  # which DIMMs the guest is to give back
        self._heard = 0  # events
        self.done = dict.fromkeys(("resize", "stats", "halt", "plug", "unplug", "migrate"), 0)

    def step(self, resting):
        """Does one thing; without what rests."""
        self._hear()
        name = self._random.choice([name for name in self.done if name not in resting])
        if getattr(self, f"_{name}")():
            self.done[name] += 1
        time.sleep(self._random.uniform(0, 0.7))

    def rest(self):
        """Waits until the guest has said what becomes of the DIMMs that it is to give back."""
        self._guest.wait_for(lambda: not self._hear(), 60, f"an answer about {self._asked}")

    def plugged(self):
        """Bytes of memory beside what was there at boot."""
        self._hear()
        return len(self._dimms) * BLOCK

    def _hear(self):
        """Looks at the guest's answers; returns the DIMMs that still want one.

        A DIMM may go that was not asked for: QEMU keeps in mind what it has refused to ask.
        """
        events = self._guest.qmp.events[self._heard:]
        self._heard += len(events)
        for event in events:
            data = event.get("data", {})
            dimm, info = data.get("device"), data.get("info", {})
            if event["event"] == "DEVICE_DELETED" and dimm in self._dimms:
                self._guest.qmp.command("object-del", id=f"{dimm}-mem")
                self._dimms.remove(dimm)
                self._asked.discard(dimm)
                self.done["unplug"] += 1
            elif (event["event"] == "ACPI_DEVICE_OST" and info["source"] in EJECT
                  and info["status"]):
                self._asked.discard(info.get("device"))  # refused
        return self._asked

    def _resize(self):
        self._guest.set_balloon(self._random.randint(1200, MEMORY) * MIB)
        return True

    def _stats(self):
        try:
            self._guest.poll_stats(self._random.randint(0, 1))
        except QmpError:  # the guest has removed the device
            return False
        return True

    def _halt(self):
        self._guest.qmp.command("stop")
        time.sleep(self._random.uniform(0, 1.5))
        self._guest.qmp.command("cont")
        return True

    def _plug(self):
        if len(self._dimms) == DIMMS:
            return False
        self._dimms.append(self._guest.add_dimm(BLOCK))
        return True

    def _unplug(self):
        """Counts once the memory is gone."""
        there = [dimm for dimm in self._dimms if dimm not in self._asked]
        if not there:
            return False
        dimm = self._random.choice(there)
        try:
            self._guest.qmp.command("device_del", id=dimm)
        except QmpError:
            return False
        self._asked.add(dimm)
        return False

    def _migrate(self):
        qmp = self._guest.qmp
        qmp.command("migrate-set-parameters", max_bandwidth=50 * MIB)
        try:
            qmp.command("migrate", uri="exec:cat >/dev/null")
        except QmpError:  # memory or a device is on its way
            return False
        time.sleep(self._random.uniform(0, 2))
        qmp.command("migrate_cancel")
        self._guest.wait_for(lambda: qmp.command("query-migrate")["status"]
                             in ("completed", "failed", "cancelled"), 30, "the migration ends")
        self._guest.wait_for(self._is_running, 30, "the guest runs on")
        return True

    def _is_running(self):
        """Not at once: a migration that is cancelled at its end lets the guest go on itself."""
        status = self._guest.qmp.command("query-status")["status"]
        if status in ("paused", "postmigrate"):
            self._guest.qmp.command("cont")
        return status == "running"


def let_rest(guest, job, name):
    """Has this one and no other rest, and waits until it does."""
    said = f"at rest: {name}\n"
    before = job.output.count(said) if job else 0
    # Page faults for huge pages have memory compacted, too.
    compacts = name != "compact"
    guest.sh(f"echo {'madvise' if compacts else 'never'} >{THP}defrag; "
             f"echo {int(compacts)} >{THP}khugepaged/defrag; "
             f"echo {20 if compacts else 0} >/proc/sys/vm/compaction_proactiveness; "
             f"echo {name} >{REST}.new; mv {REST}.new {REST}")
    if job:
        try:
            guest.wait_for(lambda: job.output.count(said) > before or not job.running, 60, said)
        except WaitTimeout:
            print(guest.qmp.command("query-status"), job.output)
            raise
        assert job.running, job.output + job.errors


def online(guest):
    return guest.sh("cat /sys/devices/system/memory/memory*/state").split().count("online")


def look(guest):
    """Bytes in total and free, as if no memory had been plugged."""
    guest.sh("echo 3 >/proc/sys/vm/drop_caches")
    memory, blocks = guest.meminfo(), online(guest)
    return memory["MemTotal"] - blocks * BLOCK, memory["MemFree"] - blocks * BLOCK


def state(guest):
    """Of all that could hold memory back."""
    return "\n".join((str(guest.qmp.command("query-balloon")),
                      str(guest.qmp.command("query-memory-devices")),
                      guest.read("/proc/meminfo"),
                      guest.sh("grep -H . /sys/bus/virtio/devices/virtio*/balloon/* "
                               f"{COUNTERS}* {FPR}* || true")))


def settles(guest, condition, what):
    """Within a minute, or it is told what the guest looked like."""
    try:
        guest.wait_for(condition, 60, what)
    except WaitTimeout:
        print(state(guest))
        raise


def flushes(guest):
    return guest.spawn(f"echo '60000 1' >{FPR}flush 2>/dev/null", 90).wait() == 0


def torture(guest, seconds, seed, offline="root"):
    without = OFFLINE[offline]
    guest.sh("mount -t debugfs debug /sys/kernel/debug 2>/dev/null; "
             "for file in /sys/kernel/debug/sched/fair_server/*/runtime; do echo 0 >$file; done")
    guest.sh("torture --restore")
    total, free = look(guest)
    rounds = ROUNDS * math.ceil(seconds / (ROUND * len(ROUNDS)))
    let_rest(guest, None, rounds[0])
    patterns = guest.spawn("exec patterns --mib 100 --seconds 0 --jobs 2 --quiet-ms 200")
    job = guest.spawn(f"exec torture --seconds 0 --seed {seed} --rest {REST} "
                      f"--stuck {30 * guest.patience}"
                      f"{' --without memory' if without == 'memory' else ''}")
    host = Host(guest, seed)
    for number, rests in enumerate(rounds):
        if number:
            host.rest()
            let_rest(guest, job, rests)
        end = time.monotonic() + seconds / len(rounds)
        while time.monotonic() < end and job.running:
            # Memory that the guest is asked for goes offline.
            host.step({without} | ({"unplug"} if rests == "memory" else set()))
            if not patterns.running:
                pytest.fail(f"{patterns.output}{patterns.errors}\n{state(guest)}")
    host.rest()
    job.kill(15)
    status = job.wait(60 * guest.patience)
    print(job.output, host.done)
    assert status == 0, job.output + job.errors
    patterns.kill(15)
    print(patterns.check(60 * guest.patience))

    def is_empty():
        everything = guest.memory + host.plugged()  # as QEMU counts
        guest.set_balloon(everything)
        return guest.balloon_actual() == everything

    guest.poll_stats(0)
    settles(guest, is_empty, "the balloon is empty")
    settles(guest, lambda: flushes(guest), "a flush reports all there is")
    assert guest.read_int(COUNTERS + "in_flight_bytes") == 0
    after, left = look(guest)
    assert abs(after - total) < MIB, "memory is missing from the total"
    # Shadow and page structs of what is plugged now; bad pages.
    if left <= free - 64 * MIB - DIMMS * 40 * MIB:
        print(state(guest))
        pytest.fail(f"{(free - left) // MIB} MiB are missing")
    done = {name: int(done) for name, done in
            re.findall(r"^torture: (\S+) +(\d+) done", job.output, re.M)}
    return done | {f"host: {name}": done for name, done in host.done.items()}


@pytest.mark.long
def test_torture_for_a_moment(guest):
    """Always the same numbers, though the order in which things meet is not."""
    done = torture(guest, 25, 1)
    # Whether a flush comes to its end in so short a time depends on the host's load.
    assert done["knobs"] > 0 and done["device"] > 0


@pytest.mark.long
@pytest.mark.parametrize("offline", OFFLINE)
def test_torture_for_minutes(guest, hold, offline):
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"seed {seed}")
    done = torture(guest, 600, seed, offline)
    assert {name for name, times in done.items() if not times} == {
        "nonsense", "host: unplug" if offline == "root" else "memory"}, done
    comes_back(guest, hold(300), 300)

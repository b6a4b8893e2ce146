"""Everything at once: what users, devices, memory, CPUs and hosts do, on the debug kernel.

The guest's part is tests/guest/torture.c; beside it programs look after their memory, and the
host resizes the balloon, stops the guest, plugs memory and begins migrations.  Nothing may be
lost, stuck or refused without a reason, and the kernel log must be clean.
"""

import random
import re
import time

import pytest

from guest import MIB, QmpError
from test_reporting import comes_back

FPR = "/proc/sys/vm/page_reporting_"
COUNTERS = "/sys/kernel/mm/page_reporting/"
BLOCK = 128 * MIB
MEMORY = 1536
DIMMS = 2  # at a time
# Tasks that are busy with memory that does not go offline do not freeze.
UNFROZEN = r"Freezing .* failed after .* refusing to freeze"

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
        self.done = dict.fromkeys(("resize", "stats", "halt", "plug", "unplug", "migrate"), 0)

    def step(self):
        name = self._random.choice(list(self.done))
        if getattr(self, f"_{name}")():
            self.done[name] += 1
        time.sleep(self._random.uniform(0, 0.7))

    def _resize(self):
        self._guest.set_balloon(self._random.randint(1000, MEMORY) * MIB)
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
        """The guest may not want to, and tells nobody for long."""
        if not self._dimms:
            return False
        dimm = self._random.choice(self._dimms)
        try:
            self._guest.qmp.command("device_del", id=dimm)
        except QmpError:  # asked already
            return False
        return True

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
        if qmp.command("query-status")["status"] != "running":
            qmp.command("cont")
        return True


def online(guest):
    return guest.sh("cat /sys/devices/system/memory/memory*/state").split().count("online")


def look(guest):
    """Bytes in total and free, as if no memory had been plugged."""
    guest.sh("echo 3 >/proc/sys/vm/drop_caches")
    memory, blocks = guest.meminfo(), online(guest)
    return memory["MemTotal"] - blocks * BLOCK, memory["MemFree"] - blocks * BLOCK


def flushes(guest):
    return guest.spawn(f"echo '60000 1' >{FPR}flush 2>/dev/null", 90).wait() == 0


def torture(guest, seconds, seed):
    guest.sh("torture --restore")
    total, free = look(guest)
    patterns = guest.spawn("exec patterns --mib 100 --seconds 0 --jobs 2 --quiet-ms 200")
    job = guest.spawn(f"exec torture --seconds {seconds} --seed {seed} "
                      f"--stuck {30 * guest.patience}", seconds + 600)
    host = Host(guest, seed)
    while job.running:
        host.step()
        assert patterns.running, patterns.output
    status = job.wait()
    print(job.output, host.done)
    assert status == 0, job.output + job.errors
    patterns.kill(15)
    print(patterns.check(120))

    guest.set_balloon(guest.memory)
    guest.poll_stats(0)
    guest.wait_for(lambda: guest.balloon_actual() == guest.memory, 60, "the balloon is empty")
    guest.wait_for(lambda: flushes(guest), 60, "a flush reports all there is")
    assert guest.read_int(COUNTERS + "in_flight_bytes") == 0
    after, left = look(guest)
    assert abs(after - total) < MIB, "memory is missing from the total"
    # Shadow and page structs of what is plugged now; bad pages.
    assert left > free - 64 * MIB - DIMMS * 40 * MIB, f"{(free - left) // MIB} MiB are missing"
    return {name: int(done) for name, done in
            re.findall(r"^torture: (\S+) +(\d+) done", job.output, re.M)}


@pytest.mark.long
def test_torture_for_a_moment(guest, allow_dmesg):
    """Always the same numbers, though the order in which things meet is not."""
    allow_dmesg.append(UNFROZEN)
    done = torture(guest, 25, 1)
    # Whether a flush comes to its end in so short a time depends on the host's load.
    assert done["knobs"] > 0 and done["device"] > 0


@pytest.mark.long
def test_torture_for_minutes(guest, allow_dmesg, hold):
    allow_dmesg.append(UNFROZEN)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    done = torture(guest, 600, seed)
    assert all(done.values()), done
    comes_back(guest, hold(300), 300)

"""What is need of the guest, and what only looks like it."""

import re
import time

import pytest

from guest import MIB
from test_balloon import resize
from test_pressure import HOLDOFF, LENT, Watch, figure

KERNELS = pytest.mark.kernels("overlay")
CGROUP = "/sys/fs/cgroup/limited"
SHORT = f"virtio_balloon.holdoff_ms={HOLDOFF}"
# One guest for all that must not make the balloon let go, with a disk to read without end.
LENT_2G = pytest.mark.machine(memory=2048, balloon=LENT, cmdline=f"{SHORT} ramdisk_size=3145728")
SECONDS = pytest.mark.parametrize("seconds", [8, pytest.param(120, marks=pytest.mark.long)])


def state(guest):
    return guest.read("/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon/state").strip()


def stalled_us(guest):
    """How long tasks of the guest have waited for memory, in microseconds."""
    return int(guest.read("/proc/pressure/memory").split("total=")[1].split()[0])


def looks_on(guest, seconds):
    """While something else goes on in the guest the balloon keeps its size."""
    before = figure(guest, "pressure_bytes")
    with Watch(guest) as watch:
        time.sleep(seconds)
        assert state(guest) == "idle"
    assert len(watch.sizes) == 1, [size // MIB for size in watch.sizes]
    assert figure(guest, "pressure_bytes") == before


def thrash(guest, seconds, limit, command):
    """A container of 64 MiB that wants more, beside plenty of memory; returns how long its
    tasks waited for memory, us."""
    resize(guest, 1024)
    assert guest.meminfo()["MemFree"] > 500 * MIB
    guest.sh("echo +memory >/sys/fs/cgroup/cgroup.subtree_control")
    guest.sh(f"mkdir -p {CGROUP}; echo {64 * MIB} >{CGROUP}/{limit}")
    stalled = stalled_us(guest)
    guest.spawn(f"echo $$ >{CGROUP}/cgroup.procs; {command}")
    looks_on(guest, seconds)
    guest.sh(f"echo 1 >{CGROUP}/cgroup.kill")
    guest.wait_for(lambda: "populated 0" in guest.read(f"{CGROUP}/cgroup.events"), 10, "its end")
    guest.sh(f"rmdir {CGROUP}")
    return stalled_us(guest) - stalled


@KERNELS
@LENT_2G
@SECONDS
def test_a_container_at_its_high_limit(guest, hold, seconds):
    waited = thrash(guest, seconds, "memory.high", "exec hold --mib 200")
    assert waited > seconds * 1e6 / 4, "it did not even wait"
    # A need outside it gets its pages.
    job = hold(1100)
    assert figure(guest, "pressure_bytes") > 100 * MIB
    job.free()
    guest.wait_for(lambda: guest.balloon_actual() == 1024 * MIB, 60, "back at its target")


@KERNELS
@LENT_2G
@SECONDS
def test_a_container_at_its_limit(guest, seconds):
    """Its page cache is reclaimed by who reads: nobody outside lacks anything."""
    waited = thrash(guest, seconds, "memory.max", "while :; do cat /dev/ram0 >/dev/null; done")
    assert waited > 0, "it did not even wait"


@KERNELS
@LENT_2G
@SECONDS
@pytest.mark.parametrize("sign, script", [
    ("pgscan_kswapd", "while :; do cat /dev/ram0 >/dev/null; done"),
    ("compact_migrate_scanned", "while :; do echo 1 >/proc/sys/vm/compact_memory; done"),
    # A new value wakes kcompactd, which has work while there are pieces.
    ("compact_daemon_migrate_scanned",
     "while :; do timeout -s KILL 2 fragment --mib 300 --anon; done & cd /proc/sys/vm; "
     "while :; do for new in 99 100; do echo $new >compaction_proactiveness; done; sleep 0.2; done"),
], ids=["reader", "compaction", "kcompactd"])
def test_reclaim_and_compaction_alone_are_no_need(guest, sign, script, seconds):
    resize(guest, 1024)
    if guest.series == "6.1":  # it counts what is proactive with all the others
        sign = sign.replace("compact_daemon_", "compact_")
    idle = guest.vmstat()[sign]
    job = guest.spawn(script)
    guest.wait_for(lambda: guest.vmstat()[sign] > idle, 60, sign)
    before = guest.vmstat()[sign]
    looks_on(guest, seconds)
    assert guest.vmstat()[sign] > before, "it did not go on"
    job.kill()
    guest.sh("echo 3 >/proc/sys/vm/drop_caches; echo 20 >/proc/sys/vm/compaction_proactiveness")


@KERNELS
@LENT_2G
def test_memory_available_counts_what_the_guest_may_take(guest):
    """Programs that kill when it is low do not strike while the balloon has some."""
    resize(guest, 2048)  # another test may have left a balloon
    available, limit = (guest.meminfo()[name] for name in ("MemAvailable", "CommitLimit"))
    resize(guest, 1024)
    # Nor does a guest with strict overcommit refuse what it could have.
    assert guest.meminfo()["CommitLimit"] == limit
    # Of what can be reclaimed the kernel does not count as much as its low watermarks.
    low = sum(int(pages) for pages in re.findall(r"^ +low +(\d+)", guest.read("/proc/zoneinfo"),
                                                re.M)) * 4096
    assert abs(guest.meminfo()["MemAvailable"] - available) < low + 32 * MIB
    # The host knows what it has; what it is told is without that.
    guest.poll_stats(1)
    guest.wait_for(lambda: abs((guest.balloon_stats() or {}).get("stat-available-memory", 0) -
                               (available - 1024 * MIB)) < 32 * MIB, 30, "statistics")
    guest.poll_stats(0)
    resize(guest, 2048)


KILLER = ("while :; do awk '/MemTotal/{t=$2}/MemAvailable/{a=$2}END{exit a>t/10}' /proc/meminfo "
          "&& { echo kills; pkill -KILL -x %s; }; sleep 0.1; done")


@KERNELS
@LENT_2G
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("program, command", [
    ("hold", "exec hold --mib 1100"),
    ("stress-ng-vm", "exec stress-ng --quiet --vm 1 --vm-bytes 1100M --vm-populate --vm-ops 1"),
])
def test_a_killer_at_ten_percent_does_not_strike(guest, program, command, rounds):
    """As earlyoom does: a job of 1100 MiB, with 1024 of 2048 MiB in the balloon."""
    killer = guest.spawn(KILLER % program)
    for _ in range(rounds):
        resize(guest, 1024)
        job = guest.spawn(command)
        if program == "hold":
            guest.wait_for(lambda: "holding" in job.output or not job.running, 60, "the job")
            assert job.running, "it was killed"
            job.kill()
        job.wait()
        assert "kills" not in killer.output
        guest.wait_for(lambda: guest.balloon_actual() == 1024 * MIB, 90, "back at its target")
    killer.kill()

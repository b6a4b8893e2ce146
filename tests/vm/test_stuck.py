"""A disk, a task or a CPU that is stuck holds up nothing of the engine."""

import subprocess
import time

import pytest

import paths
from guest import MIB, CommandError, Guest

VM = "/proc/sys/vm/page_reporting_"
COUNTERS = "/sys/kernel/mm/page_reporting/"
BALLOON = "/sys/bus/virtio/drivers/virtio_balloon"
MEMORY = "/sys/devices/system/memory"


def within(seconds, what, action):
    """The action returns in time; what it says of errors is its own business."""
    begun = time.monotonic()
    try:
        action()
    except CommandError as error:
        assert "timed out" not in str(error), f"{what}: {error}"
    took = time.monotonic() - begun
    assert took < seconds, f"{what} took {took:.1f} s"


def gives_back(guest, mib, seconds):
    job = guest.spawn(f"exec hold --mib {mib}")
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    high = guest.charge()
    job.kill(15)
    job.check(60)
    guest.wait_for(lambda: high - guest.charge() > 0.8 * mib * MIB, seconds,
                   f"{mib} MiB come back")


@pytest.fixture
def slow_disk(request, tmp_path):
    """A guest whose ext4, which journals all data, makes two writes a second."""
    disk = tmp_path / "disk"
    with open(disk, "wb") as f:
        f.truncate(512 * MIB)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", disk], check=True)
    name = f"test-{request.node.name}"
    with Guest("overlay", name=name, memory=1024, max_memory=2048, cmdline="movablecore=256M",
               drives=[(str(disk), "id=disk,throttling.iops-total=100000")]) as guest:
        guest.sh("mkdir -p /d && mount -t ext4 -o data=journal /dev/vda /d", 60)
        # Dirty pages and metadata in all of memory, and pieces of free memory between.
        guest.sh("files --dir /d --count 60 --kib 1024 && "
                 "i=0; while [ $i -lt 500 ]; do echo x >/d/s$i; i=$((i + 1)); done", 120)
        said = guest.qmp.command("human-monitor-command",
                                 command_line="block_set_io_throttle disk 0 0 0 0 0 2")
        assert not said, said
        yield guest
        assert not guest.bad_dmesg()


def test_slow_disk_holds_up_nothing(slow_disk):
    guest = slow_disk
    job = guest.spawn("exec fragment --mib 300", 600)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "memory is fragmented")
    passes = guest.read_int(COUNTERS + "passes")
    within(8, "flush", lambda: guest.write(VM + "flush", "5000 1", 60))
    gives_back(guest, 150, 15)
    assert guest.read_int(COUNTERS + "passes") > passes
    assert guest.read_int(COUNTERS + "evacuated") > 0, "evacuation had nothing to do"

    within(5, "pause", lambda: guest.write(VM + "pause", 1, 60))
    guest.write(VM + "pause", 0)
    within(5, "suspend", lambda: guest.sh(
        "echo 0 >/sys/power/sync_on_suspend; echo 1 >/sys/module/suspend/parameters/pm_test_delay;"
        "echo freezer >/sys/power/pm_test; echo freeze >/sys/power/state", 60))
    part = f"{MEMORY}/memory{(1024 - 128) // 128}"
    within(5, "offline", lambda: guest.write(f"{part}/state", "offline", 60))
    device = guest.sh(f"cd {BALLOON} && echo virtio*").split()[0]
    within(5, "unbind", lambda: guest.write(f"{BALLOON}/unbind", device, 60))
    guest.write(f"{BALLOON}/bind", device, 60)
    gives_back(guest, 150, 15)


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
def test_real_time_task_holds_up_nothing(guest):
    """It never sleeps, so its CPU takes part in no drain."""
    guest.sh("echo -1 >/proc/sys/kernel/sched_rt_runtime_us")
    hog = guest.spawn("exec stress-ng --quiet --cpu 1 --taskset 1 --sched fifo --sched-prio 50 "
                      "--timeout 300", 300)
    guest.wait_for(lambda: "1" in guest.sh(  # the policy, SCHED_FIFO
        "cat /proc/[0-9]*/stat 2>/dev/null | awk '/stress-ng/ { print $41 }'").split(),
        20, "it runs")
    job = guest.spawn("exec taskset 1 hold --mib 300", 300)
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    high = guest.charge()
    within(8, "flush", lambda: guest.write(VM + "flush", 5000, 60))
    job.kill(15)
    job.check(60)
    guest.wait_for(lambda: high - guest.charge() > 240 * MIB, 15, "memory comes back")
    assert hog.running
    within(5, "pause", lambda: guest.write(VM + "pause", 1, 60))

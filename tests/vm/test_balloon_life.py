"""What happens to a guest while pages of it are in the balloon."""

import signal
import time

import pytest

from guest import MIB
from test_balloon import resize

KERNELS = pytest.mark.kernels("overlay")
PLAIN = pytest.mark.machine(balloon="free-page-reporting=off", max_memory=2048, restartable=True)
BALLOON = "/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon/"
SMALL = 600  # MiB, of 1024
TAKEN = (1024 - SMALL) * MIB


def assert_inflated(guest, total):
    """total: MemTotal without a balloon."""
    assert guest.balloon_actual() == SMALL * MIB
    assert guest.read_int(BALLOON + "actual_bytes") == TAKEN
    assert guest.meminfo()["MemTotal"] == total - TAKEN


@KERNELS
@PLAIN
def test_both_sides_count_the_same(guest):
    """Pages in the balloon are no memory of the guest, neither in total nor available."""
    total = guest.meminfo()["MemTotal"]
    for mib in (900, 700, SMALL):
        resize(guest, mib)
        in_guest = guest.read_int(BALLOON + "actual_bytes")
        assert in_guest == guest.read_int(BALLOON + "target_bytes") == (1024 - mib) * MIB
        counters = guest.vmstat()
        assert (counters["balloon_inflate"] - counters["balloon_deflate"]) * 4096 == in_guest
    assert_inflated(guest, total)
    assert guest.meminfo()["MemAvailable"] < SMALL * MIB
    resize(guest, 1024)
    assert guest.read_int(BALLOON + "actual_bytes") == 0


@KERNELS
@PLAIN
def test_memory_that_is_plugged_and_not_online(guest, hold):
    """The host takes it for the guest's and asks for more than the guest has."""
    killed = guest.vmstat()["oom_kill"]
    total = guest.meminfo()["MemTotal"]
    dimm = guest.add_dimm(512 * MIB)
    guest.wait_for(lambda: "offline" in guest.sh("cat /sys/devices/system/memory/*/state"), 30,
                   "the guest sees it")
    guest.set_balloon(512 * MIB)
    sizes = []

    def settled():
        sizes.append((time.monotonic(), guest.balloon_actual()))
        recent = [size for when, size in sizes if when > sizes[-1][0] - 2]
        return sizes[-1][0] - sizes[0][0] > 2 and max(recent) - min(recent) < 8 * MIB

    guest.wait_for(settled, 120, "inflation comes to an end")
    guest.sh("true")
    assert guest.balloon_actual() < (512 + 400) * MIB
    assert guest.vmstat()["oom_kill"] == killed
    resize(guest, 1024 + 512)
    assert guest.meminfo()["MemTotal"] == total
    guest.remove_dimm(dimm)
    hold(500).free()


@KERNELS
@PLAIN
def test_suspend_to_ram(guest):
    """The device is reset and forgets the pages, and gets as many afterwards.

    What is plugged after this goes unseen: QEMU's machine says nothing until a reset.
    """
    total = guest.meminfo()["MemTotal"]
    resize(guest, SMALL)
    load = guest.spawn("patterns --mib 100 --seconds 0 --quiet-ms 200", 300)
    seen = len(guest.qmp.events)
    job = guest.spawn("echo deep >/sys/power/mem_sleep; echo mem >/sys/power/state", 120)
    guest.qmp.wait_event("SUSPEND", 60, seen)
    guest.qmp.command("system_wakeup")
    job.check(120)
    guest.wait_for(lambda: guest.read_int(BALLOON + "actual_bytes") == TAKEN, 60,
                   "the balloon inflates again")
    assert_inflated(guest, total)
    load.kill(signal.SIGTERM)
    assert "checked" in load.check(60)
    resize(guest, 1024)
    assert guest.meminfo()["MemTotal"] == total


@KERNELS
@PLAIN
def test_reset(guest, hold):
    """The kernel that comes up finds the target of the one before, and all its memory."""
    total = guest.meminfo()["MemTotal"]
    resize(guest, SMALL)
    boots = guest.channel.boots
    guest.qmp.command("system_reset")
    guest.wait_restart(boots)
    guest.wait_for(lambda: guest.read_int(BALLOON + "actual_bytes") == TAKEN, 60,
                   "the balloon inflates again")
    assert_inflated(guest, total)
    resize(guest, 1024)
    hold(500).free()


@KERNELS
@pytest.mark.fresh
@pytest.mark.machine(cmdline="elfcorehdr=0x1000000")
def test_capture_kernel(guest):
    """A kernel that was started to save a dump of another leaves the device alone."""
    assert "no balloon in a crash capture kernel" in guest.console()
    total = guest.meminfo()["MemTotal"]
    guest.set_balloon(SMALL * MIB)
    assert not guest.exists(BALLOON)
    assert guest.meminfo()["MemTotal"] == total
    assert guest.balloon_actual() == 1024 * MIB

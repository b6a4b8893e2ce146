"""What happens to a guest while pages of it are in the balloon."""

import signal
import time

import pytest

from guest import MIB, CommandError
from test_balloon import resize
from test_pressure import relief

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


def wait_settled(guest):
    """Until the size stays the same, whatever it is."""
    sizes = []

    def settled():
        sizes.append((time.monotonic(), guest.balloon_actual()))
        recent = [size for when, size in sizes if when > sizes[-1][0] - 2]
        return sizes[-1][0] - sizes[0][0] > 2 and max(recent) - min(recent) < 8 * MIB

    guest.wait_for(settled, 120, "inflation comes to an end")


@pytest.mark.stock
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
    wait_settled(guest)
    guest.sh("true")
    assert guest.balloon_actual() < (512 + 400) * MIB
    assert guest.vmstat()["oom_kill"] == killed
    resize(guest, 1024 + 512)
    assert guest.meminfo()["MemTotal"] == total
    guest.remove_dimm(dimm)
    hold(500).free()


@KERNELS
@PLAIN
def test_a_busy_guest_and_a_target_beyond_it(guest, hold, setting):
    """It gives what it has, says so now and then, and goes on when it has more."""
    setting("/sys/module/virtio_balloon/parameters/holdoff_ms", 1000)
    held = hold(400)
    guest.spawn("while :; do ls -l /proc >/dev/null; done", 300)
    killed = guest.vmstat()["oom_kill"]
    mark = guest.console_mark()
    guest.set_balloon(MIB)
    wait_settled(guest)
    size = guest.balloon_actual()
    assert size > 400 * MIB
    assert 1 <= guest.console(mark).count("Out of puff!") <= 10
    held.free()
    guest.wait_for(lambda: guest.balloon_actual() < size - 300 * MIB, 60, "inflation goes on")
    assert guest.vmstat()["oom_kill"] == killed
    resize(guest, 1024)


@pytest.mark.long
@KERNELS
@pytest.mark.fresh
@relief("pressure")
def test_a_changing_guest_and_a_target_beyond_it(guest):
    """Where it may take pages back it lives from those that it needs for a moment."""
    load = guest.spawn("patterns --mib 300 --seconds 20 --jobs 2 --quiet-ms 100", 300)
    killed = guest.vmstat()["oom_kill"]
    mark = guest.console_mark()
    guest.set_balloon(MIB)
    assert "checked" in load.check(120)
    assert guest.console(mark).count("Out of puff!") <= 20
    guest.wait_for(lambda: guest.balloon_actual() < 400 * MIB, 60, "inflation goes on")
    assert guest.vmstat()["oom_kill"] == killed
    resize(guest, 1024)


@pytest.mark.stock
@KERNELS
@PLAIN
@pytest.mark.parametrize("name, good, bad", [("relief", "oom", ("", "never", "pressure2")),
                                             ("holdoff_ms", "1000", ("", "x", "-1", "999",
                                                                     "600001"))])
def test_parameters(guest, setting, name, good, bad):
    path = f"/sys/module/virtio_balloon/parameters/{name}"
    setting(path, good)
    for value in bad:
        with pytest.raises(CommandError):
            guest.write(path, value)
        assert guest.read(path) == good


@pytest.mark.stock
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


@pytest.mark.stock
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

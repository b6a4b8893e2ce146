"""The balloon of a guest with swap: on disks it makes room, in memory it does not."""

import time

import pytest

from guest import MIB, Guest
from test_balloon import resize
from test_pressure import LENT, figure

KERNELS = pytest.mark.kernels("overlay")
SWAP_ON = "mkswap /dev/vda >/dev/null && swapon /dev/vda"


def swap_disk(tmp_path):
    """A disk of 1 GiB, as new."""
    path = tmp_path / "swap"
    with open(path, "wb") as f:
        f.truncate(1024 * MIB)
    return str(path), "cache=unsafe"


@pytest.fixture
def swapping(tmp_path, kernel):
    """swapping(balloon) boots a guest of 1 GiB with a swap disk of as much."""
    disk = swap_disk(tmp_path)
    guests = []

    def boot(balloon):
        guest = Guest(kernel, name=f"test-swap-{kernel}", memory=1024, balloon=balloon,
                      drives=[disk]).start()
        guests.append(guest)
        guest.sh(SWAP_ON)
        return guest

    yield boot
    for guest in guests:
        bad = guest.bad_dmesg()
        guest.stop()
        assert not bad


@pytest.mark.long
@pytest.mark.kernels("overlay", "upstream")
@pytest.mark.parametrize("balloon", [LENT, "deflate-on-oom=off"])
def test_a_guest_with_swap_follows_its_target(swapping, balloon):
    """What it does not use goes to disk; nothing is killed, nothing comes back by itself."""
    guest = swapping(balloon)
    job = guest.spawn("exec hold --mib 600", 300)
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    start = time.monotonic()
    resize(guest, 512, 120)
    print(f"target reached in {time.monotonic() - start:.1f} s")
    read = guest.vmstat()["pswpin"]
    time.sleep(5)  # it could begin to swing, or to swap
    counters = guest.vmstat()
    assert guest.balloon_actual() == 512 * MIB
    assert counters["oom_kill"] == 0
    assert (counters["pswpin"] - read) * 4096 < 5 * MIB
    if guest.kernel == "overlay" and balloon == LENT:
        # Memory that is needed comes from the balloon all the same.
        more = guest.spawn("exec hold --mib 250", 300)
        guest.wait_for(lambda: "holding" in more.output, 120, "more is held")
        assert figure(guest, "pressure_bytes") + figure(guest, "oom_bytes") > 100 * MIB


@pytest.mark.long
@pytest.mark.alone
def test_swapping_is_about_as_fast_as_upstream(tmp_path):
    """1200 MiB that rest, and 1024 MiB to live in: what must go to disk goes at once."""
    took = {"upstream": [], "overlay": []}
    for kernel in ("upstream", "overlay") * 2:
        with Guest(kernel, name=f"test-swap-time-{kernel}", memory=2048, balloon=LENT,
                   drives=[swap_disk(tmp_path)]) as guest:
            guest.sh(SWAP_ON)
            job = guest.spawn("exec hold --mib 1200", 300)
            guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
            begun = time.monotonic()
            resize(guest, 1024, 120)
            took[kernel].append(time.monotonic() - begun)
            assert guest.vmstat()["oom_kill"] == 0
    print(took)
    assert min(took["overlay"]) <= 1.5 * min(took["upstream"]), took


@KERNELS
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, balloon="free-page-reporting=off",
                     cmdline="ramdisk_size=1048576")
def test_swap_in_memory_is_no_memory(guest):
    """A guest that swaps to a RAM disk, as others to zram, lives on."""
    guest.sh("mkswap /dev/ram0 >/dev/null && swapon /dev/ram0")
    job = guest.spawn("exec hold --mib 300", 300)
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    guest.set_balloon(64 * MIB)
    sizes = []
    end = time.monotonic() + 20
    while time.monotonic() < end:
        begun = time.monotonic()
        guest.sh("true", timeout=5)
        assert time.monotonic() - begun < 5
        sizes.append(guest.balloon_actual())
        if len(sizes) > 8 and sizes[-8] == sizes[-1]:
            break
        time.sleep(0.5)
    print(f"stops at {sizes[-1] // MIB} MiB")
    assert sizes[-1] > 350 * MIB
    assert guest.vmstat()["oom_kill"] == 0
    resize(guest, 1024, 30)


@KERNELS
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, balloon=LENT, cmdline="movablecore=512M")
def test_what_a_zone_keeps_for_others_is_not_spare(guest, hold):
    """As on guests of 64 GiB: so much is reserved that free memory never looks short."""
    guest.write("/proc/sys/vm/lowmem_reserve_ratio", "256 2 32 0")
    guest.set_balloon(200 * MIB)
    guest.wait_for(lambda: guest.read("/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon/"
                                      "state").strip() != "inflating" or
                   "Out of puff" in guest.console(), 60, "inflation ends")
    killed = guest.vmstat()["oom_kill"]
    job = hold(300)
    print({name: figure(guest, name) // MIB for name in ("pressure_bytes", "oom_bytes")})
    assert figure(guest, "pressure_bytes") > figure(guest, "oom_bytes")
    assert guest.vmstat()["oom_kill"] == killed
    job.free()

"""Free memory goes back to the host by itself, and only what is free."""

import time

import pytest

from guest import MIB
from discards import total

UNIT = 2 * MIB  # the default order is 9


def quiet(guest, seconds=5, timeout=120):
    """Waits until QEMU has discarded nothing for some seconds."""
    def still():
        discards = guest.discards()
        last = discards[-1].time if discards else 0
        return time.time() - last > seconds
    guest.wait_for(still, timeout, f"no discard for {seconds} s")


@pytest.mark.kernels("overlay", "debug", "upstream")
def test_memory_comes_back(guest, hold):
    quiet(guest)
    before = guest.charge()
    held = hold(600)
    high = guest.charge()
    assert high - before > 500 * MIB
    held.free()
    guest.wait_for(lambda: guest.charge() < high - 0.9 * 600 * MIB, 60,
                   "90 % of 600 MiB are no longer charged")


def test_shared_memory_comes_back(guest, hold):
    held = hold(400, "--shm")
    high = guest.charge()
    held.free()
    guest.wait_for(lambda: guest.charge() < high - 0.9 * 400 * MIB, 60,
                   "90 % of 400 MiB are no longer charged")


def test_nothing_is_lost_over_rounds(guest, hold):
    """What stays charged does not grow from one round to the next."""
    left = []
    for _ in range(4):
        held = hold(300)
        high = guest.charge()
        held.free()
        quiet(guest, 3)
        left.append(guest.charge())
        assert left[-1] < high - 250 * MIB
    assert left[-1] - left[0] < 24 * MIB, [f"{charge / MIB:.0f} MiB" for charge in left]


@pytest.mark.kernels("overlay", "debug", "upstream")
def test_every_discard_is_sound(guest, hold):
    """Each lies inside the guest's RAM, is aligned to the order asked for and succeeded."""
    start = time.time()
    hold(200, "--huge").free()
    guest.wait_for(lambda: total(guest.discards(start)) > 150 * MIB, 60, "discards")
    for discard in guest.discards():
        assert discard.block == "pc.ram"
        assert discard.result == 0
        assert 0 <= discard.offset and discard.offset + discard.length <= guest.memory
        assert discard.length >= UNIT and discard.length % UNIT == 0
        assert discard.offset % UNIT == 0


@pytest.mark.machine(balloon="free-page-reporting=off")
def test_no_report_without_the_feature(guest, hold):
    hold(300).free()
    time.sleep(5)  # upstream would have reported twice
    assert not guest.discards()


@pytest.mark.machine(balloon=None)
def test_no_balloon_at_all(guest, hold):
    hold(300).free()
    time.sleep(5)
    assert not guest.discards()

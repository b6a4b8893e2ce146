"""The driver alone, as DKMS builds it, in Debian's own kernels with the engine of those.

What else it does there as in ours is in the tests that are marked `stock`.
"""

import time

import pytest

import paths
from discards import total
from guest import MIB
from test_balloon import resize

MODULE = "/sys/module/virtio_balloon"
FIGURES = "/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon"

pytestmark = [pytest.mark.long, pytest.mark.kernels(*paths.STOCK), pytest.mark.fresh,
              pytest.mark.machine(memory=1024, balloon="free-page-reporting=on")]


def test_it_is_ours(guest):
    """Not the kernel's own of the same name; and the engine is not ours."""
    assert guest.exists(f"{MODULE}/parameters/relief")
    assert guest.exists(f"{FIGURES}/actual_bytes")
    assert "O" in guest.read(f"{MODULE}/taint")
    assert not guest.exists("/proc/sys/vm/page_reporting_delay_ms")
    assert not guest.exists("/sys/kernel/mm/page_reporting")


def test_the_kernels_engine_reports_through_it(guest, hold):
    held = hold(500)
    freed = time.time()
    held.free()
    guest.wait_for(lambda: total(guest.discards(freed)) > 400 * MIB, 60, "400 MiB are reported")
    # Of a pageblock or more each, and one buddy block each.
    for discard in guest.discards(freed):
        assert discard.result == 0
        assert 2 * MIB <= discard.length <= 4 * MIB and discard.offset % (2 * MIB) == 0


def test_unload_with_pages_in_the_balloon_and_load_again(guest, hold):
    total_before = guest.meminfo()["MemTotal"]
    for _ in range(3):
        resize(guest, 500)
        assert guest.meminfo()["MemTotal"] == total_before - 524 * MIB
        guest.sh("rmmod virtio_balloon")
        assert guest.meminfo()["MemTotal"] == total_before
        freed = time.time()
        hold(300).free()
        assert not guest.discards(freed), "discards without a driver"
        guest.sh("insmod /lib/modules/virtio_balloon.ko")
    # It finds the target of before.
    guest.wait_for(lambda: guest.balloon_actual() == 500 * MIB, 60, "the balloon inflates again")
    resize(guest, 1024)
    assert guest.meminfo()["MemTotal"] == total_before

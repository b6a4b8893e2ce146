"""Memory in use keeps its contents while free memory beside it is taken away."""

import time

import pytest

from discards import total
from guest import MIB

DELAY = "/proc/sys/vm/page_reporting_delay_ms"
ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")


def keep_patterns(guest, mib, seconds):
    """Patterns must survive, and there must have been something to survive."""
    mib //= guest.patience  # a debug kernel's pages take so long to come and go
    start = time.time()
    print(guest.sh(f"patterns --mib {mib} --seconds {seconds} --jobs 2 --quiet-ms 200", 300))
    discarded = total(guest.discards(start))
    # A debug kernel may not come to it in the time; KUnit and other tests do there.
    wanted = 200 * MIB if guest.kernel != "debug" else 0
    assert discarded >= wanted, f"only {discarded / MIB:.0f} MiB discarded meanwhile"


@KERNELS
def test_live_data_at_order_0_without_delay(guest, setting):
    setting(ORDER, 0)
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 400, 15)


@KERNELS
def test_live_data_at_the_default_order(guest, setting):
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 15)


@pytest.mark.machine(memory=512)
def test_live_data_when_memory_is_short(guest, setting):
    """Reporting takes blocks away for a moment; that must not cost anybody memory."""
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    before = guest.vmstat()["oom_kill"]
    guest.sh("patterns --mib 380 --seconds 15 --jobs 2 --quiet-ms 50", 120)
    assert guest.vmstat()["oom_kill"] == before


@pytest.mark.machine(cmdline="init_on_free=1")
def test_live_data_with_init_on_free(guest, setting):
    """Pages are zeroed when they are freed; a host's zeroes are as good."""
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 10)


@pytest.mark.long
@KERNELS
def test_live_data_for_minutes(guest, setting):
    setting(ORDER, 0)
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 180)

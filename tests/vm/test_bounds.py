"""What reporting and evacuation take is not missed by anybody."""

import pytest

from guest import MIB

FLUSH = "/proc/sys/vm/page_reporting_flush"
COUNTERS = "/sys/kernel/mm/page_reporting/"
STALLS = ("allocstall_dma", "allocstall_dma32", "allocstall_normal", "allocstall_movable",
          "kswapd_low_wmark_hit_quickly", "pgscan_direct")


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.machine(memory=256)
def test_evacuation_in_a_small_guest_causes_no_reclaim(guest):
    """Some 40 MiB are free, in pieces."""
    free = guest.meminfo()["MemFree"] // MIB
    job = guest.spawn(f"exec fragment --mib {free - 30} --piece 128 --keep 8 --wait", 300)
    guest.wait_for(lambda: "filled" in job.output, 60, "memory is filled")
    job.kill(15)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "memory is fragmented")
    hold = guest.spawn(f"exec hold --mib {guest.meminfo()['MemFree'] // MIB - 40}", 300)
    guest.wait_for(lambda: "holding" in hold.output, 60, "memory is held")
    before = guest.vmstat()
    guest.sh(f"for i in 1 2 3 4 5 6 7 8 9 10; do echo '2000 1' >{FLUSH} 2>/dev/null; done; true",
             120)
    after = guest.vmstat()
    assert guest.read_int(COUNTERS + "evacuate_moved_pages") > 0
    assert {name: after[name] - before[name] for name in STALLS if name in after
            and after[name] != before[name]} == {}


@pytest.mark.kernels("overlay", "upstream")
@pytest.mark.fresh
@pytest.mark.machine(cmdline="cma=512M")
def test_contiguous_memory_comes_back(guest, hold):
    """Movable memory lies there most of the time."""
    held = hold(780)
    high = guest.charge()
    held.free()
    guest.wait_for(lambda: high - guest.charge() > 0.9 * 780 * MIB, 40, "memory comes back")

"""What reporting and evacuation take is not missed by anybody."""

import re
import time

import pytest

from guest import MIB
from test_hotplug import BLOCK, blocks, dimm_address

PAGE = 4096
UNIT = 2 * MIB
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


TRACING = "/sys/kernel/tracing"
ELEMENT = re.compile(r"page_reporting_element: pfn=0x([0-9a-f]+) nr_pages=(\d+)")


def requests_of_both(guest, hold, first):
    """How many requests hold memory of even and of odd blocks, and the most of each."""
    begun = time.time()
    guest.sh(f"echo >{TRACING}/trace")
    hold(guest.meminfo()["MemFree"] // MIB - 300).free()
    guest.wait_for(lambda: sum(d.length for d in guest.discards(begun)) > 1100 * MIB, 40,
                   "most of it is reported")
    both, most = 0, [0, 0]
    held = [0, 0]  # by one request, of the zones of even and of odd blocks
    for line in guest.sh(f"cat {TRACING}/trace", 60).splitlines():
        element = ELEMENT.search(line)
        if element:
            start = int(element[1], 16) * PAGE
            for at in range(start, start + int(element[2]) * PAGE, UNIT):
                if at >= first:
                    held[(at - first) // BLOCK % 2] += UNIT
        elif "page_reporting_request:" in line:
            both += min(held) > 0
            most = [max(pair) for pair in zip(most, held)]
            held = [0, 0]
    return both, most


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, max_memory=2048)
def test_a_request_holds_an_eighth_of_each_zone(guest, hold):
    """Two zones take turns by the memory block, so a request comes back to each often."""
    dimm = guest.add_dimm(1024 * MIB)
    first = dimm_address(guest, dimm)
    parts = blocks(guest, first, 1024 * MIB)
    guest.wait_for(lambda: all(guest.exists(part) for part in parts), 30, "the guest sees it")
    for number, part in enumerate(parts):
        guest.write(f"{part}/state", "online_movable" if number % 2 else "online_kernel")
    zones = {guest.read(f"{part}/valid_zones").split()[0] for part in parts}
    assert len(zones) == 2, zones

    guest.sh(f"cd {TRACING}; echo 8192 >buffer_size_kb; cd events/page_reporting; "
             "echo 1 >page_reporting_element/enable; echo 1 >page_reporting_request/enable")
    # Where the host is slow requests are small, and few of them reach from zone to zone.
    for _ in range(4):
        both, most = requests_of_both(guest, hold, first)
        if both:
            break
    print(f"{both} requests of both zones, most {[size // MIB for size in most]} MiB")
    assert both > 0 and max(most) <= 512 * MIB // 8, (both, most)

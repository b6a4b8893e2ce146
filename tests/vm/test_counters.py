"""What the guest counts agrees with what the host did."""

import re
import time

import pytest

from discards import total
from guest import MIB

# A guest for each test: what was used again and again is hot, and waits longer.
pytestmark = [pytest.mark.kernels("overlay"), pytest.mark.fresh]

COUNTERS = "/sys/kernel/mm/page_reporting"
TRACING = "/sys/kernel/tracing"


def counters(guest):
    rows = guest.sh(f"grep . {COUNTERS}/*").splitlines()
    return {name.rsplit("/", 1)[1]: int(value) for name, value in
            (row.split(":", 1) for row in rows) if re.fullmatch(r"\d+", value)}


def settled(guest, seconds=3):
    """The counters once nothing was reported for some seconds."""
    guest.quiet(seconds)
    return counters(guest)


def test_reported_bytes_are_what_qemu_discarded(guest, hold):
    hold(400).free()
    now = settled(guest)
    discards = guest.discards()
    assert now["reported_bytes_total"] == total(discards)
    assert now["elements"] == len(discards)
    assert 0 < now["requests"] <= now["elements"]
    assert now["errors"] == 0 and now["in_flight_bytes"] == 0
    assert 0 < now["reported_bytes"] <= now["reported_bytes_total"]


def test_what_the_host_took_is_counted(guest, hold):
    before = settled(guest)
    hold(400).free()
    now = settled(guest)
    # More than the clock's grain for each request, and less than the time that has passed.
    requests = now["requests"] - before["requests"]
    assert requests <= now["host_us"] - before["host_us"] < 60e6
    assert 8 * MIB <= now["request_limit_bytes"] <= 2048 * MIB


def test_reported_now_follows_use(guest, hold):
    hold(400).free()
    free = settled(guest)
    held = hold(400)
    used = counters(guest)
    held.free()
    # As much was needed again soon after its report: now it waits for longer.
    guest.wait_for(lambda: counters(guest)["reported_bytes"] - used["reported_bytes"] > 300 * MIB,
                   30, "what was held is reported again")
    assert free["reported_bytes"] - used["reported_bytes"] > 300 * MIB
    assert used["reused"] > free["reused"]


def test_an_idle_guest_stays_asleep(guest, setting):
    """Once what waits because it is little is reported, and nothing is made whole."""
    setting("/proc/sys/vm/page_reporting_evacuate", 0)
    guest.write("/proc/sys/vm/page_reporting_flush", 20000, 30)
    before = settled(guest, 5)
    time.sleep(10)
    after = counters(guest)
    assert after["requests"] == before["requests"]
    assert after["passes"] - before["passes"] <= 2


def test_tracepoints_tell_what_qemu_discarded(guest, setting, hold):
    """Every element in the guest's trace is one discard of the host, in this order."""
    setting("/proc/sys/vm/page_reporting_evacuate", 0)  # nothing after the trace's end
    held = hold(400)
    settled(guest)
    guest.sh(f"cd {TRACING}; echo >trace; echo 1 >events/page_reporting/enable")
    start = time.time()
    held.free()
    settled(guest)
    guest.sh(f"echo 0 >{TRACING}/events/page_reporting/enable")
    trace = guest.sh(f"cat {TRACING}/trace")
    guest.sh(f"echo >{TRACING}/trace")
    elements = [(int(pfn, 16) * 4096, int(pages) * 4096) for pfn, pages in
                re.findall(r"page_reporting_element: pfn=0x([0-9a-f]+) nr_pages=(\d+)", trace)]
    assert elements == [(guest.physical(d), d.length) for d in guest.discards(start)]
    sizes = re.findall(r"page_reporting_request: nr_elements=(\d+)", trace)
    assert sum(map(int, sizes)) == len(elements)
    assert all(1 <= int(size) <= 32 for size in sizes)
    assert "page_reporting_pass_start" in trace and "page_reporting_pass_end" in trace

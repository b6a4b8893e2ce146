"""Pages that turn out to be bad: free and at the host, in the balloon, in use; and good again."""

import re

import pytest

from guest import MIB
from test_balloon import resize
from test_reporting import comes_back

PAGE = 4096
FLUSH = "/proc/sys/vm/page_reporting_flush"
COUNTERS = "/sys/kernel/mm/page_reporting/"
TRACING = "/sys/kernel/tracing"
SPOIL = "/sys/devices/system/memory/hard_offline_page"
UNPOISON = "/sys/kernel/debug/hwpoison/unpoison-pfn"
BUDDY, POISONED, OFFLINE = 10, 19, 23  # bits of /proc/kpageflags

pytestmark = [pytest.mark.kernels("overlay", "debug", long=("debug",)), pytest.mark.fresh,
              pytest.mark.machine(memory=1024, balloon="free-page-reporting=on,deflate-on-oom=on")]


def flags(guest, pfn, count=1):
    """Of page frames from pfn on, as numbers."""
    text = guest.sh(f"dd if=/proc/kpageflags bs=8 skip={pfn} count={count} 2>/dev/null | "
                    "od -An -v -tx8", 120)
    return [int(word, 16) for word in text.split()]


def has(flag, bits):
    return bool(bits >> flag & 1)


def spoil(guest, pfn):
    """As the machine check of a bad page does; the kernel says what it could do about it."""
    job = guest.spawn(f"echo {pfn * PAGE:#x} >{SPOIL}", 60)
    job.wait()
    assert has(POISONED, flags(guest, pfn)[0])


def corrupted(guest):
    return guest.meminfo()["HardwareCorrupted"]


def still_fine(guest, hold):
    """What is bad is not handed out, the rest comes and goes as ever."""
    guest.write(FLUSH, "20000 2", 60)
    assert guest.read_int(COUNTERS + "in_flight_bytes") == 0
    guest.sh("patterns --mib 400 --seconds 5 --quiet-ms 100", 200)
    comes_back(guest, hold(300), 300)


def reported(guest, hold, setting):
    """A page frame that is free and that the host has."""
    setting("/proc/sys/vm/page_reporting_delay_ms", 0)
    guest.sh(f"echo 1 >{TRACING}/events/page_reporting/page_reporting_element/enable")
    hold(300).free()
    guest.write(FLUSH, 20000, 60)
    found = re.findall(r"page_reporting_element: pfn=0x([0-9a-f]+) nr_pages=(\d+)",
                       guest.sh(f"cat {TRACING}/trace", 60))
    guest.sh(f"echo 0 >{TRACING}/events/page_reporting/page_reporting_element/enable")
    for pfn, pages in reversed(found):
        pfn = int(pfn, 16)
        for at in range(pfn, pfn + int(pages), 512):
            if has(BUDDY, flags(guest, at)[0]):
                return at + 100  # in the midst of a free block
    raise AssertionError("nothing that was reported is free")


def test_reported(guest, hold, setting):
    pfn = reported(guest, hold, setting)
    spoil(guest, pfn)
    assert corrupted(guest) == PAGE
    still_fine(guest, hold)
    assert has(POISONED, flags(guest, pfn)[0])


@pytest.mark.long
@pytest.mark.kernels("debug")
def test_reported_and_good_again(guest, hold, setting):
    pfn = reported(guest, hold, setting)
    spoil(guest, pfn)
    still_fine(guest, hold)
    guest.write(UNPOISON, f"{pfn:#x}")
    assert corrupted(guest) == 0 and not has(POISONED, flags(guest, pfn)[0])
    still_fine(guest, hold)


def in_balloon(guest):
    """A page frame in the balloon, which the host has."""
    for start in range(0, guest.memory // PAGE, 8192):
        for number, bits in enumerate(flags(guest, start, 8192)):
            if has(OFFLINE, bits):
                return start + number
    raise AssertionError("no page of the balloon is seen")


def test_in_the_balloon(guest, hold):
    """It stays where it is, comes out with the others, and is used by nobody then."""
    total = guest.meminfo()["MemTotal"]
    resize(guest, 700)
    pfn = in_balloon(guest)
    spoil(guest, pfn)
    resize(guest, 600)
    resize(guest, 1024)
    assert abs(guest.meminfo()["MemTotal"] - total) < MIB
    still_fine(guest, hold)
    assert has(POISONED, flags(guest, pfn)[0])


def test_in_use(guest, hold, setting):
    """Its owner is killed or gets another page; the engine works on."""
    setting("/proc/sys/vm/page_reporting_delay_ms", 0)
    job = guest.spawn("exec hold --mib 200")
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    pid = guest.sh("pidof hold").split()[0]
    anonymous = guest.sh(f"grep -B3 -A25 '' /proc/{pid}/maps | awk '$6 == \"\" {{ print $1 }}'")
    start = max((tuple(int(end, 16) for end in area.split("-")) for area in anonymous.split()),
                key=lambda area: area[1] - area[0])[0] // PAGE
    entry = guest.sh(f"dd if=/proc/{pid}/pagemap bs=8 skip={start + 5} count=1 2>/dev/null | "
                     "od -An -v -tx8")
    spoil(guest, int(entry, 16) & ((1 << 55) - 1))
    job.kill(15)
    job.wait()
    still_fine(guest, hold)

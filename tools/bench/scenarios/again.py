"""Is a unit that the host has reported again, although nobody has used it since?"""

import signal
import time

import workload
from framework import AtMost, Row, Scenario
from workload import MIB

UNIT = 2 * MIB
PAGE = 4096
FILL, PIECE = 400, 4  # MiB
EVENTS = ("mm_page_alloc_zone_locked", "mm_page_alloc_extfrag")
# The guest's clock is read through a slow line, and by hundredths of a second.
CLOCKS_DIFFER = 0.2  # s

# The allocator's own events, thinned out to the last of each 1 MiB and of orders that matter.
LAST = ("sed -n 's/.* \\([0-9.]*\\): mm_page.*pfn=0x\\([0-9a-f]*\\) "
        "\\(alloc_\\)\\{0,1\\}order=\\([0-9]*\\).*/\\1 \\2 \\4/p' trace | "
        "awk '{ if ($3 < 9) $3 = 0; n = length($2); "
        "last[(n > 2 ? substr($2, 1, n - 2) : 0) \" \" $3] = $1 } "
        "END { for (block in last) print block, last[block] }'")
LOST = "awk '/^overrun|^dropped/ { n += $NF } END { print n + 0 }' per_cpu/cpu*/stats"


class Takes:
    """When units have last lost a page to an allocation, by the host's clock.

    Of two buffers one is always listening while the other is read.
    """

    def __init__(self, guest):
        self._guest = guest
        self._last = {}
        self._buffers = [f"/sys/kernel/tracing/instances/{name}" for name in ("even", "odd")]
        for buffer in self._buffers:
            guest.sh(f"mkdir {buffer}; cd {buffer}; echo mono >trace_clock; "
                     "echo 12288 >buffer_size_kb")
        self._switch(self._buffers[0], 1)

    def _switch(self, buffer, on):
        self._guest.sh(f"cd {buffer}; " + "".join(
            f"echo {on} >events/kmem/{event}/enable; " for event in EVENTS))

    def read(self):
        """{unit: time} of all that has been taken so far."""
        full, other = self._buffers
        self._switch(other, 1)
        self._switch(full, 0)
        ahead = time.time() - float(self._guest.read("/proc/uptime").split()[0])
        for line in self._guest.sh(f"cd {full}; {LAST}", 300).splitlines():
            block, pages, when = line.split()
            first, pages = int(block, 16) << 8, max(256, 1 << int(pages))
            for unit in range(first * PAGE // UNIT, (first + pages - 1) * PAGE // UNIT + 1):
                self._last[unit] = max(self._last.get(unit, 0), float(when) + ahead)
        lost = int(self._guest.sh(f"cd {full}; {LOST}; echo >trace"))
        assert not lost, f"the guest's trace has lost {lost} events"
        self._buffers.reverse()
        return self._last


class Again(Scenario):
    """Every other piece is freed and reported, then its neighbours: everything merges."""

    name = "again"
    title = f"Neighbours of reported memory are freed and merge with it ({FILL} MiB, 4 MiB pieces)"
    repetitions = 1
    patient = True
    rows = (
        Row("units", "units reported again with no page taken between", "", AtMost(0)),
        Row("reported", "units reported", ""),
    )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=1024) as guest:
            workload.quiet(guest)
            takes = Takes(guest)
            reports, again, reported = {}, 0, 0
            for _ in range(1 if quick else 3):
                job = guest.spawn(f"exec fragment --mib {FILL} --piece {PIECE * 1024}")
                for free in (None, signal.SIGTERM):
                    begun = time.time()
                    if free:
                        job.kill(free)
                        job.check(30)
                    else:
                        workload.wait_output(guest, job, "fragmented")
                    time.sleep(3)  # upstream begins after 2 s
                    workload.quiet(guest)
                    taken = takes.read()
                    for when, unit in units_of(guest, begun):
                        reported += 1
                        again += unit in reports and not (
                            taken.get(unit, 0) > reports[unit] - CLOCKS_DIFFER)
                        reports[unit] = when
            workload.assert_healthy(guest)
            return {"units": again, "reported": reported}


def units_of(guest, since):
    """(time, unit) of what has been discarded."""
    for discard in guest.discards(since):
        first = guest.physical(discard) // UNIT
        for unit in range(first, first + discard.length // UNIT):
            yield discard.time, unit


SCENARIOS = [Again()]

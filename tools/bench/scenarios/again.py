"""Is a unit that the host has reported again, although nobody has used it since?"""

import signal
import time

import workload
from framework import AtMost, Row, Scenario
from workload import MIB

UNIT = 2 * MIB
PAGE = 4096
FILL, PIECE = 400, 4  # MiB
TRACING = "/sys/kernel/tracing"
EVENTS = ("mm_page_alloc_zone_locked", "mm_page_alloc_extfrag")

# The allocator's own events, thinned out to 1 MiB and to orders that matter.
TAKEN = (f"sed -n 's/.*pfn=0x\\([0-9a-f]*\\) \\(alloc_\\)\\{{0,1\\}}order=\\([0-9]*\\).*/\\1 \\3/p' "
         f"{TRACING}/trace | awk '{{ if ($2 < 9) $2 = 0; n = length($1); "
         "print (n > 2 ? substr($1, 1, n - 2) : 0), $2 }' | sort -u; "
         f"grep -c 'LOST' {TRACING}/trace; echo >{TRACING}/trace")


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
            guest.sh(f"cd {TRACING}; echo 24576 >buffer_size_kb; echo >trace; " + "".join(
                f"echo 1 >events/kmem/{event}/enable; " for event in EVENTS))
            known, again, reported = set(), 0, 0
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
                    units = [unit for discard in guest.discards(begun)
                             for unit in range(guest.physical(discard) // UNIT,
                                               (guest.physical(discard) + discard.length) // UNIT)]
                    known -= taken(guest)
                    again += len(units) - len(set(units) - known)
                    reported += len(units)
                    known |= set(units)
            workload.assert_healthy(guest)
            return {"units": again, "reported": reported}


def taken(guest):
    """Units that have lost a page to an allocation since the last call."""
    units = set()
    for line in guest.sh(TAKEN, 300).splitlines():
        words = line.split()
        if len(words) == 2:
            first, pages = int(words[0], 16) << 8, max(256, 1 << int(words[1]))
            units.update(range(first * PAGE // UNIT, (first + pages - 1) * PAGE // UNIT + 1))
    return units


SCENARIOS = [Again()]

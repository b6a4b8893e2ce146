"""Does what the host is charged follow what the guest uses?"""

import stats
import workload
from framework import Between, Row, Scenario
from workload import MIB

SIZES = (200, 1400, 600, 1000, 100, 1200, 400, 800)  # MiB, up and down
QUICK = (200, 1200, 600)


class Sweep(Scenario):
    name = "sweep"
    title = "Charge by working set, which grows and shrinks"
    axes = ("working set (MiB)", "MiB")
    repetitions = 1
    patient = True
    rows = (
        Row("slope", "MiB charged for each MiB of working set", "", Between(0.9, 1.1)),
        Row("slope_rss", "MiB of QEMU's RSS for each", "", Between(0.9, 1.1)),
        Row("surplus", "charged on average more than at the least, less the working set", "MiB"),
    )

    def run(self, setup, quick):
        sizes = QUICK if quick else SIZES
        charges, residents = [], []
        with workload.start(self, setup, memory=2048) as guest:
            workload.quiet(guest)
            for size in sizes:
                with workload.held(guest, size):
                    workload.quiet(guest)
                    charges.append(guest.charge() / MIB)
                    residents.append(guest.rss() / MIB)
            workload.assert_healthy(guest)
        base = min(charge - size for charge, size in zip(charges, sizes))
        return {
            "slope": stats.slope(sizes, charges),
            "slope_rss": stats.slope(sizes, residents),
            "surplus": sum(c - s - base for c, s in zip(charges, sizes)) / len(sizes),
            "series": {"charged": sorted(zip(sizes, charges)), "RSS": sorted(zip(sizes, residents))},
        }


SCENARIOS = [Sweep()]

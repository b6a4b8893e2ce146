"""The benchmark's workloads, in the order of the report."""

from scenarios import (again, balloon, burst, comeandgo, debian, faults, fleet, lockhold, mix,
                       monitor, stranding, sweep, tight, worker)

ALL = [*debian.SCENARIOS, *burst.SCENARIOS, *monitor.SCENARIOS, *stranding.SCENARIOS,
       *comeandgo.SCENARIOS, *mix.SCENARIOS, *worker.SCENARIOS, *lockhold.SCENARIOS, *again.SCENARIOS,
       *faults.SCENARIOS, *tight.SCENARIOS, *sweep.SCENARIOS, *balloon.SCENARIOS,
       *fleet.SCENARIOS]

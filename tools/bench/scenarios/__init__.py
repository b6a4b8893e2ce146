"""The benchmark's workloads, in the order of the report."""

from scenarios import burst, comeandgo, mix, stranding

ALL = [*burst.SCENARIOS, *stranding.SCENARIOS, *comeandgo.SCENARIOS, *mix.SCENARIOS]

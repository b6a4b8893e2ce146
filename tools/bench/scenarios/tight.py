"""Little is free, a job comes and goes, reporting runs: what do others notice?"""

import time

import workload
from discards import total
from framework import Ratio, Row, Scenario
from workload import MIB

MEMORY = 4096  # MiB
FREE = 0.05  # of memory is free when nothing churns
# Of /proc/meminfo: what is in use.  MemFree would miss what lies on per-CPU lists.
IN_USE = ("AnonPages", "Cached", "Buffers", "Slab", "KernelStack", "PageTables", "Percpu")
JOB = 48  # MiB; the watermarks take half of what is free
COUNT = 3000  # allocations of each kind
# Of /proc/vmstat: each is an allocation that did not simply succeed.
TROUBLE = ("allocstall_dma", "allocstall_dma32", "allocstall_normal", "allocstall_movable",
           "compact_stall", "thp_fault_fallback")


class Tight(Scenario):
    name = "tight"
    title = f"Allocations while 5 % are free and a job of {JOB} MiB comes and goes"
    quick_repetitions = 0
    rows = (
        Row("trouble", "allocations that failed or had to reclaim or compact", "", Ratio(1)),
        Row("p50", "median time of a fault", "us"),
        Row("p999", "99.9 % of faults take at most", "us"),
        Row("huge_p50", "median time of a huge page's fault", "us"),
        Row("huge_p999", "99.9 % of huge pages' faults take at most", "us"),
        Row("discarded", "discarded meanwhile", "MiB"),
    )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=MEMORY) as guest:
            # Else what the job frees would stay on per-CPU lists, and nothing to report.
            guest.write("/proc/sys/vm/percpu_pagelist_high_fraction", 100000)
            workload.quiet(guest)
            meminfo = guest.meminfo()
            used = sum(meminfo[name] for name in IN_USE)
            fill = int(meminfo["MemTotal"] * (1 - FREE) - used) // MIB
            with workload.held(guest, fill):
                workload.quiet(guest)
                before, begun = guest.vmstat(), time.time()
                churn = guest.spawn(f"exec come_and_go --huge --mib {JOB} --rounds 1000 "
                                    "--gap-ms 2500")
                small, huge = (guest.spawn(f"exec alloc_latency --count {COUNT} --gap-us 2000 "
                                           + options) for options in ("", "--huge"))
                small, huge = small.check(300), huge.check(300)
                after, discarded = guest.vmstat(), total(guest.discards(begun))
                churn.kill()
                churn.wait(10)
            workload.assert_healthy(guest)
            return {
                "trouble": sum(after[name] - before[name] for name in TROUBLE if name in after),
                "p50": workload.number(small, "p50_ns") / 1e3,
                "p999": workload.number(small, "p999_ns") / 1e3,
                "huge_p50": workload.number(huge, "p50_ns") / 1e3,
                "huge_p999": workload.number(huge, "p999_ns") / 1e3,
                "discarded": discarded / MIB,
            }


SCENARIOS = [Tight()]

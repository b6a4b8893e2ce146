"""How long does a pass keep the allocator's lock, with interrupts off?"""

import collections
import os
import re
import subprocess

import instructions
import paths
import workload
from framework import AtMost, Ratio, Row, Scenario, Setup
from guest import Guest, GuestError
from workload import BOOT_REPORTED, ICOUNT

FILL = 600  # MiB
TRACING = instructions.TRACING
ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"

# Interrupts going off and on in kernel workers, and which pass it was in.
BEGIN = instructions.BEGIN + f"""
echo 0 >{TRACING}/events/sched/sched_switch/enable
for event in irq_disable irq_enable; do
	echo 'comm ~ "kworker*"' >{TRACING}/events/preemptirq/$event/filter
	echo 1 >{TRACING}/events/preemptirq/$event/enable
done
for event in pass_start pass_end; do
	path={TRACING}/events/page_reporting/page_reporting_$event/enable
	[ ! -e $path ] || echo 1 >$path
done
"""
END = f"""
echo 0 >{TRACING}/tracing_on
grep -E ' (irq_|page_reporting_pass|workqueue_execute)' {TRACING}/trace
"""
# Where a pass begins and ends: upstream has no events of its own for it.
_STARTS, _ENDS = ("page_reporting_pass_start",), ("page_reporting_pass_end",)
_UPSTREAM = "function page_reporting_process"


def holds(trace):
    """The longest hold in each function that takes a lock in a pass: {function: instructions}."""
    own_events = any(event in _STARTS for _, _, event, _ in instructions.events(trace))
    passing, since = set(), {}
    longest = collections.Counter()
    for pid, now, event, text in instructions.events(trace):
        upstream = not own_events and _UPSTREAM in text
        if event in _STARTS or (upstream and event == "workqueue_execute_start"):
            passing.add(pid)
        elif event in _ENDS or (upstream and event == "workqueue_execute_end"):
            passing.discard(pid)
        elif event == "irq_disable" and pid in passing and "_raw_spin_lock_irq" in text:
            since[pid] = now, re.search(r"parent=(\w+)", text)[1]
        elif event == "irq_enable" and pid in since:
            begun, function = since.pop(pid)
            longest[function] = max(longest[function], now - begun)
    if not longest:
        raise GuestError("no hold of a lock was seen in a pass")
    return dict(longest)


class LockHold(Scenario):
    name = "lockhold"
    title = f"The longest hold of a lock in a pass: {FILL} MiB freed, by the guest's size"
    axes = ("guest's memory (GiB)", "thousand instructions")
    exact = True
    repetitions = 1
    quick_repetitions = 0
    tuned = False  # it takes a kernel built for it
    rows = (
        Row("hold_1", "with 1 GiB", "k"),
        Row("hold_4", "with 4 GiB", "k"),
        Row("hold_16", "with 16 GiB", "k", Ratio(0.2)),
        Row("hold_256", "with 256 GiB", "k", Ratio(0.2)),
        Row("growth", "256 GiB / 1 GiB", "", AtMost(1.05)),
        Row("hold_order0", "with 1 GiB, order 0", "k", Ratio(0.2)),
        Row("orders", "order 0 / order 9", "", AtMost(2)),
    )

    def prepare(self):
        for name in ("upstream-irqsoff", "overlay-irqsoff"):
            if subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), name],
                              check=False).returncode:
                raise GuestError(f"the {name} kernel does not build")

    def run(self, setup, quick):
        found = {gib: self._longest(setup, gib) for gib in (1, 4, 16, 256)}
        pages = self._longest(setup, 1, order=0)
        measures = {f"hold_{gib}": max(held.values()) / 1e3 for gib, held in found.items()}
        order0 = max(pages.values()) / 1e3
        return {**measures, "growth": measures["hold_256"] / measures["hold_1"],
                "hold_order0": order0, "orders": order0 / measures["hold_1"],
                "functions": {**found, "order 0": pages},
                "series": {"longest": [(gib, measures[f"hold_{gib}"]) for gib in found]}}

    def _longest(self, setup: Setup, gib, order=9):
        image = os.path.join(paths.kernel_dir(f"{setup.kernel}-irqsoff"), "bzImage")
        # This host need not have as much: most of it is never touched.
        with Guest(image, name=self.guest_name(setup), memory=1024 * gib, smp=1, icount=ICOUNT,
                   backend="memory-backend-ram,reserve=off") as guest:
            guest.write(ORDER, order)
            guest.spawn(f"sleep {BOOT_REPORTED * 4}").check(120)
            output = guest.spawn(f"""
                hold --mib {FILL} >/tmp/hold & hold=$!
                until grep -q holding /tmp/hold; do sleep 0.1; done
                sleep 10
                {BEGIN}
                kill $hold; wait $hold
                sleep 60
                {END}""").check(240)
            workload.assert_healthy(guest)
            return holds(output)


SCENARIOS = [LockHold()]

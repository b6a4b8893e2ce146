"""Allocate, touch, free, in a loop: what does the allocator's fast path pay?"""

import time

import workload
from framework import IntervalBelow, Ratio, Row, Scenario
from workload import ICOUNT

CASES = {  # measure: (title, options, rounds that take about as long)
    "small_1": ("4 KiB pages, 1 task", "", 1),
    "small_2": ("4 KiB pages, 2 tasks", "--tasks 2", 0.5),
    "small_8": ("4 KiB pages, 8 tasks", "--tasks 8", 0.25),
    "huge_1": ("huge pages, 1 task", "--huge", 8),
    "huge_2": ("huge pages, 2 tasks", "--huge --tasks 2", 4),
    "huge_8": ("huge pages, 8 tasks", "--huge --tasks 8", 2),
}
MODES = {"on": 1.01, "off": 1.001}  # reporting: target of the ratio
LOOP = 128  # MiB; half as much where eight tasks are to fit into the guest


def command(options, rounds):
    mib = LOOP // 2 if "--tasks 8" in options else LOOP
    return f"page_fault_loop --mib {mib} --rounds {max(1, round(rounds))} {options}"


class Instructions(Scenario):
    """Loops long enough for reporting to run beside them, in instructions."""

    name = "faults"
    title = f"Loops over {LOOP} MiB: take, touch, free; instructions counted"
    exact = True
    repetitions = quick_repetitions = 1
    rows = tuple(Row(f"{mode}_{case}", f"{title}, reporting {mode}", "ms", Ratio(limit))
                 for mode, limit in MODES.items() for case, (title, _, _) in CASES.items())

    def run(self, setup, quick):
        measures = {}
        for mode in MODES:
            # Reporting needs time to come in the way; without it, a thousandth is not to
            # be a matter of one timer more or less.
            scale = (4 if quick else 64) if mode == "on" else 4 if quick else 20
            with workload.start(self, setup, memory=1024, smp=1, icount=ICOUNT,
                                balloon=f"free-page-reporting={mode}") as guest:
                guest.spawn(f"sleep {workload.BOOT_REPORTED}").check(120)
                for case, (_, options, rounds) in CASES.items():
                    output = guest.spawn(command(options, scale * rounds)).check(600)
                    measures[f"{mode}_{case}"] = workload.number(output, "work_ns") / 1e6
                workload.assert_healthy(guest)
        return measures


class WallTime(Scenario):
    """Both guests stay up and take turns; short runs, so that a pair sees the same host."""

    name = "faultswall"
    title = f"Loops over {LOOP} MiB: take, touch, free; wall time of interleaved pairs"
    repetitions = 61
    quick_repetitions = 0
    tuned = False
    rows = tuple(Row(case, title, "ms", IntervalBelow(1.05))
                 for case, (title, _, _) in CASES.items())

    def measure_all(self, setups, repetitions, quick, say):
        measured = {setup.name: [] for setup in setups}
        guests = [(setup, workload.start(self, setup, memory=1024)) for setup in setups]
        try:
            for _, guest in guests:
                guest.start()
            for _, guest in guests:
                workload.quiet(guest)
            self._round(guests)  # warms up
            for repetition in range(repetitions):
                begun = time.monotonic()
                for name, measures in self._round(guests).items():
                    measured[name].append(measures)
                guests.reverse()
                say(self, setups[-1], repetition, measured[setups[-1].name][-1],
                    time.monotonic() - begun)
            for _, guest in guests:
                workload.assert_healthy(guest)
        finally:
            for _, guest in guests:
                guest.stop()
        return measured

    @staticmethod
    def _round(guests):
        """Each case on each kernel by turns; the least of three times, because a host only adds."""
        measures = {setup.name: {} for setup, _ in guests}
        for case, (_, options, rounds) in CASES.items():
            for _ in range(3):
                for setup, guest in guests:
                    output = guest.sh(command(options, rounds), 300)
                    took = workload.number(output, "work_ns") / 1e6
                    before = measures[setup.name].get(case, took)
                    measures[setup.name][case] = min(took, before)
        return measures


SCENARIOS = [Instructions(), WallTime()]

"""What the reporting worker itself costs the guest, in instructions."""

import statistics
import time

import instructions
import workload
from discards import total
from framework import AtMost, Ratio, Row, Scenario
from workload import BOOT_REPORTED, GIB, ICOUNT, MIB

FILL = 1024  # MiB
EVACUATE = "/proc/sys/vm/page_reporting_evacuate"


class PerGib(Scenario):
    """All kernel workers while memory is reported, less what they do in as long an idle time."""

    name = "worker"
    title = f"The reporting worker's instructions for {FILL} MiB freed at once"
    exact = True
    repetitions = quick_repetitions = 1
    rows = (
        Row("reporting", "instructions per GiB reported", "M/GiB", Ratio(0.25)),
        Row("everything", "the same, evacuation and its looking around included", "M/GiB"),
        Row("reported", "reported", "MiB"),
    )
    watch = 60  # guest seconds

    def run(self, setup, quick):
        reporting, _ = self._cost(setup, "0")
        everything, reported = self._cost(setup, "1")
        return {"reporting": reporting, "everything": everything, "reported": reported}

    def _cost(self, setup, evacuate):
        with workload.start(self, setup, memory=2048, smp=1, icount=ICOUNT) as guest:
            if guest.exists(EVACUATE):
                guest.write(EVACUATE, evacuate)
            guest.spawn(f"sleep {BOOT_REPORTED}").check(120)
            begun = time.time()
            job = guest.spawn(f"""{instructions.SCRIPT}
                workers idle
                sleep {self.watch}
                workers ready
                hold --mib {FILL} >/tmp/hold & hold=$!
                until grep -q holding /tmp/hold; do sleep 0.1; done
                sleep 10
                workers full
                kill $hold; wait $hold
                sleep {self.watch}
                workers done""")
            output = job.check(120)
            workload.quiet(guest, 1)
            workload.assert_healthy(guest)
            ran = instructions.readings(output)
            reported = total(guest.discards(begun))
            work = (instructions.between(ran["full"], ran["done"])
                    - instructions.between(ran["idle"], ran["ready"]))
            return work / 1e6 / (reported / GIB), reported / MIB


class PassCost(Scenario):
    """The same after one free block, in guests of several sizes."""

    name = "pass"
    title = "A pass after one freed block of 4 MiB, by the guest's size"
    axes = ("guest's memory (GiB)", "thousand instructions")
    exact = True
    repetitions = 1
    quick_repetitions = 1
    frees = 8
    watch = 40  # guest seconds; what is below the threshold is reported within 30
    rows = (
        Row("cost_1", "with 1 GiB", "k"),
        Row("cost_4", "with 4 GiB", "k"),
        Row("cost_16", "with 16 GiB", "k"),
        Row("growth", "16 GiB / 1 GiB", "", AtMost(1.05)),
        Row("reported", "reported each time", "MiB"),
    )

    def run(self, setup, quick):
        measures = {}
        for gib in (1, 4, 16):
            measures[f"cost_{gib}"], measures["reported"] = self._cost(setup, gib)
        measures["growth"] = measures["cost_16"] / measures["cost_1"]
        measures["series"] = {"a pass": [(gib, measures[f"cost_{gib}"]) for gib in (1, 4, 16)]}
        return measures

    def _cost(self, setup, gib):
        with workload.start(self, setup, memory=1024 * gib, smp=1, icount=ICOUNT) as guest:
            # Free huge pages must not stay on the CPU's own list, where nobody sees them.
            guest.spawn(f"sysctl -w vm.percpu_pagelist_high_fraction=100000; "
                        f"sleep {BOOT_REPORTED * 4}").check(120)
            begun = time.time()
            output = guest.spawn(instructions.SCRIPT + "".join(f"""
                workers idle{turn}
                sleep {self.watch}
                workers ready{turn}
                hold --huge --mib 4 >/tmp/hold & hold=$!
                until grep -q holding /tmp/hold; do sleep 0.1; done
                workers full{turn}
                kill $hold; wait $hold
                sleep {self.watch}
                workers done{turn}""" for turn in range(self.frees))).check(240)
            workload.quiet(guest, 1)
            workload.assert_healthy(guest)
            ran = instructions.readings(output)
            costs = [instructions.between(ran[f"full{turn}"], ran[f"done{turn}"])
                     - instructions.between(ran[f"idle{turn}"], ran[f"ready{turn}"])
                     for turn in range(self.frees)]
            reported = total(guest.discards(begun)) / MIB / self.frees
            return statistics.fmean(costs) / 1e3, reported


class Idle(Scenario):
    """What an idle guest does all day."""

    name = "idle"
    title = "An idle guest, some time after boot"
    exact = True
    repetitions = quick_repetitions = 1
    minutes = 10
    rows = (
        Row("switches", "context switches a minute", "1/min", Ratio(1.01)),
        Row("interrupts", "interrupts a minute", "1/min", Ratio(1.01)),
        Row("workers", "instructions of kernel workers a minute", "k/min"),
        Row("discards", "discards in ten minutes", ""),
    )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=2048, smp=1, icount=ICOUNT) as guest:
            guest.spawn("hold --mib 256 >/tmp/hold & sleep 10; kill $!; wait $!; "
                        "sleep 300").check(120)
            workload.quiet(guest, 1)
            begun = time.time()
            output = guest.spawn(f"""{instructions.SCRIPT}
                workers before
                grep -E '^(ctxt|intr) ' /proc/stat
                sleep {60 * self.minutes}
                grep -E '^(ctxt|intr) ' /proc/stat
                workers after""").check(120)
            workload.assert_healthy(guest)
            ran = instructions.readings(output)
            counts = {key: [int(line.split()[1]) for line in output.splitlines()
                            if line.startswith(key)] for key in ("ctxt", "intr")}
            return {
                "switches": (counts["ctxt"][1] - counts["ctxt"][0]) / self.minutes,
                "interrupts": (counts["intr"][1] - counts["intr"][0]) / self.minutes,
                "workers": instructions.between(ran["before"], ran["after"])
                           / 1e3 / self.minutes,
                "discards": len(guest.discards(begun)),
            }


SCENARIOS = [PerGib(), PassCost(), Idle()]

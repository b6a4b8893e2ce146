"""What the reporting worker itself costs the guest, in instructions."""

import time

import instructions
import workload
from discards import total
from framework import AtMost, Ratio, Row, Scenario
from workload import BOOT_REPORTED, GIB, ICOUNT, MIB

FILL = 1024  # MiB
# Freed memory does not stay on the CPU's own list, where no hook sees it.
SHORT_LISTS = "echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction"


class PerGib(Scenario):
    name = "worker"
    title = f"The reporting worker's instructions for {FILL} MiB freed at once"
    exact = True
    repetitions = quick_repetitions = 1
    rows = (
        Row("reporting", "instructions per GiB, nothing on the CPU's own list", "M/GiB",
            Ratio(0.25)),
        Row("default", "the same, and the overlay brings that list's pages, too", "M/GiB"),
        Row("evacuation", "evacuation and its looking around in that minute", "M"),
        Row("reported", "reported", "MiB"),
    )

    def run(self, setup, quick):
        # To free what lies on a CPU's list costs more than to report all the rest;
        # upstream leaves it there, and with the guest.
        measures = self._cost(setup)
        measures["reporting"] = self._cost(setup, SHORT_LISTS)["default"]
        return measures

    def _cost(self, setup, prepare=":"):
        with workload.start(self, setup, memory=2048, smp=1, icount=ICOUNT) as guest:
            guest.sh(prepare)
            guest.spawn(f"sleep {BOOT_REPORTED * 4}").check(120)
            begun = time.time()
            output = guest.spawn(f"""
                hold --mib {FILL} >/tmp/hold & hold=$!
                until grep -q holding /tmp/hold; do sleep 0.1; done
                sleep 10
                {instructions.BEGIN}
                kill $hold; wait $hold
                sleep 60
                {instructions.END}""").check(120)
            workload.quiet(guest, 1)
            workload.assert_healthy(guest)
            reported = total(guest.discards(begun))
            reporting, evacuation = instructions.split(output)
            return {"default": reporting / 1e6 / (reported / GIB),
                    "evacuation": evacuation / 1e6, "reported": reported / MIB}


class PassCost(Scenario):
    """The same after one free block, in guests of several sizes."""

    name = "pass"
    title = "A pass after one freed block of 4 MiB, by the guest's size"
    axes = ("guest's memory (GiB)", "thousand instructions")
    exact = True
    repetitions = quick_repetitions = 1
    frees = 10
    rows = (
        Row("cost_1", "with 1 GiB", "k"),
        Row("cost_4", "with 4 GiB", "k"),
        Row("cost_16", "with 16 GiB", "k"),
        Row("growth", "16 GiB / 1 GiB", "", AtMost(1.05)),
        Row("reported", "reported each time", "MiB"),
    )

    def run(self, setup, quick):
        measures, points = {}, []
        for gib in (1, 16) if quick else (1, 4, 16):
            measures[f"cost_{gib}"], measures["reported"] = self._cost(setup, gib)
            points.append((gib, measures[f"cost_{gib}"]))
        measures["growth"] = measures["cost_16"] / measures["cost_1"]
        measures["series"] = {"a pass": points}
        return measures

    def _cost(self, setup, gib):
        """Instructions in thousands, and MiB reported, for each free."""
        with workload.start(self, setup, memory=1024 * gib, smp=1, icount=ICOUNT) as guest:
            guest.sh(SHORT_LISTS)
            guest.spawn(f"sleep {BOOT_REPORTED * 4}").check(120)
            begun = time.time()
            # Between two, longer than what the overlay takes for reuse that is too soon.
            output = guest.spawn(f"""
                {instructions.BEGIN}
                for turn in $(seq {self.frees}); do
                    : >/tmp/hold  # what the last one said is not this one's
                    hold --huge --mib 4 >/tmp/hold & hold=$!
                    until grep -q holding /tmp/hold; do sleep 0.1; done
                    kill $hold; wait $hold
                    sleep 40
                done
                {instructions.END}""").check(240)
            workload.quiet(guest, 1)
            workload.assert_healthy(guest)
            reporting, _ = instructions.split(output)
            return (reporting / 1e3 / self.frees,
                    total(guest.discards(begun)) / MIB / self.frees)


class Idle(Scenario):
    """What an idle guest does all day."""

    name = "idle"
    title = "An idle guest, some time after boot"
    exact = True
    repetitions = quick_repetitions = 1
    minutes = 10
    rows = (
        Row("switches", "context switches a minute", "1/min", Ratio(1.01)),
        # How many timers share a tick depends on when each was set: more or less by chance.
        Row("interrupts", "interrupts a minute", "1/min", Ratio(1.05)),
        Row("discards", "discards in ten minutes", ""),
    )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=2048, smp=1, icount=ICOUNT) as guest:
            guest.spawn("hold --mib 256 >/tmp/hold & sleep 10; kill $!; wait $!; "
                        "sleep 300").check(120)
            workload.quiet(guest, 1)
            begun = time.time()
            output = guest.spawn(f"""
                grep -E '^(ctxt|intr) ' /proc/stat
                sleep {60 * self.minutes}
                grep -E '^(ctxt|intr) ' /proc/stat""").check(120)
            workload.assert_healthy(guest)
            counts = {key: [int(line.split()[1]) for line in output.splitlines()
                            if line.startswith(key)] for key in ("ctxt", "intr")}
            return {
                "switches": (counts["ctxt"][1] - counts["ctxt"][0]) / self.minutes,
                "interrupts": (counts["intr"][1] - counts["intr"][0]) / self.minutes,
                "discards": len(guest.discards(begun)),
            }


SCENARIOS = [PerGib(), PassCost(), Idle()]

"""A job frees its memory and takes it again soon: is it left alone meanwhile?"""

import workload
from discards import total
from framework import AtMost, Ratio, Row, Scenario
from workload import MIB

JOB = 500  # MiB


class ComeAndGo(Scenario):
    def __init__(self, gap, rounds, quick=0):
        self.name = f"comeandgo-{gap}s"
        self.title = f"A job of {JOB} MiB comes {rounds} times with gaps of {gap} s"
        self.repetitions = 3 if quick else 2
        self.quick_repetitions = quick
        self._gap, self._rounds = gap, rounds
        self.rows = (
            # Upstream waits 2 s in any case, and after 10 s memory is rightly gone.
            Row("discarded", "discarded in each gap", "MiB",
                *((Ratio(0.5), 1 / 3) if gap == 3 else ())),
            Row("t95", "after the last end 95 % of what comes back is back after", "s", Ratio(1)),
            Row("share", "share that came back in the end", "%"),
            Row("seconds", "run time without the gaps (wall)", "s"),
        )

    def run(self, setup, quick):
        rounds = min(self._rounds, 6) if quick else self._rounds
        with workload.start(self, setup, memory=2048) as guest:
            workload.quiet(guest)
            job = guest.spawn(f"exec come_and_go --mib {JOB} --rounds {rounds} "
                              f"--gap-ms {self._gap * 1000}")
            starts = [workload.wait_output(guest, job, f"start {number}\n")
                      for number in range(1, rounds + 1)]
            ended = workload.wait_output(guest, job, f"end {rounds}\n")
            job.check(10)
            high = max(sample.charge for sample in guest.samples(ended - 1, ended + 0.1))
            # What has been hot waits for some seconds more.
            guest.wait_for(lambda: high - guest.charge() > JOB * MIB / 2, 60, "half is back")
            workload.quiet(guest)
            workload.assert_healthy(guest)
            back = high - guest.charge()
            gaps = [total(d for d in guest.discards(start) if d.time < end) / MIB
                    for start, end in zip(starts, starts[1:] + [ended])]
            return {
                "discarded": sum(gaps) / (rounds - 1),
                "gaps": gaps,
                "t95": workload.time_back(guest, ended, high, back, 0.95),
                "share": 100 * back / (JOB * MIB),
                "seconds": workload.number(job.output, "work_ns") / 1e9,
                "series": workload.lines(guest, starts[0] - 1, zero=starts[0]),
            }


class RunTime(Scenario):
    """Its run time with and without reporting, in instructions."""

    name = "comeandgo-cost"
    title = f"The job of {JOB} MiB with gaps of 3 s: instructions with reporting on and off"
    exact = True
    repetitions = 1
    quick_repetitions = 0
    rows = (
        Row("on", "run time, reporting on", "ms"),
        Row("off", "run time, reporting off", "ms"),
        Row("ratio", "on / off", "", AtMost(1.01)),
    )

    def run(self, setup, quick):
        measures = {}
        for mode in ("on", "off"):
            with workload.start(self, setup, memory=2048, smp=1, icount=workload.ICOUNT,
                                balloon=f"free-page-reporting={mode}") as guest:
                job = guest.spawn(f"sleep {workload.BOOT_REPORTED}; exec come_and_go --mib {JOB} "
                                  f"--rounds 5 --gap-ms 3000")
                job.check(300)
                workload.assert_healthy(guest)
                measures[mode] = workload.number(job.output, "work_ns") / 1e6
        measures["ratio"] = measures["on"] / measures["off"]
        return measures


SCENARIOS = [
    ComeAndGo(1, 10),
    ComeAndGo(3, 10, quick=1),
    ComeAndGo(10, 6),
    RunTime(),
]

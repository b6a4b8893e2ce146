"""A real guest: Debian on ext4 that works, rests and tidies up.

What the host is charged is held against an ideal kernel's charge, of which nothing is
free memory: what the guest uses, sampled in it, what its kernel took before it counted
its memory, and what QEMU needs for itself.
"""

import collections
import re
import time

import debianroot
import workload
from framework import WHOLE, AtLeast, AtMost, Ratio, Row, Scenario
from workload import MIB

MEMORY = 2048  # MiB
# MiB for translated code: enough for such a guest not to be translated again and again.
TRANSLATED = 128
AT_END = 5  # seconds: so much of a rest's end is its end
COUNTERS = "/sys/kernel/mm/page_reporting/"

# Bytes; phase: what the program in the guest had last said that it does.
Look = collections.namedtuple("Look", "time phase charge used own faults")


def last_number(data, key):
    found = re.findall(rf"^{key}=(\d+)\n", data[-200:].decode(), re.MULTILINE)
    return int(found[-1]) if found else None


def follow(guest, job, timeout):
    """Looks at the guest each second until a program in it has ended; returns the Looks."""
    use = guest.spawn("exec memory_use 1000")
    looks, begun = [], time.time()
    while job.running:
        time.sleep(1)
        used = last_number(use.out, "used")
        phases = re.findall(r"^phase (\S+)$", job.output, re.MULTILINE)
        if used is not None and phases and job.running:
            looks.append(Look(time.time(), phases[-1], guest.charge(), used * 1024,
                              workload.qemu_own(guest), guest.minor_faults()))
        if time.time() - begun > timeout:
            raise workload.GuestError(f"not done after {timeout} s: {job.output.splitlines()[-1]}")
    use.kill()
    job.check(10)
    return looks


class Real(Scenario):
    """Boots Debian, runs a program of tools/bench/guest in it and looks at it meanwhile."""

    repetitions = 3
    quick_repetitions = 0
    huge_pages = True  # of the host, behind the guest

    def prepare(self):
        debianroot.build()

    def set_up(self, guest):
        """What a guest on such a host does when it has booted."""

    def command(self, quick):
        """The program and its arguments."""
        raise NotImplementedError

    def measure(self, looks, above, output):
        """Measures of this scenario; above(looks): mean MiB charged above the ideal."""
        raise NotImplementedError

    def run(self, setup, quick):
        with workload.start(self, setup, memory=MEMORY, root="debian",
                            tb_size=TRANSLATED, huge_pages=self.huge_pages) as guest:
            self.set_up(guest)
            workload.quiet(guest)
            before = self._counters(guest)
            fixed = guest.memory - guest.meminfo()["MemTotal"]
            job = guest.spawn(workload.program(*self.command(quick)))
            looks = follow(guest, job, 1800)
            workload.assert_healthy(guest)

            def above(chosen):
                return sum(look.charge - look.used - look.own - fixed
                           for look in chosen) / len(chosen) / MIB

            measures = {
                "boot": guest.boot_seconds,
                "mean": sum(look.charge for look in looks) / len(looks) / MIB,
                "own": looks[-1].own / MIB,
                "above": above(looks),
                "faults": looks[-1].faults - looks[0].faults,
                "series": self._series(looks, fixed),
            }
            measures.update(self.measure(looks, above, job.output))
            measures.update(self._evacuation(before, self._counters(guest),
                                             looks[-1].time - looks[0].time))
            return measures

    @staticmethod
    def _series(looks, fixed):
        def line(value):
            return [(round(look.time - looks[0].time, 1), round(value(look) / MIB, 1))
                    for look in looks]
        return {"charged": line(lambda look: look.charge),
                "ideal": line(lambda look: look.used + look.own + fixed)}

    @staticmethod
    def _counters(guest):
        """The engine's counters that are there; none on upstream."""
        output = guest.sh(f"cd {COUNTERS} 2>/dev/null && grep . * || :")
        return {name: int(value) for name, value in
                (line.split(":") for line in output.splitlines())}

    @staticmethod
    def _evacuation(before, after, seconds):
        if "evacuated" not in after:
            return {}
        grown = {name: after[name] - before[name] for name in after}
        tried = grown["evacuated"] + grown["evacuate_failed"]
        gained = grown["evacuated"] * 2  # MiB; that of a unit
        return {"tried": tried, "moved": grown["evacuate_moved_pages"],
                "whole": 100 * grown["evacuated"] / tried if tried else 100,
                "effort": grown["evacuate_moved_pages"] / gained if gained else 0,
                "cpu": grown["evacuate_cpu_us"] / 1e4 / seconds}


def end_of(looks, phase):
    """The last seconds of a phase."""
    last = max(look.time for look in looks if look.phase == phase)
    return [look for look in looks if look.phase == phase and look.time > last - AT_END]


EVACUATION = (
    Row("tried", "units that evacuation began", "", ours=True),
    Row("whole", "of them became whole", "%", AtLeast(80), ours=True),
    Row("moved", "pages moved", "", ours=True),
    Row("effort", "pages moved for each MiB made whole", "", AtMost(200), ours=True),
    Row("cpu", "evacuation's CPU time, of one CPU's", "%", AtMost(1), ours=True),
)
ALWAYS = (
    Row("boot", "seconds to boot", "s"),
    Row("mean", "charged, mean", "MiB"),
    Row("own", "of that QEMU's own at the end", "MiB"),
    Row("above", "charged above used and fixed, mean", "MiB", Ratio(0.15), at_best=0.25),
)


class Day(Real):
    name = "debian"
    title = ("Debian, ext4, 2 GiB: PostgreSQL, a compiler, sort, Python, small files; "
             "removed; page cache dropped; a rest after each")
    rows = (
        *ALWAYS,
        Row("work", "the same at the end of the rest after work", "MiB", Ratio(0.15)),
        Row("removed", "at the end of the rest after removal", "MiB", Ratio(0.15)),
        Row("dropped", "at the end of the rest without page cache", "MiB", Ratio(0.15)),
        Row("charged", "charged then", "MiB"),
        Row("faults", "QEMU's minor faults", "", Ratio(1.15)),
        Row("seconds", "all but the rests (wall)", "s"),
        *EVACUATION,
    )

    def command(self, quick):
        return "debian-day", 1 if quick else 3, 25

    def measure(self, looks, above, output):
        return {
            "work": above(end_of(looks, "rest-work")),
            "removed": above(end_of(looks, "rest-removed")),
            "dropped": above(end_of(looks, "rest-dropped")),
            "charged": looks[-1].charge / MIB,
            "seconds": workload.number(output, "work_ms") / 1e3,
        }


class DayOnSmallPages(Day):
    name = "small-pages"
    title = "the same on a host without huge pages, where page-reporting tune has run"
    rows = (*Day.rows, Row("granule", "a granule", "KiB", ours=True))
    huge_pages = False
    others = (WHOLE,)

    def set_up(self, guest):
        # It cannot on upstream, and leaves an order of the command line alone.
        self._granule = guest.sh("page-reporting tune >/dev/null 2>&1; cat "
                                 "/proc/sys/vm/page_reporting_order 2>/dev/null || :").strip()

    def measure(self, looks, above, output):
        measures = super().measure(looks, above, output)
        if self._granule:
            measures["granule"] = 4 << int(self._granule)
        return measures


class SmallFiles(Real):
    name = "small-files"
    title = "100,000 small files made, listed and forgotten; page cache dropped; a minute"
    rows = (
        *ALWAYS,
        Row("rested", "the same a minute later", "MiB", AtMost(64)),
        *EVACUATION,
    )

    def command(self, quick):
        return "small-files", 20000 if quick else 100000, 60

    def measure(self, looks, above, output):
        return {"rested": above(end_of(looks, "rest"))}


class Containers(Real):
    name = "containers"
    title = "Ten containers with overlay mounts come and go, page cache dropped, a minute; ten times"
    repetitions = 1
    rows = (
        *ALWAYS,
        Row("kept", "charged after the worst round above before", "MiB", AtMost(60)),
        Row("drift", "growth from round to round", "MiB", AtMost(5)),
        *EVACUATION,
    )

    def command(self, quick):
        return "containers", 10, 2 if quick else 10, 60

    def measure(self, looks, above, output):
        rests, rest = [], []
        for look in [*looks, looks[0]._replace(phase="round")]:
            if look.phase == "rest":
                rest.append(look)
            elif rest:
                rests.append(end_of(rest, "rest"))
                rest = []
        # What QEMU took for itself meanwhile is not the guest's.
        ends = [sum(look.charge - look.own for look in end) / len(end) / MIB for end in rests]
        before = (looks[0].charge - looks[0].own) / MIB
        return {"kept": max(ends) - before,
                "drift": (ends[-1] - ends[0]) / (len(ends) - 1)}


class Compile(Real):
    name = "build"
    title = "Programs compiled; a rest; removed; a rest; page cache dropped; a rest"
    repetitions = 1
    rows = (
        Row("boot", "seconds to boot", "s"),
        Row("mean", "charged, mean", "MiB", Ratio(0.75)),
        *ALWAYS[2:],
        Row("over", "charged / (used and fixed) after the drop", "", AtMost(1.1)),
        Row("seconds", "compiling (wall)", "s"),
        *EVACUATION,
    )

    def command(self, quick):
        return "compile", 20 if quick else 120, 20 if quick else 60

    def measure(self, looks, above, output):
        end = end_of(looks, "rest-drop")
        charge = sum(look.charge for look in end) / len(end) / MIB
        return {"over": charge / (charge - above(end)),
                "seconds": workload.number(output, "work_ms") / 1e3}


SCENARIOS = [Day(), DayOnSmallPages(), SmallFiles(), Containers(), Compile()]

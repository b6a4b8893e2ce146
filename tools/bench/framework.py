"""What a benchmark is made of, and how it is run.

A scenario boots guests with each of its setups in turn and returns measures; a
row is one measure of a scenario with its unit and what it must reach.  Setups
are interleaved, so that whatever else the machine does hits all of them alike.
"""

import concurrent.futures
import dataclasses
import math
import time

import contenders
import paths
import stats
from guest import GuestError


_images = {}


def use_kernels(**images):
    """Takes other bzImages for the kernels of the setups overlay, upstream and tuned."""
    kernels = {"overlay": OVERLAY.kernel, "upstream": UPSTREAM.kernel, "tuned": TUNED.kernel}
    _images.update({kernels[name]: image for name, image in images.items() if image})


def image(kernel):
    return _images.get(kernel, kernel)


@dataclasses.dataclass(frozen=True)
class Setup:
    """A kernel and how it is used.  name is what tables call it."""
    name: str
    kernel: str
    cmdline: str = ""
    compact: bool = False  # write compact_memory wherever the guest idles


UPSTREAM = Setup("upstream", "upstream")
OVERLAY = Setup("overlay", "overlay")
PAIR = (UPSTREAM, OVERLAY)
# Upstream at its best.
TUNED = Setup(**vars(contenders.TUNED))


def series_setups():
    """Our kernel of each series."""
    return tuple(Setup(f"overlay {series}", f"overlay-{series}")
                 for series in paths.series_served())


_ORDER = "page_reporting.page_reporting_order"
COMPACTED = Setup("upstream, compacted", "upstream", compact=True)
ORDER_4 = Setup("upstream, order 4", "upstream", cmdline=f"{_ORDER}=4")
ORDER_0 = Setup("upstream, order 0", "upstream", cmdline=f"{_ORDER}=0")
# Said on the command line, it is nobody else's to choose.
WHOLE = Setup("overlay, order 9", "overlay", cmdline=f"{_ORDER}=9")


@dataclasses.dataclass(frozen=True)
class AtMost:
    """The overlay's figure is at most so much."""
    limit: float

    def met(self, result):
        return result.overlay.median <= self.limit

    def __str__(self):
        return f"<= {self.limit:g}"


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """The overlay's figure is at least so much."""
    limit: float

    def met(self, result):
        return result.overlay.median >= self.limit

    def __str__(self):
        return f">= {self.limit:g}"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The overlay's figure is at most so many times upstream's."""
    limit: float

    def met(self, result):
        return result.overlay.median <= self.limit * result.upstream.median

    def __str__(self):
        return f"ratio <= {self.limit:g}"


@dataclasses.dataclass(frozen=True)
class IntervalBelow:
    """The upper end of the 95 % interval of the ratio, from pairs, is at most so much."""
    limit: float

    def met(self, result):
        return result.interval.high <= self.limit

    def __str__(self):
        return f"95 % interval <= {self.limit:g}"


@dataclasses.dataclass(frozen=True)
class Between:
    low: float
    high: float

    def met(self, result):
        return self.low <= result.overlay.median <= self.high

    def __str__(self):
        return f"{self.low:g} to {self.high:g}"


@dataclasses.dataclass(frozen=True)
class Row:
    """measure: its key in what Scenario.run() returns; target: None for one that only informs;
    at_best: the greatest ratio to upstream at its best; ours: upstream has no such thing."""
    measure: str
    title: str
    unit: str
    target: object = None
    at_best: float = None
    ours: bool = False


@dataclasses.dataclass
class Result:
    """A row with its figures (stats.Summary).  problem: why there are none."""
    scenario: "Scenario"
    row: Row
    upstream: stats.Summary = None
    overlay: stats.Summary = None
    tuned: stats.Summary = None
    others: dict = dataclasses.field(default_factory=dict)  # setup's name: Summary
    interval: stats.Interval = None
    problem: str = None

    @property
    def name(self):
        return f"{self.scenario.name}.{self.row.measure}"

    @property
    def ratio(self):
        """Overlay's figure over upstream's, None where there is none."""
        if self.problem or not self.upstream or not self.upstream.median:
            return None
        if math.isinf(self.upstream.median) or math.isinf(self.overlay.median):
            return None
        if self.interval:
            return self.interval.estimate
        return self.overlay.median / self.upstream.median

    @property
    def ratio_tuned(self):
        """Overlay's figure over that of upstream at its best, None where there is none."""
        if self.problem or not self.tuned or not self.tuned.median:
            return None
        if math.isinf(self.tuned.median) or math.isinf(self.overlay.median):
            return None
        return self.overlay.median / self.tuned.median

    @property
    def met(self):
        """Whether the target is met; None without a target or a figure to hold against it."""
        if self.problem or not self.row.target or not self.overlay:
            return None
        return bool(self.row.target.met(self))

    @property
    def met_at_best(self):
        """The same of the target against upstream at its best."""
        if self.row.at_best is None or self.problem or not self.tuned or not self.overlay:
            return None
        return self.overlay.median <= self.row.at_best * self.tuned.median

    @property
    def apart(self):
        """The greatest figure of our kernels of all series over the least, None without."""
        figures = [summary.median for summary in self.others.values()]
        if not figures or math.isinf(max(figures)) or min(figures) <= 0:
            return None
        return max(figures) / min(figures)


class Scenario:
    """One workload.  Subclasses set these, and say in run() what happens.

    name         on the command line, and the first part of its rows' names
    title        one line for the report
    rows         of Row
    tuned        whether full runs measure upstream at its best, too
    others       setups measured beside these, once, in full runs only
    repetitions, quick_repetitions   0 leaves it out of a quick run of all
    exact        counts instructions: neither noise nor neighbours matter
    patient      mostly waits: quick runs have both kernels at once
    """

    name = title = ""
    rows = ()
    tuned = True
    others = ()
    repetitions = 3
    quick_repetitions = 1
    exact = patient = False

    def run(self, setup, quick):
        """Boots what it needs and returns {measure: number}; math.inf for never.

        "series" may hold {line: [(x, y), ...]} for a picture, with seconds and MiB.
        """
        raise NotImplementedError

    def guest_name(self, setup):
        return f"bench-{self.name}-{setup.name}".replace(", ", "-").replace(" ", "")

    def prepare(self):
        """Builds what only this scenario needs."""

    def measure_all(self, setups, repetitions, quick, say):
        """Returns {setup's name: [what run() returned]}."""
        measured = {setup.name: [] for setup in setups}
        for repetition in range(repetitions):
            turn = [s for s in setups if repetition == 0 or s not in self.others]
            if repetition % 2:
                turn.reverse()
            # Under icount time does not pass faster with more of the host.
            together = self.exact or (self.patient and quick)
            with concurrent.futures.ThreadPoolExecutor(2 if together else 1) as pool:
                runs = [pool.submit(self._timed, setup, quick) for setup in turn]
                for setup, run in zip(turn, runs):
                    measures, seconds = run.result()
                    measured[setup.name].append(measures)
                    say(self, setup, repetition, measures, seconds)
        return measured

    def _timed(self, setup, quick):
        begun = time.monotonic()
        return self.run(setup, quick), time.monotonic() - begun


def _values(row, measured):
    """{setup's name: its figures of a row}"""
    return {name: [m[row.measure] for m in runs if row.measure in m]
            for name, runs in measured.items()}


def _measure(scenario, setups, quick, repetitions, say):
    """Returns what was measured, and if that failed rows that say why."""
    repetitions = repetitions or (max(1, scenario.quick_repetitions) if quick
                                  else scenario.repetitions)
    try:
        scenario.prepare()
        return scenario.measure_all(setups, repetitions, quick, say), None
    except GuestError as error:
        return {}, [Result(scenario, row, problem=str(error)) for row in scenario.rows]


def results(scenario, measured, quick=False):
    """The rows of a scenario with their figures; a quick run may leave some out."""
    for row in scenario.rows:
        values = _values(row, measured)
        result = Result(scenario, row)
        result.others = {name: stats.summary(found) for name, found in values.items()
                         if found and name not in (UPSTREAM.name, OVERLAY.name, TUNED.name)}
        ours, theirs = values.get(OVERLAY.name), values.get(UPSTREAM.name)
        if quick and not ours and not theirs:
            continue
        if not ours or not (theirs or row.ours):
            result.problem = "not measured"
        else:
            result.upstream = stats.summary(theirs) if theirs else None
            result.overlay = stats.summary(ours)
            best = values.get(TUNED.name)
            result.tuned = stats.summary(best) if best else None
            if isinstance(row.target, IntervalBelow):
                result.interval = stats.median_interval(
                    [our / their for our, their in zip(ours, theirs)])
        yield result


def run_series(scenario, quick, repetitions, say):
    """Runs a scenario on our kernels of all series; returns what was measured and its rows."""
    measured, problem = _measure(scenario, series_setups(), quick, repetitions, say)
    return measured, problem or [
        Result(scenario, row, others={name: stats.summary(found)
                                      for name, found in _values(row, measured).items() if found})
        for row in scenario.rows]


def run(scenario, quick, repetitions, say):
    """Runs a scenario; returns what was measured and its rows."""
    setups = PAIR if quick else (*PAIR, *((TUNED,) if scenario.tuned else ()), *scenario.others)
    measured, problem = _measure(scenario, setups, quick, repetitions, say)
    return measured, problem or list(results(scenario, measured, quick))

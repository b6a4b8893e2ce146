"""What the benchmark makes of its measurements: arithmetic, traces, tables."""

import json
import math
import os
import re
import subprocess
import sys

import pytest

import paths

BENCH = os.path.join(paths.TOP, "tools", "bench")
sys.path[:0] = [BENCH, os.path.join(paths.TOP, "tests", "tools")]

import framework  # noqa: E402
import instructions  # noqa: E402
import memorymap  # noqa: E402
import page  # noqa: E402
import report  # noqa: E402
import stats  # noqa: E402
import wholepage  # noqa: E402
from errors import GuestError  # noqa: E402
from framework import AtLeast, AtMost, Between, IntervalBelow, Ratio, Row, Scenario  # noqa: E402
from scenarios import lockhold  # noqa: E402


# By hand: the ranks of the 95 % interval of a median, from tables of the sign test.
@pytest.mark.parametrize("count, low, high", [(6, 1, 6), (11, 2, 10), (21, 6, 16), (31, 10, 22)])
def test_interval_of_a_median(count, low, high):
    interval = stats.median_interval(range(count, 0, -1))
    assert (interval.low, interval.high) == (low, high)


def test_few_values_say_nothing():
    assert stats.median_interval([1, 1, 1, 1, 1])[1:] == (0.0, math.inf)


def test_slope():
    assert stats.slope([100, 200, 400], [60, 110, 210]) == pytest.approx(0.5)


TRACE = """
 kworker/0:1-10 [000] ..... 1000: workqueue_queue_work: work struct=1 function=pass_work workqueue=page_reporting req_cpu=1 cpu=0
 kworker/0:1-10 [000] ..... 1100: workqueue_execute_start: work struct 2: function vmstat_update
 kworker/0:1-10 [000] ..... 1900: workqueue_execute_end: work struct 2: function vmstat_update
 kworker/u4:2-28 [000] ..... 2000: workqueue_execute_start: work struct 1: function pass_work
 kworker/u4:2-28 [000] d.... 2300: sched_switch: prev_comm=kworker/u4:2 prev_pid=28 prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120
 <idle>-0 [000] d.... 9000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=kworker/u4:2 next_pid=28 next_prio=120
 kworker/u4:2-28 [000] ..... 9050: workqueue_execute_end: work struct 1: function pass_work
"""


def test_only_the_worker_on_the_cpu_counts():
    """Not its wait for the host, and no other work."""
    assert instructions.by_function(TRACE) == {"pass_work": (1, 350)}


def test_evacuation_counts_apart():
    assert instructions.split(TRACE.replace("pass_work", "evacuate_work")) == (0, 350)


def test_no_worker_is_an_error():
    with pytest.raises(GuestError):
        instructions.by_function(TRACE.replace("page_reporting", "events"))


HOLDS = """
 kworker/0:1-10 [000] ..... 50: workqueue_execute_start: work struct 1: function page_reporting_process
 kworker/0:1-10 [000] d.... 100: irq_disable: caller=_raw_spin_lock_irq+0xa/0x20 parent=page_reporting_process+0x80/0x400
 kworker/0:1-10 [000] d.... 350: irq_enable: caller=_raw_spin_unlock_irq+0xa/0x20 parent=page_reporting_process+0x90/0x400
 kworker/0:1-10 [000] d.... 400: irq_disable: caller=sysvec_apic_timer_interrupt+0x1/0x2 parent=0x0
 kworker/0:1-10 [000] d.... 990: irq_enable: caller=sysvec_apic_timer_interrupt+0x1/0x2 parent=0x0
 kworker/0:1-10 [000] ..... 1000: workqueue_execute_end: work struct 1: function page_reporting_process
 kworker/0:1-10 [000] d.... 1100: irq_disable: caller=_raw_spin_lock_irq+0xa/0x20 parent=other+0x80/0x400
 kworker/0:1-10 [000] d.... 1900: irq_enable: caller=_raw_spin_unlock_irq+0xa/0x20 parent=other+0x90/0x400
"""


def test_holds_of_a_lock_in_a_pass():
    """Neither interrupts nor what comes after the pass."""
    assert lockhold.holds(HOLDS) == {"page_reporting_process": 250}


class Sample(Scenario):
    name = "sample"
    title = "a sample"
    rows = (Row("s", "time", "s", AtMost(2)), Row("n", "pieces", "", Ratio(0.5), at_best=0.5),
            Row("slope", "slope", "", Between(0.9, 1.1)),
            Row("pair", "pairs", "ms", IntervalBelow(1.05)), Row("only", "information", ""),
            Row("own", "what upstream lacks", "%", AtLeast(80), ours=True))

    def __init__(self, ours):
        self._ours = ours

    def run(self, setup, quick):
        theirs = {"s": 10.0, "n": 100, "slope": 1.0, "pair": 50.0, "only": 1}
        return self._ours if setup.kernel == "overlay" else theirs


GOOD = {"s": 1.5, "n": 50, "slope": 1.0, "pair": 51.0, "only": 3, "own": 80}


def measured(ours):
    _, results = framework.run(Sample(ours), False, 6, lambda *_: None)
    return results


def test_targets():
    assert [result.met for result in measured(GOOD)] == [True, True, True, True, None, True]
    bad = {"s": math.inf, "n": 51, "slope": 1.2, "pair": 53.0, "only": 3, "own": 79}
    assert [result.met for result in measured(bad)] == [False, False, False, False, None, False]


def test_the_report_says_it_all():
    results = measured({**GOOD, "s": math.inf})
    text = report.text({"host": "here"}, results)
    assert re.search(r"sample\.s .* 10\.0 \[10\.0 \.\. 10\.0\] +never .* NOT MET", text)
    assert "6 rows: 5 targets met, 1 not met, 0 rows without figures" in text
    rows = json.loads(report.as_json({}, results, {}))["rows"]
    assert rows[0]["overlay"]["median"] is None and rows[1]["ratio"] == 0.5
    # Upstream at its best is a column of its own, and no other setting.
    assert rows[1]["tuned"]["median"] == 100 and rows[1]["ratio_tuned"] == 0.5
    assert not rows[1]["others"] and "7.3, 250 ms" in text
    assert "0.5 (<= 0.5: met)" in text
    worse = measured({**GOOD, "n": 51})[1]
    assert worse.met_at_best is False and "(<= 0.5: NOT MET)" in report.text({}, [worse])


def test_series_beside_each_other():
    class Drifting(Sample):
        def run(self, setup, quick):
            return {"s": 1.3 if setup.kernel == "overlay-7.3" else 1, "n": 50, "pair": math.inf}

    measures, results = framework.run_series(Drifting({}), False, 2, lambda *_: None)
    assert set(measures) == {f"overlay {series}" for series in paths.series_served()}
    assert all(len(runs) == 2 for runs in measures.values())
    assert [result.apart for result in results[:2]] == [1.3, 1]
    rows = json.loads(report.as_json({}, results, measures))["rows"]
    assert rows[0]["others"]["overlay 7.3"]["median"] == 1.3 and rows[0]["met"] is None
    text = report.text_series({}, results, 1.15)
    assert re.search(r"sample\.s .* 1\.3 APART", text) and re.search(r"sample\.n .* 1$", text, re.M)


def test_a_guest_that_fails_is_reported():
    class Failing(Sample):
        def run(self, setup, quick):
            raise GuestError("guest did not boot")

    _, results = framework.run(Failing({}), False, 1, lambda *_: None)
    assert all(result.problem == "guest did not boot" for result in results)
    assert "6 rows without figures" in report.tally(results)


def bench(*arguments):
    return subprocess.run([os.path.join(BENCH, "bench"), *arguments], capture_output=True,
                          text=True, check=False)


def test_bad_input_gets_one_line():
    for arguments in (["--only", "nothing"], ["--reps", "0"], ["--overlay", "/nowhere"]):
        done = bench(*arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_names_are_unique():
    names = re.findall(r"^  (\S+)", bench("--list").stdout, re.MULTILINE)
    assert len(names) > 40 and len(names) == len(set(names))


class Drawn(Sample):
    """A burst and its picture, after a row without one."""

    def __init__(self, name, zero):
        super().__init__(GOOD)
        self.name, self.title, self._zero = name, f"the {name}", zero
        self.rows = (Row("t95", "95 % back after", "s", AtMost(2)),)

    def run(self, setup, quick):
        t95 = {"overlay": 1.0, "upstream": 9.5}.get(setup.kernel, math.inf)
        line = [(t / 10, 1400 - min(1200, 1200 * t / 10 / min(t95, 40)) + t % 2)
                for t in range(-20, 200)]
        there = memorymap.made([512, 512, 9, 0] * 256, [512, 0, 512, 512] * 256)
        return {"t95": t95, "series": {"charged": line}, "zero": self._zero,
                "maps": {"filled": there, "half freed": there}}


def test_the_page_is_whole_and_has_all_lines():
    results, runs = [], {}
    for scenario in (Drawn("other", None), Drawn("burst", "freed")):
        runs[scenario.name], rows = framework.run(scenario, False, 2, lambda *_: None)
        results += rows
    text = page.render({"host": "here"}, results, runs)
    wholepage.assert_whole(text)
    assert text.index("the burst") < text.index("the other")  # what one looks at first
    charge, maps = [svg.decode() for svg in wholepage.data_of(text)["image/svg+xml"]][1:3]
    for number, words in enumerate(("upstream: 95 % back after 9.5 s",
                                    "overlay: 95 % back after 1.0 s",
                                    "upstream 7.3, 250 ms: 95 % never back")):
        assert f"<!-- {words} -->" in charge
        line = re.search(rf'<g id="charged-{number}">\s*<path d="([^"]+)"', charge)
        assert line and line[1].count("L ") > 100
    assert maps.count('<g id="map-') == 6 and maps.count("<image ") == 6
    assert json.loads(report.as_json({}, results, runs))["runs"]["burst"]["overlay"][0]["maps"]

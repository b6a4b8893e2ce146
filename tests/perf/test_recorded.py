"""The perf scripts on a session recorded once (tests/perf/record): no guest and no perf.

Text as perf prints it with and without --ns, and as the kernel does in trace_pipe.  What
the scripts make of it is held against what the engine counted meanwhile.
"""

import json
import os
import re
import subprocess

import pytest

from perfimage import SCRIPTS

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded")
FORMS = ("perf --ns", "perf", "trace_pipe")
STRAY = 8  # granules that were needed between a look at the counters and the recording


def recorded(name):
    with open(os.path.join(RECORDED, name)) as f:
        return f.read()


def text_of(form):
    if form == "trace_pipe":
        return recorded("trace_pipe.txt")
    text = recorded("perf.txt")
    return text if form == "perf --ns" else re.sub(r"(\s\d+\.\d{6})\d{3}:", r"\1:", text)


@pytest.fixture(scope="module")
def counted():
    return json.loads(recorded("counted.json"))


@pytest.fixture(params=FORMS)
def text(request):
    return text_of(request.param)


@pytest.fixture(params=("stdin", "file"))
def figures(request, tmp_path, text):
    """figures(NAME): what a script says, reading standard input or a file."""
    def run(name, *options):
        path = "-"
        if request.param == "file":
            path = str(tmp_path / "text")
            with open(path, "w") as f:
                f.write(text)
        done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(SCRIPTS, f"{name}.py"),
                               "--json", *options, path], input=text, capture_output=True,
                              text=True, check=False, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return json.loads(done.stdout)
    return run


def test_the_forms_are_what_they_say():
    assert re.search(r"\d\.\d{9}: +page_reporting:page_reporting_done:", text_of("perf --ns"))
    assert re.search(r"\d\.\d{6}: +page_reporting:page_reporting_done:", text_of("perf"))
    assert re.search(r"\] \S+ +\d+\.\d{6}: page_reporting_done:", text_of("trace_pipe"))


def test_latency(figures, counted):
    found = figures("page-reporting-latency")
    assert found["requests"] == counted["requests"] > 0
    assert found["elements"] == counted["elements"]
    assert found["bytes"] == counted["reported_bytes_total"] > 150 << 20
    assert found["errors"] == counted["errors"] == 0
    assert [flush["errno"] for flush in found["flushes"]] == [0] * counted["flushes"] == [0]
    assert found["report_to_acknowledgement_us"]["p50"] > 0


def test_refaults(figures, counted):
    found = figures("page-reporting-refaults")
    assert counted["reused"] > 40
    assert counted["reused"] <= found["granules"] <= counted["reused"] + STRAY
    assert counted["reused_soon"] <= found["soon"] <= counted["reused_soon"] + STRAY


def test_map(figures, counted):
    found = figures("page-reporting-map")
    gained = found["at_end"]["reported_bytes"] - found["at_begin"]["reported_bytes"]
    assert 0 <= counted["reported_bytes"] - gained <= STRAY * found["unit_bytes"]
    assert found["evacuated_units"] == counted["evacuated"]


def test_top(figures, counted):
    total = figures("page-reporting-top", "--interval", "3600")["total"]
    for name, counter in (("requests", "requests"), ("bytes", "reported_bytes_total"),
                          ("passes", "passes"), ("flushes", "flushes")):
        assert total[name] == counted[counter], name


def test_balloon(figures, counted):
    found = figures("balloon-pressure")
    assert found["inflated_bytes"] == counted["lent_bytes"]
    assert found["deflated_bytes"] + found["released_bytes"] == found["inflated_bytes"]
    assert found["held_bytes"] == found["target_bytes"] == 0
    assert {"inflating", "deflating"} <= set(found["seconds_by_state"])

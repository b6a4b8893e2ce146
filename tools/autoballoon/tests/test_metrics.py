"""The numbers, in the two text formats, and what reads them."""

import json
import os
import re
import shutil
import subprocess

import pytest

import daemon as daemons

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*$")
SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(\{\w+="[^"\\\n]*"(?:,\w+="[^"\\\n]*")*\})? (\S+)$')


def Daemon(*arguments, **options):
    return daemons.Daemon(*arguments, speed=5, **options)


def families(text, form):
    """Check the text by the rules of a format; returns {family: type}."""
    lines = text.split("\n")
    assert lines.pop() == "", "the last line ends"
    if form == "openmetrics":
        assert lines.pop() == "# EOF"
    types, helps, seen, current = {}, {}, set(), None
    for line in lines:
        if line.startswith("# "):
            word, name, rest = line[2:].split(" ", 2)
            assert NAME.match(name) and rest, line
            table = {"TYPE": types, "HELP": helps}[word]
            assert name not in table, f"{name} is declared once"
            table[name] = rest
            if name != current:
                assert current is None or current in types and current in helps
                assert name not in seen, f"{name} stands in one place"
            current = name
            continue
        match = SAMPLE.match(line)
        assert match, line
        name, value = match[1], float(match[3])
        assert match[1] + (match[2] or "") not in seen, line
        seen.add(match[1] + (match[2] or ""))
        family = name
        if types.get(current) == "counter":
            assert name.endswith("_total") and value >= 0
            if form == "openmetrics":
                family = name[:-len("_total")]
        else:
            assert not name.endswith(("_total", "_count", "_bucket", "_sum")), name
        assert family == current, f"{name} stands below its own family"
        assert helps[family]
    return types


@pytest.fixture
def running(tmp_path, fleet):
    qemu = fleet.add("web", reporting=True)
    path = tmp_path / "autoballoon.prom"
    with Daemon(tmp_path, {"daemon": {"metrics-file": path, "metrics-interval": "1s"},
                           "policy": {"amounts": "wiki-2013-06"}}) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("hold", "web", "1000M")
        qemu.wait(lambda: qemu.targets)
        daemon.wait(lambda: daemon.guest("web")["settled"])
        daemon.ctl("inject", "critical")
        daemon.wait(lambda: len(qemu.targets) == 2)
        daemon.wait(lambda: path.exists() and "hold_bytes" in path.read_text() and
                    'takes_total{guest="web"} 2' in path.read_text())
        yield daemon, path


def test_both_formats(running):
    daemon, path = running
    classic = families(path.read_text(), "classic")
    openmetrics = families(daemon.ctl("metrics"), "openmetrics")
    assert classic["autoballoon_guest_takes_total"] == "counter"
    assert openmetrics["autoballoon_guest_takes"] == "counter"
    assert {n[:-6] if n.endswith("_total") else n for n in classic} == set(openmetrics)
    assert os.stat(path).st_mode & 0o444 == 0o444, "the exporter is another user"
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=path.read_text(),
                              capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_rules_and_dashboard_name_what_there_is(running):
    daemon, path = running
    place = os.path.join(HERE, "../monitoring")
    with open(os.path.join(place, "grafana-dashboard.json")) as f:
        dashboard = json.load(f)
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    assert len(expressions) >= 8
    with open(os.path.join(place, "alerts.yml")) as f:
        rules = f.read()
    expressions += re.findall(r"^ +expr: (.*)$", rules, re.M)
    names = [set(re.findall(r"autoballoon_\w+", expression)) for expression in expressions]
    assert all(names)
    for name in sorted(set().union(*names) - {"autoballoon_pressure_events_total"}):
        # What follows from statistics has no sample while they are old.
        daemon.wait(lambda: re.search(rf"^{name}\b", path.read_text(), re.M),
                    what=f"sample of {name}")
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "rules", os.path.join(place, "alerts.yml")],
                       check=True, capture_output=True)


def test_a_disk_that_stalls_holds_up_nothing(tmp_path, fleet):
    """Whoever opens a pipe that nobody reads waits, as for a disk that does not answer."""
    qemu = fleet.add("web")
    path = tmp_path / "autoballoon.prom"
    os.mkfifo(f"{path}.new")
    with Daemon(tmp_path, {"daemon": {"metrics-file": path, "metrics-interval": "1s"},
                           "policy": {"amounts": "wiki-2013-06"}}) as daemon:
        daemon.wait_ready("web")
        daemon.wait(lambda: daemon.ask("status")["uptime_ms"] > 3000)
        daemon.ctl("inject", "critical")
        qemu.wait(lambda: qemu.targets)
        # The end waits for what is to be written, but not for ever.


def test_a_file_that_cannot_be_written_is_told_once(tmp_path, fleet):
    fleet.add("web")
    path = tmp_path / "later" / "autoballoon.prom"
    with Daemon(tmp_path, {"daemon": {"metrics-file": path,
                                      "metrics-interval": "1s"}}) as daemon:
        daemon.wait_ready("web")
        daemon.wait(lambda: "metrics-not-written" in daemon.findings())
        assert str(path)[:80] in daemon.findings()["metrics-not-written"]["detail"]
        for _ in range(3):
            daemon.guest("web")
        path.parent.mkdir()
        daemon.wait(lambda: "metrics-not-written" not in daemon.findings() and path.exists())
        assert len(daemon.events("metrics-not-written")) == 1

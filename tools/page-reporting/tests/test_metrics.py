"""The tool's metrics: true, by Prometheus' rules, and written at once."""

import os
import shutil
import subprocess
import threading

import pytest

import prometheus
from test_page_reporting import FAILED, OK, TOOL, USAGE, run, tree  # noqa: F401
from tree import MIB, PIECES, SYSCTLS, VALUES, WHOLE


def metrics(tree, *arguments):
    told = run(tree, "metrics", *arguments)
    assert told.status == OK and not told.err
    return prometheus.parse(told.out)


def values(tree):
    return {name: family.value for name, family in metrics(tree)[0].items()
            if list(family.samples) == [()]}


def reasons(family):
    return {dict(labels)["reason"]: value for labels, value in family.samples.items()}


def test_every_counter_is_told_in_base_units(tree):
    """Each one's value is found again: bytes as bytes, us as seconds, pages as bytes."""
    for number, name in enumerate(VALUES):
        tree.counter(name, 1000003 * (number + 1))
    families, comments = metrics(tree)
    told = sorted(value for family in families.values() for value in family.samples.values())
    page = os.sysconf("SC_PAGE_SIZE")
    for number, name in enumerate(VALUES):
        value = 1000003 * (number + 1)
        assert (value / 1e6 if name.endswith("_us") else value * page if name.endswith("_pages")
                else value) in told, name
    assert not comments


def test_figures(tree):
    told = values(tree)
    assert told["page_reporting_reported_bytes_total"] == VALUES["reported_bytes_total"]
    assert told["page_reporting_at_host_bytes"] == 600 * MIB
    assert told["page_reporting_last_pass_seconds"] == 0.0015
    assert told["page_reporting_evacuate_cpu_seconds_total"] == 0.045
    assert told["page_reporting_delay_seconds"] == 0.7
    assert told["page_reporting_threshold_bytes"] == 4 * MIB
    assert told["page_reporting_granule_bytes"] == 2 * MIB
    assert told["page_reporting_memory_total_bytes"] == 1000 * MIB
    assert told["page_reporting_free_small_bytes"] == PIECES
    assert told["page_reporting_free_whole_bytes"] == WHOLE
    assert told["page_reporting_waiting_bytes"] == WHOLE - 600 * MIB
    assert told["page_reporting_device_ready"] == 1 and told["page_reporting_paused"] == 0


def test_labels(tree):
    families, _ = metrics(tree)
    info, = families["page_reporting_info"].samples
    assert dict(info) == {"kernel": "6.12.0-overlay", "engine": "full", "device": "virtio0",
                          "driver": "virtio_balloon"}
    left = reasons(families["page_reporting_evacuate_left_units_total"])
    assert left == {name[len("evacuate_left_"):]: value for name, value in VALUES.items()
                    if name.startswith("evacuate_left_")}
    features = {dict(labels)["feature"]: value for labels, value in
                families["page_reporting_feature_negotiated"].samples.items()}
    assert features["free-page-reporting"] == 1 and features["page-poison"] == 0


def test_why_not(tree):
    families, _ = metrics(tree)
    assert "page_reporting_obstacle" not in families
    found = reasons(families["page_reporting_not_reported_bytes"])
    assert found["young"] == WHOLE - 600 * MIB and found["too-small"] == PIECES
    tree.put(SYSCTLS + "pause", 1)
    families, _ = metrics(tree)
    assert reasons(families["page_reporting_obstacle"]) == {"paused": 1}
    assert "page_reporting_not_reported_bytes" not in families


def test_two_zones_with_one_reason(tree):
    """One sample: two of a name would have all of them refused."""
    tree.put("proc/buddyinfo", "".join(f"Node {n}, zone Normal 0 0 0 0 0 0 0 0 0 0 5\n"
                                       for n in range(2)))
    tree.put("proc/zoneinfo", "".join(f"Node {n}, zone Normal\n  pages free 10\n high 1500\n"
                                      for n in range(2)))
    tree.counter("reported_bytes", 0)
    families, _ = metrics(tree)
    assert reasons(families["page_reporting_not_reported_bytes"])["tight"] == 40 * MIB


def test_upstream(tree):
    """What there is, no zero for what is not, and a word on that."""
    tree.upstream()
    families, comments = metrics(tree)
    told = " ".join(comments)
    assert "cannot be known how much the host has" in told
    assert not any(family.type == "counter" for family in families.values())
    for name in ("at_host_bytes", "waiting_bytes", "delay_seconds", "paused"):
        assert f"page_reporting_{name}" not in families
    assert families["page_reporting_free_whole_bytes"].value == WHOLE
    assert ("engine", "upstream") in list(families["page_reporting_info"].samples)[0]
    tree.put("sys/module/page_reporting/parameters/page_reporting_delay_ms", 250)
    assert metrics(tree)[0]["page_reporting_delay_seconds"].value == 0.25


def test_a_kernel_without_reporting(tree):
    tree.upstream()
    tree.remove("sys/module")
    families, _ = metrics(tree)
    assert reasons(families["page_reporting_obstacle"]) == {"no-support": 1}


def test_what_cannot_be_known_has_no_sample(tree):
    tree.counter("requests", "garbage")
    assert "page_reporting_requests_total" not in metrics(tree)[0]
    tree.counter("of_tomorrow_bytes", 1)
    assert any("of_tomorrow_bytes" in line for line in metrics(tree)[1])


def test_names_that_need_care(tree):
    tree.put("proc/sys/kernel/osrelease", b'6.12 "a" \\b \xff\x01')
    info, = metrics(tree)[0]["page_reporting_info"].samples
    assert dict(info)["kernel"] == '6.12 "a" \\b ??'


@pytest.mark.skipif(not shutil.which("promtool"), reason="Debian: prometheus")
@pytest.mark.parametrize("kind", ["full", "upstream"])
def test_promtool_is_content(tree, kind):
    if kind == "upstream":
        tree.upstream()
    done = subprocess.run(["promtool", "check", "metrics"], input=run(tree, "metrics").out,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


def test_a_file(tree, tmp_path):
    """Others may read it, and nothing but it is left."""
    place = tmp_path / "collector"
    place.mkdir()
    os.umask(0o077)
    told = run(tree, "metrics", "--output", str(place / "page_reporting.prom"))
    os.umask(0o022)
    assert (told.status, told.out, told.err) == (OK, "", "")
    assert os.listdir(place) == ["page_reporting.prom"]
    path = place / "page_reporting.prom"
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text() == run(tree, "metrics").out


def test_a_file_is_replaced_at_once(tree, tmp_path):
    """A reader sees the old one or the new one, whole, whenever it looks."""
    path, other = tmp_path / "x.prom", set()
    assert run(tree, "metrics", "-o", str(path)).status == OK
    whole, ended = path.read_text(), threading.Event()

    def look():
        while not ended.is_set():
            other.update({path.read_text()} - {whole})

    reader = threading.Thread(target=look)
    reader.start()
    inodes = {path.stat().st_ino}
    for _ in range(50):
        assert run(tree, "metrics", "-o", str(path)).status == OK
        inodes.add(path.stat().st_ino)
    ended.set()
    reader.join()
    assert not other and len(inodes) > 1


@pytest.mark.parametrize("where", ["/dev/full", "nowhere/x.prom", "link", ".", ""])
def test_a_file_that_cannot_be_written(tree, tmp_path, where):
    """One line that says so; what was there stays, and nothing is added."""
    (tmp_path / "link").symlink_to("/dev/null")
    before = sorted(os.listdir(tmp_path)), sorted(os.listdir("/dev"))
    told = run(tree, "metrics", "--output", where, cwd=tmp_path)
    assert told.status == FAILED and told.err.count("\n") == 1 and "cannot write" in told.err
    assert (sorted(os.listdir(tmp_path)), sorted(os.listdir("/dev"))) == before


def test_a_full_disk_leaves_the_old_file(tree, tmp_path):
    """With a limit for the size of files, as a disk has it."""
    path = tmp_path / "x.prom"
    path.write_text("old\n")
    done = subprocess.run(["sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh", TOOL,
                           "metrics", "--root", tree.path, "--output", str(path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == FAILED and "cannot write" in done.stderr
    assert path.read_text() == "old\n"
    assert not [name for name in os.listdir(tmp_path) if name.startswith("x.prom.")]


def test_output_is_of_metrics_only(tree):
    assert run(tree, "status", "--output", "x").status == USAGE
    assert run(tree, "metrics", "--json").status == USAGE
    assert run(tree, "metrics", "--output").status == USAGE


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"18446744073709551615\n", b"\xff" * 40,
                                     b"-1\n", b"\0\0"])
def test_nonsense_gives_good_text(tree, content):
    for directory, _, names in os.walk(tree.path):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                tree.put(os.path.relpath(path, tree.path), content)
    metrics(tree)

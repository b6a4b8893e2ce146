"""The perf scripts where perf has no Python: they read text."""

import io
import json
import os
import subprocess

import pytest

from perfimage import SCRIPTS

# "perf script --ns" and trace_pipe: the same events, with what else stands in such files.
PERF = """\
 kworker/u4:1 9.5: x    42 [001]   100.250000000: page_reporting:page_reporting_pass_start: dirty_pages=1024
    kworker/u4:1    42 [001]   100.250000500:    page_reporting:page_reporting_element: pfn=0x200 nr_pages=1024 youngest_ms=700 oldest_ms=800
    kworker/u4:1    42 [001]   100.260000000:       page_reporting:page_reporting_done: nr_elements=1 nr_pages=1024 latency_us=9000 err=0
         swapper     0 [000]   100.500000000:  500000000 cpu-clock/period=500000000/:  ffffffff81 [unknown] ([unknown])
            hold   100 [000]   101.250000000:      page_reporting:page_reporting_reuse: pfn=0x200 order=9 age_ms=990 soon=1
    kworker/u4:1    42 [001]   101.260000000:       page_reporting:page_reporting_skip: pfn=0x400 reason=tight
    kworker/u4:1    42 [001]   101.300000000:   page_reporting:page_reporting_evacuate: pfn=0x600 moved=7 left=metadata
    kworker/u4:1    42 [001]   101.310000000:   page_reporting:page_reporting_evacuate: pfn=0x800 moved=9 left=nothing
    kworker/u4:1    42 [001]   101.400000000:   page_reporting:page_reporting_pass_end: nr_pages=1024 dirty_pages=512 delay_ms=1400 err=0
              sh     7 [000]   102.000000000:      page_reporting:page_reporting_flush: generation=3 duration_us=2000 err=-11
"""
PIPE = """\
# tracer: nop
    kworker/u4:1-42      [001] .....   100.250000: page_reporting_pass_start: dirty_pages=1024
    kworker/u4:1-42      [001] .....   100.250001: page_reporting_element: pfn=0x200 nr_pages=1024 youngest_ms=700 oldest_ms=800
    kworker/u4:1-42      [001] .....   100.260000: page_reporting_done: nr_elements=1 nr_pages=1024 latency_us=9000 err=0
          <idle>-0       [000] d..2.   100.300000: sched_switch: prev_comm=swapper/0 next_comm=hold
CPU:0 [LOST 33 EVENTS]
            hold-100     [000] d..2.   101.250000: page_reporting_reuse: pfn=0x200 order=9 age_ms=990 soon=1
    kworker/u4:1-42      [001] .....   101.260000: page_reporting_skip: pfn=0x400 reason=tight
    kworker/u4:1-42      [001] .....   101.300000: page_reporting_evacuate: pfn=0x600 moved=7 left=metadata
    kworker/u4:1-42      [001] .....   101.310000: page_reporting_evacuate: pfn=0x800 moved=9 left=nothing
    kworker/u4:1-42      [001] .....   101.400000: page_reporting_pass_end: nr_pages=1024 dirty_pages=512 delay_ms=1400 err=0
              sh-7       [000] .....   102.000000: page_reporting_flush: generation=3 duration_us=2000 err=-11
"""
BALLOON = """\
 kworker/u4:1-42 [001] ..... 5.000000: virtio_balloon_state: dev=1 from=idle to=inflating held=0 target=1024
 kworker/u4:1-42 [001] ..... 5.100000: virtio_balloon_size: dev=1 reason=target change=256 held=256 target=1024
 kworker/u4:1-42 [001] ..... 6.000000: virtio_balloon_hold: dev=1 reason=pressure length_ms=30000
 kworker/u4:1-42 [001] ..... 6.000000: virtio_balloon_relief: dev=1 reason=pressure wanted=512 got=256 held=0
 kworker/u4:1-42 [001] ..... 6.500000: virtio_balloon_actual: dev=1 actual=0 target=1024
"""


def run(name, text, *options):
    return subprocess.run(["/usr/bin/python3", "-B", os.path.join(SCRIPTS, f"{name}.py"), *options,
                           "-"], input=text.encode() if isinstance(text, str) else text,
                          capture_output=True, check=False, timeout=60)


def figures(name, text, *options):
    done = run(name, text, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("text", [PERF, PIPE], ids=["perf", "trace_pipe"])
def test_each_reads_text(text):
    latency = figures("page-reporting-latency", text)
    assert (latency["bytes"], latency["requests"]) == (4 << 20, 1)
    assert latency["flushes"] == [{"generation": 3, "duration_us": 2000, "errno": 11}]
    assert latency["seconds"] == 1.75
    refaults = figures("page-reporting-refaults", text)
    assert (refaults["granules"], refaults["soon"]) == (1, 1)
    assert refaults["delay_ms"] == [[pytest.approx(1.15), 1400]]
    found = figures("page-reporting-map", text)
    assert found["evacuated_units"] == 1 and found["left_units"] == {"metadata": 1}
    assert found["at_end"]["reported_bytes"] == 2 << 20
    top = figures("page-reporting-top", text, "--interval", "60")
    assert top["total"]["skipped"] == {"tight": 1} and top["delay_ms"] == 1400
    assert top["dirty_bytes"] == 2 << 20


def test_the_balloon_as_text():
    found = figures("balloon-pressure", BALLOON)
    assert found["seconds_by_state"] == {"idle": 0, "inflating": 1.5}
    assert (found["inflated_bytes"], found["released_bytes"]) == (1 << 20, 1 << 20)
    text = run("balloon-pressure", BALLOON).stdout.decode()
    assert "because of pressure" in text and "idle to inflating" in text


def test_lost_events_are_told():
    assert b"33 events were lost" in run("page-reporting-latency", PIPE).stderr
    assert not run("page-reporting-latency", PERF).stderr


@pytest.mark.parametrize("text, words", [
    (b"", "no event"), ("nothing of it\n" * 3, "no event of page_reporting or virtio_balloon in 3"),
    (b"PERFILE2\0\0", "perf script --ns -i"),
    (" x-1 [0] ... 1.000000: page_reporting_reuse: pfn=0x1 or", "has no field 'order'"),
])
def test_what_cannot_be_read_is_told(text, words):
    done = run("page-reporting-refaults", text)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count(b"\n") == 1 and words in done.stderr.decode()


def test_without_input_it_tells_the_way():
    done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(SCRIPTS,
                           "page-reporting-map.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "perf script --ns -i perf.data | page-reporting-map.py -" in (
        done.stderr)


def test_a_perf_without_python(tmp_path):
    """bin/NAME-report goes by text then, all by itself."""
    perf = tmp_path / "perf"
    perf.write_text("#!/bin/sh\nif [ \"$1\" = version ]; then echo ' libpython: [ OFF ]'; "
                    f"else echo \"$*\" >{tmp_path}/asked; cat {tmp_path}/text; fi\n")
    perf.chmod(0o755)
    (tmp_path / "text").write_text(PERF)
    top = tmp_path / "scripts" / "python"
    top.parent.mkdir()
    top.symlink_to(SCRIPTS)
    done = subprocess.run(["sh", str(top / "bin" / "page-reporting-latency-report"), "-i", "some.data",
                           "--json"], capture_output=True, text=True, check=False,
                          env={**os.environ, "PERF_EXEC_PATH": str(tmp_path),
                               "PATH": f"{tmp_path}:{os.environ['PATH']}",
                               "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and json.loads(done.stdout)["bytes"] == 4 << 20, done.stderr
    assert "script --ns" in (tmp_path / "asked").read_text()


def test_a_stream_is_read_line_by_line(script, options):
    """As top wants it from trace_pipe."""
    from pagereporting import text
    report = script("page-reporting-top").Top(options(count=1))
    lines = io.BytesIO(PIPE.encode())
    with pytest.raises(SystemExit):
        text.read(lines, report)
    assert lines.readline()  # it has not read to the end

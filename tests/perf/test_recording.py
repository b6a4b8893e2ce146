"""The perf scripts on a recording made in a guest, held against the engine's own counters."""

import base64
import json
import os
import re
import signal
import subprocess
import zlib

import pytest

import paths
import perfimage
from guest import MIB

pytestmark = pytest.mark.xdist_group("perf")  # one guest and one recording for all

NAMES = ("page-reporting-latency", "page-reporting-refaults", "page-reporting-map",
         "balloon-pressure", "page-reporting-top")
GUIDE = os.path.join(paths.TOP, "docs", "tools.rst")
COUNTERS = "/sys/kernel/mm/page_reporting/"
PAUSE = "/proc/sys/vm/page_reporting_pause"
FLUSH = "/proc/sys/vm/page_reporting_flush"
BALLOON = "/sys/bus/virtio/devices/virtio*/balloon/"
RECORDING = "/tmp/perf.data"
LENT = 368 * MIB  # of the guest's 768, at the balloon's largest
# The recording begins before the first look at the counters and ends after the last, and
# though reporting is paused, programs take memory meanwhile.
STRAY = 32  # granules
EVENTS = "-e 'page_reporting:*' -e 'virtio_balloon:*' -e cpu-clock/period=500000000/"


def perf(guest, arguments, timeout=60):
    """Runs perf in the guest; returns its output."""
    return guest.sh(f"/mnt/enter perf {arguments} 2>/tmp/errors "
                    "|| { status=$?; tail -n 3 /tmp/errors >&2; exit $status; }", timeout)


def for_each(guest, command, timeout=90):
    """Runs a command in the image for each script, all at once; returns {name: output}."""
    jobs = {name: guest.spawn(f"/mnt/enter sh -c '{command.replace('{}', name)}'", timeout)
            for name in NAMES}
    return {name: job.check() for name, job in jobs.items()}


def counters(guest):
    """The engine's counters while it is paused, so that they stand still."""
    text = guest.sh(f"cd {COUNTERS} && grep . *")
    return {name: int(value) for name, value in (line.split(":") for line in text.split())}


def held(guest, mib):
    job = guest.spawn(f"exec hold --mib {mib}")
    guest.wait_for(lambda: "holding" in job.output or not job.running, 60, "hold")
    assert job.running, job.errors
    return job


def free(job):
    job.kill(signal.SIGTERM)
    job.check(60)


def burst(guest):
    """Memory that stress-ng frees is reported, and some of it is used again."""
    before = guest.read_int(COUNTERS + "reported_bytes_total")
    guest.sh("stress-ng --quiet --vm 1 --vm-bytes 300M --vm-keep --vm-populate -t 2", 120)
    guest.wait_for(lambda: guest.read_int(COUNTERS + "reported_bytes_total")
                   > before + 250 * MIB, 30, "what stress-ng freed is reported")
    job = held(guest, 300)
    free(job)
    guest.write(FLUSH, 20000)


def squeeze(guest):
    """The balloon grows, and gives back when the guest needs memory."""
    guest.set_balloon(400 * MIB)
    guest.wait_for(lambda: guest.read_int(BALLOON + "actual_bytes") == LENT, 30, "inflation")
    job = held(guest, 320)
    guest.wait_for(lambda: guest.read_int(BALLOON + "pressure_bytes"), 30, "relief")
    free(job)
    guest.set_balloon(guest.memory)
    guest.wait_for(lambda: guest.read_int(BALLOON + "actual_bytes") == 0, 30, "deflation")


class Session:
    """A recording, and what the engine and the balloon counted meanwhile."""

    def __init__(self, guest):
        self.guest = guest
        guest.write(PAUSE, 1)
        job = guest.spawn(f"/mnt/enter perf record -q -a {EVENTS} -o {RECORDING} sh -c "
                          "'touch /tmp/begun; until [ -e /tmp/enough ]; do sleep 0.1; done'")
        guest.wait_for(lambda: guest.exists("/tmp/begun") or not job.running, 60, "perf records")
        assert job.running, job.errors
        before = counters(guest)
        pressure = guest.read_int(BALLOON + "pressure_bytes")
        guest.write(PAUSE, 0)
        burst(guest)
        squeeze(guest)
        guest.write(PAUSE, 1)
        after = counters(guest)
        self.relief = guest.read_int(BALLOON + "pressure_bytes") - pressure
        guest.sh("touch /tmp/enough")
        job.check(60)
        guest.write(PAUSE, 0)
        self.counted = {name: value - before[name] for name, value in after.items()}
        self.data = zlib.decompress(base64.b64decode(
            guest.sh(f"gzip -c {RECORDING} | base64")), wbits=31)


@pytest.fixture(scope="module")
def session(guest):
    return Session(guest)


@pytest.fixture(scope="module")
def on_host(session, host_perf, tmp_path_factory):
    """on_host(NAME, OPTIONS...): a report of the session's recording, made on the host."""
    path = tmp_path_factory.mktemp("recording") / "perf.data"
    path.write_bytes(session.data)
    return lambda name, *options: host_perf("script", "report", name, "-i", str(path), *options)


@pytest.fixture(scope="module")
def figures(on_host):
    """figures(NAME): what a report has to say, made on the host."""
    return lambda name: json.loads(on_host(name, "--json"))


def test_perf_lists_the_scripts(guest, host_perf):
    for listing in (perf(guest, "script -l"), host_perf("script", "-l")):
        words = {line.split()[0]: line for line in listing.splitlines() if line.startswith(" ")}
        for name in NAMES:
            assert "[--" in words[name], listing


def test_each_has_help(guest, host_perf):
    in_guest = for_each(guest, "perf script report {} --help")
    for name in NAMES:
        for output in (in_guest[name], host_perf("script", "report", name, "--help")):
            assert f"usage: perf script report {name}" in output
            assert "--json" in output


def test_each_records(guest):
    """What the record scripts name is there to be recorded."""
    for name, events in for_each(guest, "perf script record {} -q -B -o /tmp/{}.data true && "
                                        "perf evlist -i /tmp/{}.data").items():
        assert ("virtio_balloon:" if name.startswith("balloon") else "page_reporting:") in events


def test_guest_and_host_agree(guest, session, on_host):
    in_guest = for_each(guest, f"perf script report {{}} -i {RECORDING} --json")
    for name in NAMES:
        assert in_guest[name] == on_host(name, "--json")


def test_text_says_the_same(session, host_perf, on_host, tmp_path):
    """A perf without Python can still print, and the scripts read that."""
    path = tmp_path / "perf.data"
    path.write_bytes(session.data)
    text = host_perf("script", "--ns", "--kallsyms=/dev/null", "-i", str(path))
    for name in NAMES:
        done = subprocess.run(["/usr/bin/python3", "-B",
                               os.path.join(perfimage.SCRIPTS, f"{name}.py"), "--json", "-"],
                              input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == on_host(name, "--json"), name


def test_latency_is_that_of_every_request(session, figures):
    found, counted = figures("page-reporting-latency"), session.counted
    assert found["requests"] == counted["requests"] > 0
    assert found["elements"] == counted["elements"]
    assert found["bytes"] == counted["reported_bytes_total"] > 300 * MIB
    assert found["errors"] == counted["errors"]
    assert sum(row[2] for row in found["report_to_acknowledgement_us"]["histogram"]) == (
        counted["requests"])
    assert sum(row[2] for row in found["free_to_report_ms"]["histogram"]) == pytest.approx(
        counted["reported_bytes_total"])
    assert [flush["errno"] for flush in found["flushes"]] == [0] * counted["flushes"]


def test_nothing_cold_is_reported_before_its_time(session, figures):
    """But for the flush: most of a burst is as old as the delay, and little older."""
    free = figures("page-reporting-latency")["free_to_report_ms"]
    delay = session.guest.read_int("/proc/sys/vm/page_reporting_delay_ms")
    in_time = sum(weight for low, high, weight in free["histogram"] if high > delay * 3 / 4)
    assert in_time > 250 * MIB, free
    assert delay * 3 / 4 <= free["p90"], free


def test_refaults_are_all_there(session, figures):
    found, counted = figures("page-reporting-refaults"), session.counted
    assert counted["reused"] > 100
    assert counted["reused"] <= found["granules"] <= counted["reused"] + STRAY
    assert counted["reused_soon"] <= found["soon"] <= counted["reused_soon"] + STRAY
    assert found["reported_bytes"] == counted["reported_bytes_total"]


def test_map_ends_where_the_engine_does(session, figures):
    found, counted = figures("page-reporting-map"), session.counted
    gained = found["at_end"]["reported_bytes"] - found["at_begin"]["reported_bytes"]
    assert 0 <= counted["reported_bytes"] - gained <= STRAY * found["unit_bytes"]
    assert found["evacuated_units"] == counted["evacuated"]
    assert found["moved_pages"] == counted["evacuate_moved_pages"]
    assert all(units <= counted[f"evacuate_left_{reason}"]
               for reason, units in found["left_units"].items())
    assert max(row["reported_bytes"] for row in found["rows"]) > 250 * MIB


def test_top_adds_up(session, on_host):
    lines = on_host("page-reporting-top", "--json", "--interval", "1").splitlines()
    screens = [json.loads(line) for line in lines]
    total, counted = screens[-1]["total"], session.counted
    assert len(screens) > 3
    assert counted["reused"] <= total["reused"] <= counted["reused"] + STRAY
    for name, counter in (("requests", "requests"), ("bytes", "reported_bytes_total"),
                          ("passes", "passes"), ("flushes", "flushes")):
        assert total[name] == counted[counter] == sum(s["interval"][name] for s in screens), name


def test_balloon_gives_back_what_the_driver_says(session, figures):
    found = figures("balloon-pressure")
    assert found["released_bytes"] == session.relief > 0
    assert found["inflated_bytes"] >= LENT
    assert found["inflated_bytes"] == found["deflated_bytes"] + found["released_bytes"]
    assert found["actual_bytes"] == found["held_bytes"] == found["target_bytes"] == 0
    assert found["hold_offs"] >= 1 and found["seconds_by_state"]["holdoff"] > 0
    assert "inflating" in found["seconds_by_state"]


@pytest.mark.parametrize("name", NAMES)
def test_text(on_host, name):
    """What people read: no line of a report is wider than a terminal's window is today."""
    lines = on_host(name).splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 132


@pytest.mark.parametrize("name", [name for name in NAMES if name != "page-reporting-top"])
def test_picture(on_host, tmp_path, name):
    path = tmp_path / f"{name}.png"
    on_host(name, "--picture", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_options_are_checked(on_host):
    with pytest.raises(AssertionError, match="no power of two"):
        on_host("page-reporting-latency", "--page-size", "4097")
    with pytest.raises(AssertionError, match="unrecognized"):
        on_host("page-reporting-latency", "--no-such-option")


def test_top_is_live(guest):
    """perf script NAME: recorded and shown at once, and perf ends when the screens do."""
    job = guest.spawn("/mnt/enter perf script page-reporting-top --interval 0.5 --count 4")
    guest.wait_for(lambda: "Free page reporting" in job.output or not job.running, 60, "a screen")
    guest.write(FLUSH, 20000)
    assert "flushes" in job.check(60)
    guest.wait_for(lambda: not guest.sh("pidof perf || true").strip(), 30, "perf ends")


def test_latency_is_live(guest):
    job = guest.spawn("/mnt/enter perf script page-reporting-latency sh -c 'touch /tmp/live; "
                      "until [ -e /tmp/flushed ]; do sleep 0.1; done'")
    guest.wait_for(lambda: guest.exists("/tmp/live") or not job.running, 60, "perf records")
    free(held(guest, 64))
    guest.write(FLUSH, 20000)
    guest.sh("touch /tmp/flushed")
    assert "Report to acknowledgement" in job.check(60)


def test_commands_of_the_guide(guest):
    """Each block of perf commands as it is written there, but for a shorter time.

    With a pipe for its output perf would write the recording there.
    """
    with open(GUIDE) as f:
        blocks = re.findall(r"(?:^    perf .*\n)+", f.read(), re.M)
    assert len(blocks) == 3
    jobs = []
    for block in blocks:
        block = re.sub(r"sleep \d+", "sleep 0.5", block)
        block = block.replace("script page-reporting-top", "script page-reporting-top --count 1")
        place = f"/tmp/guide-{len(jobs)}"
        jobs.append(guest.spawn(f"mkdir {place}; cat >{place}/block <<'END'\ncd {place}\n{block}"
                                f"END\n/mnt/enter sh -e {place}/block >{place}/out", 120))
    for job in jobs:
        job.check()

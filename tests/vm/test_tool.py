"""The guest's tool in a guest: its figures are the kernel's, its words are true."""

import base64
import gzip
import json
import re
import signal
import subprocess

import pytest

import paths
from guest import MIB

pytestmark = pytest.mark.kernels("overlay")

TOOL = "page-reporting"
OK, FAILED, USAGE, TIMEOUT, NO_DEVICE, PAUSED, PERMISSION, UNSUPPORTED, PASSED_OVER = range(9)
COUNTERS = "/sys/kernel/mm/page_reporting"
SYSCTLS = "/proc/sys/vm/page_reporting_"
PAUSE, DELAY = SYSCTLS + "pause", SYSCTLS + "delay_ms"


class Told:
    def __init__(self, guest, command, timeout):
        job = guest.spawn(command, timeout)
        self.status = job.wait()
        self.out, self.err = job.output, job.errors

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def codes(self):
        return {reason["code"]: reason for reason in self.json["not_reported"]}


@pytest.fixture
def tool(guest):
    return lambda arguments, timeout=60: Told(guest, f"{TOOL} {arguments}", timeout)


def counters(guest):
    rows = guest.sh(f"cd {COUNTERS}; grep . *").splitlines()
    return {name: int(value) for name, value in (row.split(":") for row in rows)}


def test_status_has_the_kernels_figures(guest, tool, hold, setting):
    hold(200).free()
    guest.quiet()
    setting(PAUSE, 1)  # so that nothing changes meanwhile
    before = counters(guest)
    told = tool("status --json")
    after = counters(guest)
    assert told.status == OK
    seen = told.json["counters"]
    assert set(seen) == set(before)
    assert all(before[name] <= seen[name] <= after[name] or before[name] >= seen[name] >= after[name]
               for name in before)
    assert seen["reported_bytes_total"] == before["reported_bytes_total"] > 200 * MIB
    knobs = told.json["knobs"]
    for name in ("order", "delay_ms", "pause", "evacuate"):
        assert knobs[name] == guest.read_int(SYSCTLS + name)
    assert knobs["threshold_bytes"] == 1024 * guest.read_int(SYSCTLS + "threshold_kbytes")


def test_status_names_the_device(tool):
    device = tool("status --json").json["device"]
    assert device["driver"] == "virtio_balloon" and device["ready"]
    assert device["features"]["free-page-reporting"]
    assert not device["features"]["deflate-on-oom"]
    assert device["balloon"] == {"actual_bytes": 0, "target_bytes": 0, "state": "idle"}


def test_what_waits_and_why(guest, tool, hold, setting):
    """Young; all of it is the host's after a flush."""
    tool("flush")
    setting(DELAY, 600000)
    hold(300).free()
    waiting = tool("status --json").json["waiting_bytes"]
    assert 200 * MIB < waiting < 400 * MIB
    assert tool("status --json").codes["young"]["bytes"] > 200 * MIB
    told = tool("flush")
    assert told.status == OK and "MiB in" in told.out
    assert tool("status --json").json["waiting_bytes"] < 16 * MIB


def test_flush_is_the_hosts_word(guest, tool, hold, setting):
    setting(DELAY, 600000)
    held = hold(300)
    high = guest.charge()
    held.free()
    assert tool("flush --timeout 60000").status == OK
    assert high - guest.charge() > 0.9 * 300 * MIB


def test_flush_makes_whole_what_is_in_pieces(guest, tool, setting):
    """--compact: every other MiB of a file system is removed, and comes back all the same."""
    setting(SYSCTLS + "evacuate", 0)
    guest.sh("mkdir -p /tmp/pieces; mount -t tmpfs pieces /tmp/pieces; "
             "files --dir /tmp/pieces --count 300 --kib 1024; "
             "files --dir /tmp/pieces --count 300 --remove", 120)
    try:
        tool("flush")
        plain = tool("residual --json").json["parts"]["free_too_small"]
        told = tool("flush --compact --timeout 20000", 120)
        assert told.status == OK, told.err
        assert tool("residual --json").json["parts"]["free_too_small"] < plain - 50 * MIB
    finally:
        guest.sh("umount /tmp/pieces")


def test_flush_tells_what_it_passed_over(guest, tool, hold, setting):
    """A zone that has nothing to spare: the status is not 0, and says how much is left."""
    watermark = "/proc/sys/vm/min_free_kbytes"
    setting(DELAY, 600000)
    tool("flush")
    hold(200).free()
    free = guest.meminfo()["MemFree"]
    setting(watermark, free * 4 // 5 // 1024)
    try:
        told = tool("flush")
        left = guest.read_int(f"{COUNTERS}/last_flush_left_bytes")
        assert told.status == PASSED_OVER and left > 100 * MIB, told.err
        assert "vm.min_free_kbytes" in told.err and f"{left / MIB:.1f} MiB" in told.err
        doctor = tool("doctor -s 0").out
        assert re.search("^note  tight: ", doctor, re.M) and "passed over" in doctor
    finally:
        guest.write(watermark, 16384)
    assert tool("flush").status == OK


def test_flush_reports_all_again(guest, tool, setting):
    setting(DELAY, 600000)
    assert tool("flush").status == OK
    before = counters(guest)
    assert tool("flush --resync").status == OK
    after = counters(guest)
    assert after["resyncs"] == before["resyncs"] + 1
    assert after["reported_bytes_total"] - before["reported_bytes_total"] > (
        0.9 * before["reported_bytes"])


def journal_pins(guest):
    """How many buffers journals hold on to."""
    # What CPUs keep of freed ones counts as in use.
    guest.sh("echo 1 2>/dev/null >/sys/kernel/slab/jbd2_journal_head/shrink || true")
    rows = guest.sh("grep -s ^jbd2_journal_head /proc/slabinfo || true").split()
    return int(rows[1]) if rows else 0


def put(guest, source, path):
    """Copies a file of the host into the guest."""
    text = base64.encodebytes(gzip.compress(source.read_bytes())).decode()
    for at in range(0, len(text), 20000):  # a command has a limit
        guest.sh(f"cat >>/tmp/text <<'END'\n{text[at:at + 20000].strip()}\nEND\n")
    guest.sh(f"base64 -d /tmp/text | gunzip >{path} && rm /tmp/text")


def ext4_with_work(guest, tmp_path):
    """An ext4 with a journal, and work behind it that the journal still holds."""
    image = tmp_path / "disk"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-J", "size=8", image, "32M"],
                   check=True)
    put(guest, image, "/tmp/disk")
    guest.sh("mkdir -p '/tmp/a disk' && "
             "losetup /dev/loop0 /tmp/disk && mount -t ext4 /dev/loop0 '/tmp/a disk' && "
             "files --dir '/tmp/a disk' --count 2000 --kib 4 && sync", 120)


@pytest.mark.kernels("overlay", "upstream")
def test_checkpoint_lets_go_of_metadata(guest, tool, tmp_path):
    """Works on a stock kernel as well, where there is no flush to follow."""
    ext4_with_work(guest, tmp_path)
    try:
        held = journal_pins(guest)
        assert held > 100
        told = tool("flush --checkpoint")
        assert "checkpoint of 1 of 1 file systems" in told.out, told.err
        assert told.status == (OK if guest.exists(COUNTERS) else UNSUPPORTED)
        assert journal_pins(guest) < held / 2
    finally:
        guest.sh("umount '/tmp/a disk'; losetup -d /dev/loop0; rm /tmp/disk")


def test_flush_while_paused(tool, setting):
    setting(PAUSE, 1)
    told = tool("flush")
    assert told.status == PAUSED and told.err.count("\n") == 1 and "paused" in told.err
    assert set(tool("status --json").codes) == {"paused"}
    doctor = tool("doctor")
    assert doctor.status == FAILED and "BAD   paused:" in doctor.out


def test_flush_out_of_time(guest, tool, hold, setting):
    """A millisecond is not enough for the drain that a flush begins with."""
    setting(DELAY, 600000)
    for _ in range(10):
        hold(300).free()
        told = tool("flush --timeout 1")
        if told.status == TIMEOUT:
            break
    assert told.status == TIMEOUT and "it goes on" in told.err
    assert tool("flush --timeout 60000").status == OK


@pytest.mark.parametrize("timeout", ["0", "600001", "x"])
def test_flush_with_a_bad_timeout(guest, tool, timeout):
    before = guest.read_int(f"{COUNTERS}/flushes")
    assert tool(f"flush --timeout {timeout}").status == USAGE
    assert guest.read_int(f"{COUNTERS}/flushes") == before


def test_unprivileged(guest):
    """Anybody may look; only root may flush."""
    def as_nobody(arguments):
        return Told(guest, f"su nobody -s /bin/sh -c '{TOOL} {arguments}'", 60)

    told = as_nobody("flush")
    assert told.status == PERMISSION and "root" in told.err
    for arguments in ("status", "residual", "watch -n 1", "doctor -s 0", "metrics"):
        told = as_nobody(arguments)
        assert told.status == OK, told.err


@pytest.mark.machine(balloon=None)
def test_without_a_device(tool):
    assert tool("flush").status == NO_DEVICE
    assert set(tool("status --json").codes) == {"no-device"}
    doctor = tool("doctor")
    assert doctor.status == FAILED and "BAD   no-device:" in doctor.out


@pytest.mark.machine(balloon="free-page-reporting=off")
def test_not_offered(tool):
    assert tool("flush").status == NO_DEVICE
    assert set(tool("status --json").codes) == {"not-negotiated"}
    assert "BAD   not-negotiated:" in tool("doctor").out


@pytest.mark.long
@pytest.mark.kernels("debug")  # which can poison; and a machine that test_balloon.py has, too
@pytest.mark.machine(cmdline="page_poison=1")
def test_page_poison(tool):
    """QEMU takes the reports and does nothing: only someone who knows that can tell."""
    told = tool("status --json")
    assert told.json["device"]["features"]["page-poison"]
    assert set(told.codes) == {"poison"}


@pytest.mark.machine(cmdline="init_on_free=1", balloon="free-page-reporting=on,page-poison=off")
def test_no_page_poison_offered(tool):
    assert set(tool("status --json").codes) == {"poison"}


def test_doctor_is_content(tool):
    told = tool("doctor --seconds 1")
    assert told.status == OK, told.out
    assert "ok    free memory is reported to virtio" in told.out
    assert "ok    the host answers" in told.out


@pytest.mark.long
@pytest.mark.fresh
def test_doctor_tells_of_a_longer_delay(guest, tool, hold):
    """A job that comes and goes and needs most of the memory: it waits, and one is told why."""
    for _ in range(5):
        hold(700).free()
        guest.quiet(1.2)
    hold(700).free()
    told = tool("doctor --seconds 1")  # longer than the configured delay
    assert told.status == OK and re.search(r"^note  waiting: \d{3}\.\d MiB", told.out, re.M), told.out


def test_doctor_finds_a_task_that_never_sleeps(guest, tool):
    """What a flush may wait for in vain: the kernel cannot ask that CPU for anything."""
    job = guest.spawn("exec stress-ng --quiet --cpu 1 --cpu-method loop --taskset 1 "
                      "--sched fifo --sched-prio 50 -t 60")
    try:
        told = guest.wait_for(lambda: next(
            (out for out in [tool("doctor --seconds 2").out] if "real-time" in out), None), 60,
            "page-reporting doctor sees it")
        assert "never sleeps on CPU 1" in told
    finally:
        job.kill(signal.SIGTERM)
        job.wait(20)


def residual(tool):
    told = tool("residual --json")
    assert told.status == OK
    found = told.json
    parts, twice = found["parts"], found["counted_twice_bytes"]
    assert sum(parts.values()) - twice == found["held_bytes"]
    assert found["held_bytes"] == found["total_bytes"] - found["reported_bytes"]
    assert twice < 8 * MIB
    return found


def test_residual_finds_what_is_held(guest, tool, hold):
    """Each kind of memory shows up where it belongs, and nowhere else."""
    guest.quiet()
    empty = residual(tool)
    assert empty["total_bytes"] == guest.meminfo()["MemTotal"]
    held = hold(200)
    now = residual(tool)
    assert abs(now["parts"]["anonymous"] - empty["parts"]["anonymous"] - 200 * MIB) < 8 * MIB
    assert abs(now["parts"]["other"] - empty["parts"]["other"]) < 8 * MIB
    held.free()
    guest.sh("head -c 104857600 /dev/zero >/tmp/hundred")
    tool("flush")
    now = residual(tool)
    guest.sh("rm /tmp/hundred")
    assert abs(now["parts"]["shared"] - empty["parts"]["shared"] - 100 * MIB) < 8 * MIB
    assert now["parts"]["free_not_yet"] < 16 * MIB


@pytest.mark.machine(balloon="free-page-reporting=on,deflate-on-oom=on")
def test_residual_knows_the_balloon(guest, tool):
    before = residual(tool)
    size = guest.balloon_actual()
    guest.set_balloon(size - 200 * MIB)
    guest.wait_for(lambda: guest.balloon_actual() == size - 200 * MIB, 60, "the balloon inflates")
    now = residual(tool)
    guest.set_balloon(size)
    assert now["parts"]["balloon"] == 200 * MIB and before["parts"]["balloon"] == 0
    assert abs(now["parts"]["other"] - before["parts"]["other"]) < 8 * MIB


def test_watch(guest, hold, setting):
    setting(DELAY, 0)
    job = guest.spawn(f"exec {TOOL} watch --interval 200")
    guest.wait_for(lambda: job.output.count("\n") > 3, 20, "lines of page-reporting watch")
    before = job.output.count("\n")
    hold(200).free()
    guest.quiet()
    job.kill(signal.SIGTERM)
    job.wait(20)
    lines = job.output.splitlines()
    assert len(lines) > before and lines[0].split()[:3] == ["time", "free", "host"]
    reported = [re.split(r"  +", line.strip())[5] for line in lines[1:]]
    assert any(float(text.split()[0]) > 1 for text in reported if text.endswith("MiB")), lines


@pytest.fixture(params=["as in all guests", "musl"])
def any_tool(request, guest, tmp_path):
    """The tool as it is built for tests, and as it is built for anywhere: static, with musl."""
    program = TOOL
    if request.param == "musl":
        subprocess.run(["make", "-s", "-C", paths.GUEST_TOOL, "CC=musl-gcc", "VARIANT=static",
                        f"BUILD={tmp_path}"], check=True)
        program = "/tmp/page-reporting-musl"
        put(guest, tmp_path / "static" / "page-reporting", program)
        guest.sh(f"chmod +x {program}")
    return lambda arguments, timeout=60: Told(guest, f"{program} {arguments}", timeout)


@pytest.mark.kernels("upstream")
def test_upstream_is_refused_clearly(any_tool):
    for arguments in ("status", "flush", "watch -n 1", "doctor"):
        told = any_tool(arguments)
        assert told.status == UNSUPPORTED, arguments
        assert "no flush" in told.err + told.out
    told = any_tool("status --json").json
    assert told["device"]["features"]["free-page-reporting"] and told["engine"] == "upstream"
    assert told["knobs"]["order"] == 9
    assert "does not tell how much" in any_tool("status").out
    told = any_tool("residual --json").json
    assert told["reported_bytes"] is None
    assert sum(told["parts"].values()) - told["counted_twice_bytes"] == told["held_bytes"]
    told = any_tool("metrics")
    assert told.status == OK and "cannot be\n# known how much the host has" in told.out
    assert "page_reporting_free_whole_bytes " in told.out


@pytest.mark.kernels("upstream")
def test_each_command_ends_with_words(any_tool):
    """None crashes on a kernel that has nothing for it, and none is silent."""
    commands = re.findall(r"^  (\w+) +\S", any_tool("--help").out.split("Options:")[0], re.M)
    assert len(commands) >= 6
    for command in commands:
        told = any_tool(command + {"watch": " -n 1", "doctor": " -s 0",
                                   "trim": " -n 1 -a 2"}.get(command, ""))
        assert told.status in range(9), command
        assert told.out or told.err.startswith("page-reporting: "), command


def test_metrics_are_the_kernels_figures(guest, tool, setting):
    """As a collector finds them: by the file's name, whole."""
    guest.quiet()
    setting(PAUSE, 1)
    before = counters(guest)
    assert tool("metrics --output /tmp/page_reporting.prom").status == OK
    after = counters(guest)
    told = dict(line.rsplit(" ", 1) for line in guest.read("/tmp/page_reporting.prom").splitlines()
                if not line.startswith("#"))
    for name, counter in (("reported_bytes_total", "reported_bytes_total"),
                          ("requests_total", "requests"), ("passes_total", "passes"),
                          ("at_host_bytes", "reported_bytes")):
        value = int(told[f"page_reporting_{name}"])
        assert min(before[counter], after[counter]) <= value <= max(before[counter], after[counter])
    assert told['page_reporting_obstacle{reason="paused"}'] == "1"
    assert guest.sh("ls /tmp/page_reporting.prom*").split() == ["/tmp/page_reporting.prom"]

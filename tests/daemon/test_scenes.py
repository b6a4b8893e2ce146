"""autoballoond with real guests and stock QEMU."""

import os
import re
import signal
import statistics
import subprocess
import time

import pytest

import memcg
from autoballoon_common import MIB

# What a host's pressure does to guests is a matter of time.
timed = pytest.mark.alone

PRESETS = {"wiki-medium-16": (0, 16, 0), "wiki-medium-32": (0, 32, 0),
           "wiki-2013-06": (1, 16, 128), "wiki-2013-10": (1, 2, 4)}
LEVELS = ("low", "medium", "critical")
REPORTING = "free-page-reporting=on,deflate-on-oom=on"


def preset(name, **policy):
    return {"policy": {"amounts": name, **policy}}


def inject(daemon, guest, level, expected):
    """One level; again if the guest could not be asked, as when its statistics were late."""
    for _ in range(5):
        refused = len(daemon.events("no-donors"))
        daemon.ctl("inject", level)
        guest.wait_for(lambda: guest.balloon_actual() == expected
                       or len(daemon.events("no-donors")) > refused, 20, f"{expected >> 20} MiB")
        if guest.balloon_actual() == expected:
            return
        print(daemon.guest(guest.daemon_name))
        time.sleep(1)
    assert guest.balloon_actual() == expected


@pytest.mark.parametrize("name", PRESETS)
def test_inject_moves_a_guest_by_the_exact_amount(run, boot, name):
    guest = boot("vm", memory=512)
    daemon = run(preset(name))
    daemon.wait_ready(guest.daemon_name)
    expected = 512 * MIB
    for level, amount in zip(LEVELS, PRESETS[name]):
        expected -= amount * MIB
        inject(daemon, guest, level, expected)
        daemon.wait(lambda: daemon.guest(guest.daemon_name)["settled"])
        assert daemon.guest(guest.daemon_name)["target"] == expected


@pytest.mark.parametrize("amounts", ["proportional", "wiki-2013-06"])
def test_low_inflates_nothing_where_reporting_did_the_job(run, boot, amounts):
    guest = boot("vm", memory=512, balloon=REPORTING)
    guest.sh("timeout -s TERM 5 hold --mib 200 || true", 60)
    guest.settle()
    daemon = run({"policy": {"amounts": amounts, "overhead": "96M"}})
    daemon.wait_ready(guest.daemon_name)
    before = guest.charge()
    for _ in range(5):
        daemon.ctl("inject", "low", "--count", "3")
        state = daemon.guest(guest.daemon_name)
        assert state["why"] == "nothing-to-gain", state
    assert not daemon.events("take")
    assert guest.balloon_actual() == 512 * MIB
    assert guest.charge() < before + 16 * MIB


@timed
def test_slack_comes_back_where_there_is_no_reporting(run, boot):
    guest = boot("vm", memory=512)
    guest.sh("timeout -s TERM 5 hold --mib 300 || true", 60)
    guest.settle()
    before = guest.charge()
    daemon = run({"policy": {"goal-low": "100", "goal-medium": "100", "goal-critical": "100",
                             "step-low": "60", "step-medium": "60", "step-critical": "60"}})
    daemon.wait_ready(guest.daemon_name)
    daemon.ctl("inject", "low")
    guest.wait_for(lambda: guest.charge() < before - 150 * MIB, 30, "slack is back")


@timed
@pytest.mark.parametrize("stock", ["overlay", pytest.param("upstream-6.1",
                                                           marks=pytest.mark.long)],
                         indirect=True)
def test_guest_in_need_gets_memory_back_at_once(run, boot, stock):
    """By the daemon, or before it notices by the guest's own driver: the balloon shrinks.

    An old kernel's driver does so in an OOM only; the daemon is to be there first.
    """
    guest = boot("vm", memory=512, kernel=stock)
    daemon = run(preset("wiki-2013-06", hold="30s"))
    daemon.wait_ready(guest.daemon_name)
    deadline = time.monotonic() + 60
    while guest.balloon_actual() > 256 * MIB and time.monotonic() < deadline:
        daemon.ctl("inject", "critical")    # nothing happens while its statistics are old
        time.sleep(1)
    assert guest.balloon_actual() <= 256 * MIB
    job = guest.spawn("exec hold --mib 220", 120)
    sign = grown = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (sign and grown):
        daemon.ctl("inject", "medium")      # the host is short all the time
        now = time.monotonic()
        if not grown and guest.balloon_actual() >= 300 * MIB:
            grown = now
        if not sign and daemon.events("give"):
            sign = now
        time.sleep(0.05)
    assert sign and grown, f"the guest has {guest.balloon_actual() >> 20} MiB"
    print(f"memory back {grown - sign:.2f} s after the first sign: {daemon.events('give')[0]['why']}")
    assert grown - sign < 2
    guest.wait_for(lambda: "holding" in job.output, 60, "the program has its memory")
    assert guest.balloon_actual() >= 300 * MIB
    assert guest.vmstat().get("oom_kill", 0) == 0
    job.kill()


def fill_cache(guest):
    """Clean page cache of the whole drive; the last close of a drive would drop it."""
    job = guest.spawn("exec 3< /dev/vda; cat <&3 > /dev/null; echo cached; sleep 600", 700)
    guest.wait_for(lambda: "cached" in job.output, 60, "page cache")


@pytest.fixture
def drive(place):
    path = os.path.join(place, "drive")
    with open(path, "wb") as f:
        f.truncate(256 * MIB)
    return path


@timed
def test_pulse_squeezes_cache_and_gives_the_size_back(run, boot, drive):
    guest = boot("vm", memory=512, balloon=REPORTING, drives=[drive])
    fill_cache(guest)
    guest.settle()
    daemon = run({"policy": {"goal-medium": "100", "goal-critical": "100", "step-medium": "100",
                             "step-critical": "100", "overhead": "96M"}})
    daemon.wait_ready(guest.daemon_name)
    before = guest.charge()
    daemon.ctl("inject", "medium")
    daemon.wait(lambda: [e for e in daemon.events("give") if e["why"] == "pulse-out"], 60)
    guest.wait_for(lambda: guest.balloon_actual() == 512 * MIB, 30, "full size")
    guest.wait_for(lambda: guest.charge() < before - 50 * MIB, 30, "a lower charge")
    print(f"charge {before >> 20} -> {guest.charge() >> 20} MiB")


@timed
@pytest.mark.long
def test_daemon_restart_keeps_the_target(run, boot):
    guest = boot("vm", memory=512)
    daemon = run(preset("wiki-2013-06"))
    daemon.wait_ready(guest.daemon_name)
    daemon.ctl("inject", "critical")
    guest.wait_for(lambda: guest.balloon_actual() == 384 * MIB, 30, "384 MiB")
    daemon.kill()
    daemon.start()
    daemon.wait_ready(guest.daemon_name)
    assert daemon.guest(guest.daemon_name)["target"] == 384 * MIB
    assert guest.balloon_actual() == 384 * MIB


def test_guest_that_is_paused_or_stuck(run, boot):
    guest = boot("vm", memory=512)
    daemon = run(preset("wiki-2013-06", **{"stuck-after": "3s"}))
    daemon.wait_ready(guest.daemon_name)
    guest.qmp.command("stop")
    daemon.wait(lambda: daemon.guest(guest.daemon_name)["why"] == "paused")
    done = daemon.ctl("set", guest.daemon_name, "400M", check=False)
    assert done.returncode == 1 and "paused" in done.stderr
    guest.qmp.command("cont")
    daemon.wait_ready(guest.daemon_name)
    assert daemon.ctl("set", guest.daemon_name, "400M", "--wait", check=False).returncode == 0
    assert guest.balloon_actual() == 400 * MIB
    assert "actual=400" in guest.qmp.human("info balloon")


@timed
@pytest.mark.long
def test_only_the_stalled_cgroup_is_asked(group, run, boot, drive):
    """A cgroup whose tasks stall: its guest gives, the stall ends; the other guest stays."""
    other = boot("other", memory=256)
    guest = boot("vm", memory=512, within=group)
    guest.sh("timeout -s TERM 5 hold --mib 330 || true", 60)
    guest.settle()
    usage = group.usage()
    daemon = run({"pressure": {"source": "psi", "cgroup": group.pressure,
                               "cgroup-memory": group.path, "headroom-low": "0",
                               "headroom-medium": "0", "headroom-critical": "0"},
                  "policy": {"take-interval": "2s"}})
    daemon.wait_ready(guest.daemon_name, other.daemon_name)
    # A stream of page cache in the group, which has hardly any room for it.
    group.limit(usage + 16 * MIB)
    streamer = stream(group, make_big_file(drive))
    try:
        first = stall_in(group, 5)
        daemon.wait(lambda: daemon.events("take"), 30, "take")
        # Steps are limited, so that it takes a few until there is room.
        last = first
        for _ in range(8):
            last = min(last, stall_in(group, 5))
            if last < first / 10:
                break
    finally:
        os.killpg(streamer.pid, signal.SIGKILL)
        streamer.wait()
    print(f"stall in 5 s: {first / 1000:.0f} ms before, {last / 1000:.0f} ms after")
    assert first >= 100000, f"the cgroup stalled for {first} us only"
    assert last < first / 10
    assert {e["guest"] for e in daemon.events("take")} == {guest.daemon_name}
    assert other.balloon_actual() == 256 * MIB


def stream(group, path):
    """Reads a file again and again inside the group."""
    return subprocess.Popen(
        memcg.joining(group.procs, "sh", "-c",
                      'while :; do dd if="$1" of=/dev/null bs=1M 2>/dev/null; done', "sh", path),
        start_new_session=True)


@timed
def test_pressure_levels_of_cgroup_v1_pass_a_token_bucket(group, run, drive):
    """Harmless streaming makes the kernel send hundreds of events; few get through."""
    daemon = run({"pressure": {"source": "vmpressure", "cgroup-memory": group.path,
                               "vmpressure-rate": "12", "vmpressure-burst": "2"}})
    path = make_big_file(drive)
    group.limit(16 * MIB)
    streamer = stream(group, path)
    try:
        daemon.wait(lambda: daemon.events("pressure"), 30, "pressure")
        time.sleep(5)   # events go on all the time
        events = daemon.ask("status")["events"]
    finally:
        os.killpg(streamer.pid, signal.SIGKILL)
        streamer.wait()
    print(events)
    assert daemon.events("pressure")[0]["source"] == "vmpressure"
    assert 1 <= max(events.values()) <= 2 + 12 * 40 // 60


@timed
def test_stalls_of_a_cgroup_are_seen(group, run, drive):
    """The kernel's trigger on a memory.pressure of cgroup2; the limit is that of its v1 twin."""
    daemon = run({"pressure": {"source": "psi", "cgroup": group.pressure,
                               "cgroup-memory": group.path, "headroom-low": "0",
                               "headroom-medium": "0", "headroom-critical": "0"}})
    assert not [f for f in daemon.ask("doctor")["findings"] if f["what"].startswith("psi")]
    path = make_big_file(drive)
    group.limit(16 * MIB)
    streamer = stream(group, path)
    try:
        daemon.wait(lambda: daemon.events("pressure"), 60, "pressure")
    finally:
        os.killpg(streamer.pid, signal.SIGKILL)
        streamer.wait()
    assert daemon.events("pressure")[0]["source"] == "psi"
    status = daemon.ask("status")
    assert status["events"]["low"] >= 1
    assert 0 <= status["host"]["headroom"] <= 16 * MIB


@timed
def test_stalls_of_a_container_are_no_shortage(group, run, drive):
    """The same stream in a container that nobody watches: the host has plenty, nobody gives."""
    daemon = run({"pressure": {"source": "psi", "psi-low": "some 20ms/1s",
                               "psi-medium": "some 50ms/1s", "psi-critical": "some 100ms/1s",
                               "available-low": "5%", "available-medium": "2%",
                               "available-critical": "1%"}})
    path = make_big_file(drive)
    group.limit(16 * MIB)
    streamer = stream(group, path)
    try:
        daemon.wait(lambda: daemon.events("pressure-ignored"), 60, "a stall that is ignored")
    finally:
        os.killpg(streamer.pid, signal.SIGKILL)
        streamer.wait()
    assert not daemon.events("pressure") and not daemon.events("take")
    assert not sum(daemon.ask("status")["events"].values())


def make_big_file(near):
    path = near + ".stream"
    with open(path, "wb") as f:
        for _ in range(100):
            f.write(os.urandom(1024) * 1024)
        f.flush()
        os.fsync(f.fileno())
        # Its cache is to be charged to who reads it.
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def stall_in(group, seconds):
    before = group.stall_us()
    time.sleep(seconds)     # the length of the measurement
    return group.stall_us() - before


@timed
@pytest.mark.long
def test_six_guests_share_too_little(group, run, boot):
    """Six guests in a cgroup with room for half of their peaks; the load moves for 5 minutes."""
    peak, busy, seconds = 100, 20, 300
    guests = [boot(f"vm{i}", memory=256, within=group) for i in range(6)]
    for guest in guests:
        guest.settle()
    usage = group.usage()
    limit = usage + 6 * peak * MIB // 2
    group.limit(limit)
    group.forbid_swap()
    daemon = run({"pressure": {"source": "psi", "cgroup": group.pressure,
                               "cgroup-memory": group.path, "headroom-low": "240M",
                               "headroom-medium": "160M", "headroom-critical": "80M"},
                  # Few large steps: six changes a minute have to do.
                  "policy": {"hold": "8s", "take-interval": "3s", "step-low": "60",
                             "step-medium": "80", "step-critical": "100",
                             "overhead": "70M", "give-after": "60s"}})
    daemon.wait_ready(*[guest.daemon_name for guest in guests])
    # What the boots left behind comes first: then there is room for the load.
    daemon.wait(lambda: daemon.ask("status")["host"]["headroom"] > 230 * MIB, 90, "headroom")
    deadline = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < deadline:
        pair = [guests[(2 * turn) % 6], guests[(2 * turn + 1) % 6]]
        jobs = [guest.spawn(f"timeout -s TERM {busy} hold --mib {peak} || true", busy + 60)
                for guest in pair]
        for job in jobs:
            job.check()
            assert "holding" in job.output, "the program had its memory"
        turn += 1
        time.sleep(3)   # a pause between two loads
    assert all(guest.alive for guest in guests)
    for guest in guests:
        assert guest.vmstat().get("oom_kill", 0) == 0
    assert not group.kills() and not group.swapped()
    changes = {}
    for event in daemon.events("take") + daemon.events("give"):
        changes[event["guest"]] = changes.get(event["guest"], 0) + 1
    worst = max(changes.values(), default=0) / (seconds / 60)
    print(f"{turn} turns, limit {limit >> 20} MiB, changes {changes}, at most {worst:.1f} "
          "a guest-minute")
    assert changes, "the daemon did something"
    assert worst <= 6


def idle_need(guest):
    """What a guest without a job needs for itself, its own reserves included."""
    output = guest.sh("cat /proc/meminfo /proc/zoneinfo")
    available = int(re.search(r"MemAvailable:\s+(\d+)", output)[1]) * 1024
    # Free pages that the CPUs keep on lists of their own are no need.
    listed = sum(int(pages) for pages in re.findall(r"^\s+count:\s+(\d+)$", output, re.M)) * 4096
    return guest.memory - available - listed


class Job:
    """working_set in a guest: its rounds tell whether it has to wait."""

    def __init__(self, guest, mib, file_mib):
        self.guest, self.bytes = guest, (mib + file_mib) * MIB
        self._pages = file_mib * MIB // 4096
        file = f"--file /dev/vda --file-mib {file_mib}" if file_mib else ""
        self._job = guest.spawn(f"exec working_set --mib {mib} {file}", 1200)
        guest.wait_for(lambda: len(self.rounds()) >= 10, 120, "rounds")

    def rounds(self):
        """How long each round took, us."""
        assert self._job.running, self._job.output
        return [int(us) for us in re.findall(r"round (\d+)\n", self._job.output)]

    def refaults(self):
        stat = self.guest.vmstat()
        return stat["workingset_refault_file"] + stat["workingset_refault_anon"]

    def stalled(self):
        """How long tasks in the guest have waited for memory, us."""
        return int(re.search(r"some .*total=(\d+)", self.guest.read("/proc/pressure/memory"))[1])

    def watch(self, seconds, look=lambda: None):
        """What the job's rounds took, the refaults of a round and the share of time stalled."""
        first, refaults, stalled = len(self.rounds()), self.refaults(), self.stalled()
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            look()
            time.sleep(0.5)
        rounds = self.rounds()[first:]
        return (rounds, (self.refaults() - refaults) / len(rounds),
                (self.stalled() - stalled) / 1e6 / (time.monotonic() - begun))


def undisturbed(rounds):
    """A round's time when nothing else took the host's CPUs: the fastest tenth, us."""
    return statistics.quantiles(rounds, n=10)[0]


def right_size(run, guest, mib, file_mib, cold_mib=0, **policy):
    """Runs the daemon on a guest with a job, and asserts that both are content."""
    guest.settle()
    working_set = idle_need(guest)
    # Read once: cache that nobody wants any more.
    if cold_mib:
        cold = guest.spawn(f"exec 3< /dev/vda; dd bs=1M skip={file_mib} count={cold_mib} <&3 "
                           "> /dev/null 2>&1; echo cached; sleep 1200", 1300)
        guest.wait_for(lambda: "cached" in cold.output, 60, "page cache")
    job = Job(guest, mib, file_mib)
    working_set += job.bytes
    before, _, _ = job.watch(10)
    refaults_before = job.refaults()
    daemon = run({"policy": {"right-size-interval": "3s", **policy},
                  "guest *": {"min": "10%", "right-size": "yes"}})
    name = guest.daemon_name
    daemon.wait_ready(name)
    begun = time.monotonic()
    guest.wait_for(lambda: guest.balloon_actual() <= 1.1 * working_set, 300, "right size")
    seconds = time.monotonic() - begun
    # The search goes on for a while; what counts is where it ends.
    guest.wait_for(lambda: daemon.guest(name)["last_ms_ago"] > 45000, 300, "a size that stays")
    refaults_search = job.refaults() - refaults_before
    sizes = []
    after, refaults, stalled = job.watch(60, lambda: sizes.append(guest.balloon_actual()))
    need = daemon.guest(name)["need"]
    print(f"working set {working_set >> 20} MiB, need as the daemon sees it {need >> 20} MiB, "
          f"size {min(sizes) >> 20} to {max(sizes) >> 20} MiB "
          f"({min(sizes) / working_set - 1:+.1%} to {max(sizes) / working_set - 1:+.1%}) "
          f"after {seconds:.0f} s; a round takes {undisturbed(before) / 1000:.1f} ms, then "
          f"{undisturbed(after) / 1000:.1f} ms; {refaults_search} refaults on the way, then "
          f"{refaults:.1f} a round; stalled {stalled:.2%}")
    vmstat = guest.vmstat()
    assert max(sizes) <= 1.1 * working_set
    assert min(sizes) >= 0.9 * working_set
    assert vmstat.get("oom_kill", 0) == 0 and vmstat.get("pswpout", 0) == 0
    assert refaults_search <= 8 * file_mib * MIB / 4096, "the search is no harm either"
    assert refaults <= 0.005 * file_mib * MIB / 4096, "the job has what it reads"
    assert stalled < 0.005, "the job does not wait for memory"
    assert undisturbed(after) < 1.25 * undisturbed(before), "the job is as fast as before"


@timed
@pytest.mark.long
@pytest.mark.parametrize("balloon, mib, file_mib, cold_mib",
                         [("deflate-on-oom=on", 300, 0, 0), ("deflate-on-oom=on", 200, 100, 150),
                          (REPORTING, 200, 100, 150)],
                         ids=["memory", "memory-and-cache", "memory-and-cache-reporting"])
def test_right_sizing_finds_the_working_set(run, boot, drive, balloon, mib, file_mib, cold_mib):
    """Its size comes within 10 % of what the job touches and the guest itself needs."""
    guest = boot("vm", memory=1024, balloon=balloon, drives=[drive])
    right_size(run, guest, mib, file_mib, cold_mib)

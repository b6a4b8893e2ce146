"""Evacuation: memory that lies in pieces comes back, and nobody sees what moves."""

import signal
import time

import pytest

from guest import MIB

EVACUATE = "/proc/sys/vm/page_reporting_evacuate"
FLUSH = "/proc/sys/vm/page_reporting_flush"
COUNTERS = "/sys/kernel/mm/page_reporting/"
OURS = pytest.mark.kernels("overlay", "debug")
OURS_LONG = pytest.mark.kernels("overlay", "debug", long=["debug"])
RELEASE = pytest.mark.kernels("overlay")  # the debug kernel has enough to do with the others


def flush_whole(guest):
    """Evacuates and flushes; a debug kernel gets more time for it."""
    guest.write(FLUSH, f"{60000 * guest.patience} 1", 90)


def start(guest, command, word):
    job = guest.spawn(f"exec {command}", 600)
    guest.wait_for(lambda: word in job.output or not job.running, 120, command)
    assert job.running, job.errors
    return job


def end(job):
    job.kill(signal.SIGTERM)
    return job.check(120).strip().splitlines()[-1]


def pieces_come_back(guest, anon="", seconds=25):
    """200 MiB in pieces of 1 MiB are free, none of which is a unit: most of it comes back."""
    job = start(guest, f"fragment --mib 400 {anon} --wait", "filled")
    guest.settle(1)
    high = guest.charge()
    job.kill(signal.SIGTERM)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "fragmented")
    deadline = time.time() + seconds
    while high - guest.charge() < 120 * MIB and time.time() < deadline:
        time.sleep(0.5)  # a guest that is asked all the time is not idle
    returned = (high - guest.charge()) // MIB
    end(job)
    assert returned >= 120, f"{returned} of 200 MiB in pieces"


@pytest.mark.series
@pytest.mark.better(long=True)
@RELEASE
@pytest.mark.parametrize("anon", ["", "--anon"])
def test_pieces_come_back_by_themselves(guest, anon):
    pieces_come_back(guest, anon)


@RELEASE
@pytest.mark.machine(memory=384)
def test_no_part_of_memory_is_forgotten(guest):
    """Zones and windows begin in the middle of sections; the first section has two zones.

    Of each unit a sixteenth is held, so that none is whole before some are emptied; which
    ones is up to the engine, but where it does not look, tens of MiB stay.
    """
    job = start(guest, "fragment --mib 260 --piece 128 --keep 16", "fragmented")

    def unreported():
        return guest.meminfo()["MemFree"] - guest.read_int(COUNTERS + "reported_bytes")

    # A guest that is asked all the time is not idle.
    deadline = time.time() + 120
    while unreported() >= 16 * MIB and time.time() < deadline:
        time.sleep(8)
    assert unreported() < 16 * MIB, guest.sh(f"cd {COUNTERS}; grep -H . *")
    end(job)


@RELEASE
def test_off_means_none(guest, setting):
    setting(EVACUATE, 0)
    moved = guest.read_int(COUNTERS + "evacuate_moved_pages")
    job = start(guest, "fragment --mib 300", "fragmented")
    time.sleep(10)  # it begins after 4 s, were it on
    assert guest.read_int(COUNTERS + "evacuate_moved_pages") == moved
    end(job)


@OURS_LONG
def test_flush_can_evacuate_first(guest, setting):
    setting(EVACUATE, 0)
    job = start(guest, "fragment --mib 400", "fragmented")
    high = guest.charge()
    flush_whole(guest)
    returned = high - guest.charge()
    assert returned > 120 * MIB, f"{returned // MIB} of 200 MiB"
    end(job)


@OURS
def test_evacuation_into_what_was_reported(guest, setting):
    """With granules of a page the holes that it fills are at the host."""
    setting("/proc/sys/vm/page_reporting_order", 0)
    moved = guest.read_int(COUNTERS + "evacuate_moved_pages")
    job = start(guest, "fragment --mib 60", "fragmented")
    for _ in range(2):
        flush_whole(guest)
    assert guest.read_int(COUNTERS + "evacuate_moved_pages") > moved
    # What was filled is known to be in use again; the guest goes on between two looks.
    assert guest.read_int(COUNTERS + "reported_bytes") <= guest.meminfo()["MemFree"] + 8 * MIB
    end(job)


@OURS_LONG
@pytest.mark.parametrize("how, moves", [("none", True), ("lock", False), ("pin", False)])
def test_what_must_stay_stays(guest, how, moves):
    """A page of each piece is locked or pinned: neither it nor anything around it is hurt."""
    job = start(guest, f"stay --mib 300 --how {how}", "staying")
    for _ in range(3):
        flush_whole(guest)
    said = end(job)
    assert "0 of 150 pieces changed" in said
    assert said.startswith("0 of") != moves, said


@RELEASE
@pytest.mark.fresh
def test_page_cache_is_moved_not_dropped(guest):
    """Files of a tmpfs and what was read from them stay; half the files go."""
    evacuated = guest.read_int(COUNTERS + "evacuated")
    guest.sh("mkdir -p /t && mount -t tmpfs -o size=500M t /t && cd /t && "
             "for i in $(seq 300); do dd if=/bin/busybox of=$i bs=1M count=1 2>/dev/null; done && "
             "for i in $(seq 1 2 300); do rm $i; done; md5sum * > /sums", 200)
    try:
        cached = guest.meminfo()["Cached"]
        flush_whole(guest)
        assert guest.read_int(COUNTERS + "evacuated") > evacuated + 30
        assert guest.meminfo()["Cached"] > 0.98 * cached
        guest.sh("cd /t && md5sum -c -s /sums", 60)
    finally:
        guest.sh("cd /; umount /t; rm -f /sums")


@OURS
def test_patterns_survive_evacuation(guest, setting):
    setting("/proc/sys/vm/page_reporting_delay_ms", 0)
    moved = guest.read_int(COUNTERS + "evacuate_moved_pages")
    begun = time.time()
    job = guest.spawn("exec patterns --mib 400 --seconds 0 --jobs 2 --quiet-ms 100", 240)
    while job.running and time.time() - begun < 60 * guest.patience:
        flush_whole(guest)
        if (time.time() - begun > 10
                and guest.read_int(COUNTERS + "evacuate_moved_pages") > moved):
            break
    assert guest.read_int(COUNTERS + "evacuate_moved_pages") > moved
    job.kill(signal.SIGTERM)
    job.check(60)

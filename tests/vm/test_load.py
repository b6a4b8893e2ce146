"""Evacuation beside other work: it gets on, and takes little of a CPU."""

import time

import pytest

from guest import MIB

COUNTERS = "/sys/kernel/mm/page_reporting/"
pytestmark = [pytest.mark.long, pytest.mark.kernels("overlay"), pytest.mark.fresh]


def returned(guest, seconds, settle=0):
    """Frees 500 MiB as every other MiB of 1000; what of that is back in time, in MiB."""
    job = guest.spawn("exec fragment --mib 1000 --wait", 900)
    guest.wait_for(lambda: "filled" in job.output, 120, "memory is filled")
    time.sleep(settle)
    high = guest.charge()
    job.kill(15)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "memory is fragmented")
    end = time.monotonic() + seconds
    while high - guest.charge() < 400 * MIB and time.monotonic() < end:
        time.sleep(1)
    return (high - guest.charge()) // MIB


@pytest.mark.parametrize("machine, load", [
    pytest.param(2, "--cpu 1", marks=pytest.mark.machine(memory=2048, smp=2)),
    pytest.param(2, "--cpu 2 --cpu-load 25", marks=pytest.mark.machine(memory=2048, smp=2)),
    pytest.param(4, "--cpu 3", marks=pytest.mark.machine(memory=2048, smp=4)),
])
def test_pieces_come_back_beside_a_load(guest, machine, load):
    job = guest.spawn(f"exec stress-ng --quiet {load} --timeout 600", 700)
    begun, before = time.monotonic(), guest.read_int(COUNTERS + "evacuate_cpu_us")
    back = returned(guest, 120)
    spent = guest.read_int(COUNTERS + "evacuate_cpu_us") - before
    share = spent / 1e6 / (time.monotonic() - begun)
    assert job.running
    print(f"{machine} CPUs, {load}: {back} of 500 MiB, {100 * share:.1f} % of a CPU")
    assert back >= 400
    assert share <= 0.26


@pytest.mark.machine(memory=1024, smp=1)
def test_busy_guest_keeps_its_cpu(guest):
    """No CPU has time: 2 % of it for evacuation."""
    guest.spawn("exec stress-ng --quiet --cpu 2 --timeout 600", 700)
    job = guest.spawn("exec fragment --mib 500", 900)
    guest.wait_for(lambda: "fragmented" in job.output, 240, "memory is fragmented")
    time.sleep(10)  # the share follows what the last seconds were like
    begun, before = time.monotonic(), guest.read_int(COUNTERS + "evacuate_cpu_us")
    time.sleep(60)
    spent = guest.read_int(COUNTERS + "evacuate_cpu_us") - before
    share = spent / 1e6 / (time.monotonic() - begun)
    print(f"{100 * share:.2f} % of a CPU")
    # One go may be longer than its share of this minute.
    assert share <= 0.03


@pytest.mark.machine(memory=2048)
def test_pieces_come_back_soon_after_a_long_rest(guest):
    assert returned(guest, 15, settle=200) >= 400

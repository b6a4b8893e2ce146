"""Evacuation beside other work: it gets on, and takes little of a CPU."""

import time

import pytest

from guest import MIB

COUNTERS = "/sys/kernel/mm/page_reporting/"
pytestmark = [pytest.mark.long, pytest.mark.kernels("overlay"), pytest.mark.fresh]


class Share:
    """Of one CPU's time, since the last look: what programs of a name had of it."""

    def __init__(self, guest, name):
        self._guest, self._name = guest, name
        self._before = self._look()

    def _look(self):
        up, *stats = self._guest.sh("cut -d' ' -f1 /proc/uptime; cat /proc/[0-9]*/stat 2>/dev/null"
                                    ).splitlines()
        fields = [line.rpartition(")")[2].split() for line in stats if f"({self._name}" in line]
        return float(up), sum(int(field[11]) + int(field[12]) for field in fields) / 100

    def get(self, seconds):
        """Waits until the last look was so long ago."""
        time.sleep(max(0, seconds - (self._look()[0] - self._before[0])))
        now = self._look()
        share = (now[1] - self._before[1]) / (now[0] - self._before[0])
        self._before = now
        return share


def returned(guest, seconds, settle=0, freed=lambda: None):
    """Frees 500 MiB as every other MiB of 1000; what of that is back in time, in MiB."""
    job = guest.spawn("exec fragment --mib 1000 --wait", 900)
    guest.wait_for(lambda: "filled" in job.output, 120, "memory is filled")
    time.sleep(settle)
    high = guest.charge()
    job.kill(15)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "memory is fragmented")
    freed()
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
    work = Share(guest, "stress-ng")
    alone = work.get(10)
    begun, before = time.monotonic(), guest.read_int(COUNTERS + "evacuate_cpu_us")
    back = returned(guest, 120, freed=lambda: work.get(0))
    beside = work.get(10)
    spent = guest.read_int(COUNTERS + "evacuate_cpu_us") - before
    share = spent / 1e6 / (time.monotonic() - begun)
    assert job.running
    print(f"{machine} CPUs, {load}: {back} of 500 MiB, {100 * share:.1f} % of a CPU, "
          f"the load's CPU time {100 * beside / alone:.1f} % of before")
    assert back >= 400
    assert beside >= 0.98 * alone
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

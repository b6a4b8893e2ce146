"""Free memory goes back to the host by itself, soon, in few pieces, and only what is free."""

import re
import signal
import time

import pytest

import sampler
from discards import total
from guest import MIB

PAGE = 4096
UNIT = 2 * MIB  # the default order is 9
EVACUATE = "/proc/sys/vm/page_reporting_evacuate"
ORDER = "page_reporting.page_reporting_order"


def page_size(guest):
    return int(guest.sh("grep -m 1 KernelPageSize /proc/self/smaps").split()[1]) * 1024


def precondition(holds, what):
    """Not an assertion: a test that must fail upstream must not do so for this."""
    if not holds:
        raise RuntimeError(f"no use in testing: {what}")


def comes_back(guest, held, mib, share=0.7, timeout=60):
    """Frees what is held and waits until the host is no longer charged for a share of it.

    The share allows for what other tests on the same guest left in pieces.  Upstream
    never gives that back: there it is enough that something is reported.
    """
    high, freed_at = guest.charge(), time.time()
    held.free()
    if guest.kernel in ("upstream", "stock"):  # with the engine of those
        guest.write("/proc/sys/vm/compact_memory", 1)
        guest.wait_for(lambda: total(guest.discards(freed_at)) > 0.1 * mib * MIB, timeout,
                       f"a tenth of {mib} MiB is reported")
        return
    guest.wait_for(lambda: guest.charge() < high - share * mib * MIB, timeout,
                   f"{100 * share:.0f} % of {mib} MiB are no longer charged, from "
                   f"{high // MIB} MiB on")


def fragment(guest, mib, piece_kib):
    """Fills memory and frees every other piece; returns the job that holds the rest."""
    job = guest.spawn(f"exec fragment --mib {mib} --piece {piece_kib}")
    guest.wait_for(lambda: "fragmented" in job.output or not job.running, 60, "fragment")
    assert job.running, job.errors
    return job


def assert_sound(guest, unit, start=0, block="pc.ram"):
    """Each discard lies inside the RAM, is aligned to the order asked for and succeeded."""
    for discard in guest.discards(start):
        assert discard.block == block
        assert discard.result == 0
        assert 0 <= discard.offset and discard.offset + discard.length <= guest.memory
        assert discard.length >= unit and discard.length % unit == 0
        assert discard.offset % unit == 0


@pytest.mark.stock
@pytest.mark.kernels("overlay", "debug", "upstream", long=["debug"])
@pytest.mark.fresh
def test_memory_comes_back(guest, hold):
    guest.quiet()
    high = guest.charge()
    comes_back(guest, hold(600), 600, 0.9)
    guest.wait_for(lambda: guest.charge() < high + 0.2 * 600 * MIB, 60, "most of it is back")


@pytest.mark.series
def test_shared_memory_comes_back(guest, hold):
    comes_back(guest, hold(400, "--shm"), 400)


@pytest.mark.fresh  # a balloon's discards are single pages
@pytest.mark.kernels("overlay", "debug", "upstream", long=["debug"])
def test_every_discard_is_sound(guest, hold):
    guest.quiet()
    start = time.time()
    comes_back(guest, hold(200, "--huge"), 200)
    assert_sound(guest, UNIT, start)


def test_nothing_is_lost_over_rounds(guest, hold):
    """What stays charged does not grow from one round to the next, after a first one."""
    comes_back(guest, hold(300), 300)
    guest.quiet()
    left = guest.charge()
    for _ in range(3):
        comes_back(guest, hold(300), 300)
    # What is needed again and again waits for some seconds more.
    guest.wait_for(lambda: guest.charge() < left + 60 * MIB, 60,
                   f"no more than {left // MIB + 60} MiB are charged")


@pytest.mark.kernels("overlay")
@pytest.mark.machine(memory=1024, cmdline=f"{ORDER}=5")
def test_small_order(guest, hold):
    """Pieces of 256 KiB between used ones are reported at order 5, and none below it."""
    guest.quiet()
    start = time.time()
    fragment(guest, 256, 256)
    guest.wait_for(lambda: total(guest.discards(start)) > 100 * MIB, 60, "discards of pieces")
    assert min(discard.length for discard in guest.discards(start)) < UNIT
    assert_sound(guest, PAGE << 5)


def test_large_order_leaves_small_pieces(guest, setting):
    """At the default order a free piece of 1 MiB stays with the guest if nothing makes it whole."""
    if guest.exists(EVACUATE):
        setting(EVACUATE, 0)
    guest.quiet()
    fragment(guest, 256, 1024)
    start = time.time()
    guest.quiet(5)
    assert total(guest.discards(start)) < 32 * MIB


@pytest.mark.machine(memory=1024, numa=[512, 512])
def test_every_node_reports(guest):
    for node in range(2):
        start = time.time()
        job = guest.spawn(f"exec taskset {node + 1} hold --mib 200")
        guest.wait_for(lambda: "holding" in job.output, 60, "hold")
        job.kill(signal.SIGTERM)
        guest.wait_for(lambda: total(d for d in guest.discards(start) if d.block == f"ram{node}")
                       > 150 * MIB, 60, f"discards on node {node}")


@pytest.mark.machine(memory=4608)
def test_memory_above_4_gib(guest, hold):
    """The gap below 4 GiB is respected, and what lies above it comes back."""
    comes_back(guest, hold(3600), 3600)
    assert_sound(guest, UNIT)
    assert any(guest.physical(discard) >= 4 << 30 for discard in guest.discards())


@pytest.mark.machine(memory=1024, backend="memory-backend-memfd,share=on")
def test_shared_host_memory(guest, hold):
    """The host's side may be shared memory: holes are punched into it."""
    comes_back(guest, hold(400), 400)
    assert_sound(guest, UNIT, block="ram0")


@pytest.mark.stock
@pytest.mark.fresh
@pytest.mark.machine(balloon="free-page-reporting=off")
def test_no_report_without_the_feature(guest, hold):
    hold(300).free()
    time.sleep(5)  # with the feature even the slowest kernel would have reported
    assert not guest.discards()


@pytest.mark.machine(balloon=None)
def test_no_report_without_a_balloon(guest, hold):
    hold(300).free()
    time.sleep(5)
    assert not guest.discards()


@pytest.mark.fresh
@pytest.mark.machine(restartable=True)
def test_reporting_survives_a_reset(guest, hold):
    comes_back(guest, hold(300), 300)
    boots = guest.channel.boots
    guest.qmp.command("system_reset")
    guest.wait_restart(boots)
    comes_back(guest, hold(300), 300)
    assert_sound(guest, UNIT)


def test_reporting_survives_a_pause(guest, hold):
    held = hold(300)
    guest.qmp.command("stop")
    time.sleep(1)
    guest.qmp.command("cont")
    comes_back(guest, held, 300)


# --- what upstream cannot ---------------------------------------------------


@pytest.mark.alone
@pytest.mark.better(long=True)
@pytest.mark.machine(memory=2048)
def test_a_burst_is_back_in_3_seconds_and_150_discards(guest, hold):
    guest.quiet()
    held = hold(1200)
    high = guest.charge()
    held.free()
    freed_at = time.time()
    while guest.charge() > high - 0.95 * 1200 * MIB and time.time() < freed_at + 6:
        time.sleep(0.1)
    guest.quiet(1)  # it stays away, and in few pieces
    t95 = sampler.time_to_fall(guest.samples(), freed_at, high, high - 1200 * MIB, 0.95)
    assert t95 is not None and t95 <= 3, f"T95 is {t95} s"
    assert len(guest.discards(freed_at)) < 150


@pytest.mark.alone
@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.machine(memory=2048)
@pytest.mark.parametrize("mib, seconds", [
    (1200, 3), pytest.param(350, 8, marks=pytest.mark.long)])
def test_a_burst_does_not_hold_up_the_next_one(guest, hold, setting, mib, seconds):
    """What it leaves on lists of CPUs is fetched, at once if it is large, though they were
    just drained.  Newer kernels than 6.1 let the lists decay, whose frees make passes as well.

    In a guest of its own: where a job came and went before, reports wait for longer.
    """
    setting("/proc/sys/vm/page_reporting_evacuate", 0)  # it drains, too

    def drains():
        return guest.read_int("/sys/kernel/mm/page_reporting/drains")

    other = hold(mib)
    guest.quiet()
    time.sleep(6)  # more than the time between two drains
    small, before = hold(250), drains()
    small.free()
    guest.wait_for(lambda: drains() > before, 10, "the lists are drained after the first one")
    before = drains()
    other.free()
    guest.wait_for(lambda: drains() > before, seconds, "and after the other one")


class Taken:
    """Which units lose pages to an allocation, by the allocator's own trace events."""

    EVENTS = ("mm_page_alloc_zone_locked", "mm_page_alloc_extfrag")
    LINE = re.compile(r"pfn=(?:0x)?([0-9a-f]+) (?:order|alloc_order)=(\d+)")
    DIR = "/sys/kernel/tracing"

    def __init__(self, guest):
        self._guest = guest
        guest.sh(f"cd {self.DIR}; echo 16384 >buffer_size_kb; echo >trace; "
                 + "".join(f"echo 1 >events/kmem/{event}/enable; " for event in self.EVENTS))

    def units(self):
        units = set()
        for line in self._guest.sh(f"grep -h pfn= {self.DIR}/trace || :", 120).splitlines():
            pfn, order = self.LINE.search(line).groups()
            first, pages = int(pfn, 16), 1 << int(order)
            units.update(range(first * PAGE // UNIT, (first + pages - 1) * PAGE // UNIT + 1))
        return units

    def end(self):
        self._guest.sh(f"echo 0 >{self.DIR}/events/kmem/enable; echo >{self.DIR}/trace")


def units_of(guest, discards):
    return {unit for discard in discards
            for unit in range(guest.physical(discard) // UNIT,
                              (guest.physical(discard) + discard.length) // UNIT)}


@pytest.mark.long
@pytest.mark.better
def test_no_unit_twice_without_an_allocation(guest):
    """A unit the host has is not reported again unless a page of it was taken between.

    Every other piece is freed and reported.  When its neighbours follow, the
    allocator merges all of them, which must not make the first ones news.
    """
    guest.quiet()
    job = fragment(guest, 400, 4096)
    taken = Taken(guest)
    start = time.time()
    guest.wait_for(lambda: total(guest.discards(start - 1)) > 80 * MIB, 60, "discards")
    guest.quiet()
    known = units_of(guest, guest.discards(start - 1)) - taken.units()
    precondition(len(known) > 40, f"{len(known)} units are known to the host")
    rest = time.time()
    job.kill(signal.SIGTERM)
    guest.wait_for(lambda: total(guest.discards(rest)) > 80 * MIB, 60, "discards of the rest")
    guest.quiet()
    again = units_of(guest, guest.discards(rest)) & known
    unjustified = again - taken.units()
    taken.end()
    assert not unjustified, f"{len(unjustified)} of {len(known)} units, such as {min(unjustified)}"

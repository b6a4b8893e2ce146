"""The audit finds a discard of what was live, and no other."""

import struct

import pytest

import audit
from audit import Clock, Live, Taken, replay

MIB = 1 << 20
PAGE = 4096
# The host's clock is ahead by 1000 s, give or take 10 ms.
BOUNDS = 999.99, 1000.01


def live(address=8 * MIB, pages=4, start=5.0, end=6.0):
    return Live(address, pages * PAGE, start, end)


def taken(time, address=8 * MIB, length=2 * MIB):
    return Taken(time, address, length)


@pytest.mark.parametrize("discard, hit", [
    (taken(1005.5), True),
    (taken(1004.9), False),  # before it was taken
    (taken(1006.1), False),  # after it was freed
    (taken(1005.005), False),  # nobody can tell
    (taken(1005.995), False),
    (taken(1005.5, address=6 * MIB), False),  # ends where it begins
    (taken(1005.5, address=6 * MIB, length=64 * MIB), True),
    (taken(1005.5, address=8 * MIB + 4 * PAGE, length=PAGE), False),
    (taken(1005.5, address=8 * MIB + 3 * PAGE, length=PAGE), True)])
def test_a_discard_hits_what_is_live(discard, hit):
    found = replay([live()], [discard], BOUNDS)
    assert bool(found.hits) == hit
    assert found.records == found.discards == 1


def test_each_hit_is_told_once_however_many_units_it_has():
    long = live(pages=4096)
    found = replay([long, live(address=1 << 30)], [taken(1005.5, length=64 * MIB)], BOUNDS)
    assert found.hits == [(taken(1005.5, length=64 * MIB), long)]


def test_memory_lives_again_and_again():
    records = [live(start=n, end=n + 0.5) for n in range(100)]
    between = [taken(1000 + n + 0.75) for n in range(100)]
    found = replay(records, between, BOUNDS)
    assert not found.hits and found.lived == 100
    assert len(replay(records, [taken(d.time - 0.5) for d in between], BOUNDS).hits) == 100


def test_what_is_shorter_than_the_doubt_says_nothing():
    assert not replay([live(end=5.01)], [taken(1005.005)], BOUNDS).hits


def test_records_are_read_as_the_guest_writes_them():
    data = struct.pack("=8Q", 256, 2, 10**9, 3 * 10**9, 512, 1, 0, 1)
    assert audit.read_records(data) == [Live(MIB, 2 * PAGE, 1, 3), Live(2 * MIB, PAGE, 0, 1e-9)]
    with pytest.raises(ValueError, match="not whole"):
        audit.read_records(data[:-1])


def test_the_clock_keeps_the_widest_doubt(monkeypatch):
    # The host's time goes on by 1 s with each look at it; the guest answers between.
    times = iter(range(1000))
    monkeypatch.setattr(audit.time, "time", lambda: next(times))
    answers = iter([int((2 * n + 0.25) * 1e9) for n in range(5)] +
                   [int((2 * n + 0.75) * 1e9) for n in range(5, 10)])
    clock = Clock(lambda: str(next(answers)))
    assert clock.bounds() == (-0.25, 0.75)
    clock.look()
    assert clock.bounds() == (-0.75, 0.75)

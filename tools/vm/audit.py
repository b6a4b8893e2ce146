"""Holds what QEMU discarded against the guest's own record of what was live.

    clock = Clock(lambda: guest.sh("live --now"))
    ... live --record FILE in the guest ...
    clock.look()
    found = replay(read_records(FILE), located(guest, start), clock.bounds())
    assert not found.hits

The guest says of runs of pages from when until when they were in use for certain, by its own
clock.  A discard within that time is a page taken from somebody, whether or not its contents
told.
"""

import collections
import struct
import time

PAGE = 4096
UNIT = 2 << 20
LOOKS = 5
_RECORD = struct.Struct("=4Q")  # as in tests/guest/live.c

# Pages from address on were live from one time until another, in the guest's seconds.
Live = collections.namedtuple("Live", "address length start end")
# A discard by guest physical address; time as time.time(), when it was over.
Taken = collections.namedtuple("Taken", "time address length")
# hits: (Taken, Live) pairs that must not be; lived: discards of what was live at another time
Found = collections.namedtuple("Found", "hits records discards lived")


def read_records(data):
    """The records in the bytes that `live --record` wrote."""
    if len(data) % _RECORD.size:
        raise ValueError(f"a record of {len(data)} bytes is not whole")
    return [Live(frame * PAGE, pages * PAGE, start / 1e9, end / 1e9)
            for frame, pages, start, end in _RECORD.iter_unpack(data)]


def located(guest, start):
    """The discards since a time by their physical addresses."""
    return [Taken(discard.time, guest.physical(discard), discard.length)
            for discard in guest.discards(start)]


class Clock:
    """By how much the host's time is ahead of the guest's, within bounds."""

    def __init__(self, ask):
        """ask() returns the guest's time in ns."""
        self._ask = ask
        self._bounds = []
        self.look()

    def look(self):
        """Clocks may drift: look before and after."""
        lows, highs = [], []
        for _ in range(LOOKS):
            before = time.time()
            guest = int(self._ask()) / 1e9
            lows.append(before - guest)
            highs.append(time.time() - guest)
        self._bounds += [max(lows), min(highs)]

    def bounds(self):
        """(least, most) of all looks."""
        return min(self._bounds), max(self._bounds)


def _units(address, length):
    return range(address // UNIT, (address + length - 1) // UNIT + 1)


def replay(records, discards, bounds):
    """Goes through all that happened in the order of time."""
    least, most = bounds
    events = []  # (time, what comes first of those at a time, record or discard)
    touched = set()
    for record in records:
        # For certain on the host's clock, too; what is too short for that says nothing.
        start, end = record.start + most, record.end + least
        if start < end:
            events += [(start, 2, record), (end, 0, record)]
        touched.update(_units(record.address, record.length))
    events += [(discard.time, 1, discard) for discard in discards]
    events.sort(key=lambda event: event[:2])
    live = collections.defaultdict(set)  # unit: records that are live now
    hits, lived = [], 0
    for _, order, event in events:
        units = _units(event.address, event.length)
        if order == 2:
            for unit in units:
                live[unit].add(event)
        elif order == 0:
            for unit in units:
                live[unit].discard(event)
        else:
            lived += not touched.isdisjoint(units)
            end = event.address + event.length
            hits += [(event, record) for record in {r for unit in units for r in live[unit]}
                     if record.address < end and event.address < record.address + record.length]
    return Found(hits, len(records), len(discards), lived)

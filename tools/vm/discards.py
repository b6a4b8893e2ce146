"""Reads QEMU's own trace of what it discarded: the ground truth of every report."""

import collections
import datetime
import re

# For -trace: ram_block_discard_range, and in QEMU 11 ram_block_discard_shared_range.
EVENTS = "ram_block_discard_*range"
# -msg timestamp=on puts pid@seconds: in front of an event, in QEMU 11 the date and time of UTC.
_EVENT = re.compile(r"^(?:\d+@(\d+\.\d+):|(\d+-\S+Z) )ram_block_discard_(?:shared_)?range (\S+)@"
                    r"(0x[0-9a-f]+) \+ (0x[0-9a-f]+): madvise: \d fallocate: \d ret: (-?\d+)")

# time as time.time(); block: QEMU's name of the RAM block; offset in it and length in bytes
Discard = collections.namedtuple("Discard", "time block offset length result")


def _seconds(date):
    return datetime.datetime.fromisoformat(date).timestamp()


class DiscardLog:
    """The discards of one guest so far.  base(block) gives a block's host address."""

    def __init__(self, path, base):
        self._path = path
        self._base = base
        self._position = 0
        self._discards = []

    def all(self):
        with open(self._path, errors="replace") as f:
            f.seek(self._position)
            text = f.read()
        complete, _, _ = text.rpartition("\n")
        self._position += len(complete.encode()) + 1 if complete else 0
        for line in complete.splitlines():
            match = _EVENT.match(line)
            if match:
                seconds, date, block, address, length, result = match.groups()
                self._discards.append(Discard(float(seconds or _seconds(date)), block,
                                              int(address, 16) - self._base(block),
                                              int(length, 16), int(result)))
        return self._discards

    def since(self, start):
        return [discard for discard in self.all() if discard.time >= start]

    def other_events(self):
        """Lines of the trace file that are no discards, for guests traced for more."""
        with open(self._path, errors="replace") as f:
            return [line.rstrip("\n") for line in f if not _EVENT.match(line)]


def total(discards):
    return sum(discard.length for discard in discards)

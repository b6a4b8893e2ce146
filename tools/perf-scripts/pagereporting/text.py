"""Reads events from text, where perf has no Python: "perf script" output, or trace_pipe.

A line of either ends alike, and what comes before the time is not looked at:

  kworker/u4:1   42 [001]   123.456789012: page_reporting:page_reporting_done: err=0 ...
  kworker/u4:1-42   [001] ..... 123.456789: page_reporting_done: err=0 ...
"""

import re

_LINE = re.compile(r"\s(\d+)\.(\d{3,9}):\s+(.*)")
_EVENT = re.compile(r"(?:(?:page_reporting|virtio_balloon):)?"
                    r"((page_reporting|virtio_balloon)_\w+):\s+(.*)")
_FIELD = re.compile(r"(\w+)=(\S+)")
_LOST = re.compile(r"\[LOST (\d+) EVENTS\]")
# Where the text has another name for a field than the event itself.
_ALIASES = {"dirty_pages": "dirty"}
PERF_DATA = (b"PERFILE2", b"2ELIFREP")


class TextError(Exception):
    """This is no text with events."""


def _value(text):
    """A number, or the name that the kernel has printed for one."""
    try:
        return int(text, 0)
    except ValueError:
        return text


def fields_of(text):
    """The fields of an event by name, from "a=1 b=0x2 c=word"."""
    return {_ALIASES.get(name, name): _value(value) for name, value in _FIELD.findall(text)}


class Reader:
    """Hands the events of lines to a report."""

    def __init__(self, report):
        self._report = report
        self.events = self.others = self.lost = 0

    def line(self, line):
        lost = _LOST.search(line)
        if lost:
            self.lost += int(lost[1])
            return
        # A task may have a time in its name: the last of the matches that is an event.
        for found in reversed(list(_times(line))):
            event = _EVENT.match(found[3])
            if event:
                self._take(found, event)
                return
        found = _LINE.search(line)
        if found:
            self._report.tick({"sample": {"time": int(found[1]) * 10**9 + _ns(found[2])}})
        self.others += bool(line.strip())

    def _take(self, found, event):
        fields = fields_of(event[3])
        fields.update(common_s=int(found[1]), common_ns=_ns(found[2]))
        try:
            self._report.take(f"{event[2]}__{event[1]}", fields)
        except KeyError as missing:
            raise TextError(f"{event[1]} has no field {missing}: "
                            "made by a kernel of another version, or cut off") from missing
        self.events += 1


def _times(line):
    at = 0
    while True:
        found = _LINE.search(line, at)
        if not found:
            return
        yield found
        at = found.start(3)


def _ns(decimals):
    return int(decimals.ljust(9, "0"))


def read(stream, report):
    """Reads all of a binary stream; returns how many events the kernel has lost."""
    reader = Reader(report)
    first = True
    for line in iter(stream.readline, b""):
        if first and line.startswith(PERF_DATA):
            raise TextError("this is perf's own format; make text of it: perf script --ns -i FILE")
        first = False
        reader.line(line.decode(errors="replace"))
    if not reader.events:
        raise TextError(f"no event of page_reporting or virtio_balloon in {reader.others} lines")
    return reader.lost

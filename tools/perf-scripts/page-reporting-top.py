#!/usr/bin/python3
"""Free page reporting live, one screen: rates, latency, what came back.

Run it as "perf script page-reporting-top"; Ctrl-C ends it.  On a recording it shows
one screen for each interval of the recording.  The left column is the last interval,
the right one all since the start.
"""

import argparse
import json
import sys

from pagereporting import figures as fig
from pagereporting import report

CLEAR = "\033[H\033[2J"


class Counts:
    """What happened in a time."""

    def __init__(self):
        self.seconds = 0.0
        self.passes = self.requests = self.errors = self.elements = self.bytes = 0
        self.latency_us = self.longest_us = 0
        self.reused = self.soon = 0
        self.evacuated = self.moved = self.flushes = 0
        self.skips = {}
        self.left = {}  # units that evacuation left, by reason

    def figures(self):
        """As for JSON."""
        return {"seconds": self.seconds, "passes": self.passes, "requests": self.requests,
                "errors": self.errors, "elements": self.elements, "bytes": self.bytes,
                "mean_latency_us": self.latency_us / self.requests if self.requests else None,
                "max_latency_us": self.longest_us if self.requests else None,
                "reused": self.reused, "reused_soon": self.soon,
                "evacuated": self.evacuated, "moved_pages": self.moved,
                "left": dict(sorted(self.left.items())),
                "flushes": self.flushes, "skipped": dict(sorted(self.skips.items()))}


class Top(report.Report):

    def __init__(self, options):
        super().__init__(options)
        self.now, self.all = Counts(), Counts()
        self.shown_at = 0.0
        self.screens = 0
        self.dirty = self.delay_ms = None

    @classmethod
    def add_options(cls, parser):
        parser.add_argument("--interval", type=_seconds, default=2.0, metavar="SECONDS",
                            help="between screens (default 2)")
        parser.add_argument("--count", type=int, default=0, metavar="N",
                            help="end after so many screens (default: never)")

    def take(self, name, fields):
        self._move_on(fields["common_s"] + fields["common_ns"] / 1e9)
        super().take(name, fields)

    def tick(self, fields):
        self._move_on(fields["sample"]["time"] / 1e9)
        super().tick(fields)

    def _both(self):
        return self.now, self.all

    def on_page_reporting_pass_start(self, _time, fields):
        self.dirty = fields["dirty"] * self.options.page_size

    def on_page_reporting_pass_end(self, _time, fields):
        self.dirty = fields["dirty"] * self.options.page_size
        self.delay_ms = fields["delay_ms"]
        for counts in self._both():
            counts.passes += 1

    def on_page_reporting_done(self, _time, fields):
        for counts in self._both():
            counts.requests += 1
            counts.latency_us += fields["latency_us"]
            counts.longest_us = max(counts.longest_us, fields["latency_us"])
            if fields["err"]:
                counts.errors += 1
            else:
                counts.elements += fields["nr_elements"]
                counts.bytes += fields["nr_pages"] * self.options.page_size

    def on_page_reporting_reuse(self, _time, fields):
        for counts in self._both():
            counts.reused += 1
            counts.soon += fields["soon"]

    def on_page_reporting_evacuate(self, _time, fields):
        left = self.evacuation_left(fields)
        for counts in self._both():
            if left:
                counts.left[left] = counts.left.get(left, 0) + 1
            else:
                counts.evacuated += 1
            counts.moved += fields["moved"]

    def on_page_reporting_flush(self, _time, _fields):
        for counts in self._both():
            counts.flushes += 1

    def on_page_reporting_skip(self, _time, fields):
        reason = self.named("reason", fields["reason"])
        for counts in self._both():
            counts.skips[reason] = counts.skips.get(reason, 0) + 1

    def _move_on(self, clock):
        """Shows a screen for each interval that is over at a time."""
        if self.begin is None:
            return
        while clock - self.begin >= self.shown_at + self.options.interval:
            self.shown_at += self.options.interval
            self._show(self.options.interval)

    def _show(self, seconds):
        self.now.seconds, self.all.seconds = seconds, self.shown_at
        figures = self.figures()
        if self.options.json:
            print(json.dumps(figures))
        else:
            print((CLEAR if sys.stdout.isatty() else "") + "\n".join(self.text(figures)))
        sys.stdout.flush()
        self.now = Counts()
        self.screens += 1
        if self.screens == self.options.count:
            sys.exit(0)

    def finish(self):
        """The rest of a recording."""
        rest = self.end - self.shown_at
        if rest > 0 or not self.screens:
            self.shown_at = self.end
            self._show(rest)

    def figures(self):
        return {"at": self.shown_at, "dirty_bytes": self.dirty, "delay_ms": self.delay_ms,
                "interval": self.now.figures(), "total": self.all.figures()}

    def text(self, figures):
        now, total = figures["interval"], figures["total"]
        rows = [["", f"last {now['seconds']:.1f} s", f"all {total['seconds']:.1f} s", ""]]

        def add(label, text):
            rows.append([label, text(now), text(total), ""])

        add("reported", lambda c: fig.size(c["bytes"]))
        add("  a second", lambda c: fig.size(c["bytes"] / c["seconds"] if c["seconds"] else 0))
        add("passes", lambda c: c["passes"])
        add("requests", lambda c: c["requests"])
        add("  refused", lambda c: c["errors"])
        add("elements", lambda c: c["elements"])
        add("  size of one", lambda c: fig.size(c["bytes"] / max(1, c["elements"])))
        add("latency, mean", lambda c: _latency(c["mean_latency_us"]))
        add("  longest", lambda c: _latency(c["max_latency_us"]))
        add("granules reused", lambda c: c["reused"])
        add("  soon", lambda c: c["reused_soon"])
        for reason in total["skipped"]:
            add(f"skipped, {reason}", lambda c, key=reason: c["skipped"].get(key, 0))
        add("units evacuated", lambda c: c["evacuated"])
        add("  pages moved", lambda c: c["moved_pages"])
        for reason in total["left"]:
            add(f"  left, {reason}", lambda c, key=reason: c["left"].get(key, 0))
        add("flushes", lambda c: c["flushes"])
        lines = ["Free page reporting", "", *fig.table(rows, left=(0,))]
        if figures["dirty_bytes"] is not None:
            lines += ["", f"  {fig.size(figures['dirty_bytes'])} waited after the last pass"
                      + (f"; the delay is {fig.duration(figures['delay_ms'])}"
                         if figures["delay_ms"] is not None else "")]
        return lines + [""]


def _latency(us):
    return "-" if us is None else fig.duration(us / 1000)


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 3600")
    return value


if __name__ == "__main__":
    report.run(Top, vars())

#!/usr/bin/python3
"""The guest's physical memory over time: what is in use, free, and at the host.

Across goes the address, down the time.  Each place shows what most of it was most of
the time:

  #  in use, as a whole or in part
  +  free and dirty: it waits to be reported
  >  in flight, on its way to the host
  .  free and reported: the host has it
     nothing known: no event of the recording is about it

Free memory is seen when it is reported, and then it is known since when it was free.
So what was neither reported nor allocated after its report while this was recorded
stays blank, such as memory that was in use all the time; and what was freed but not yet
reported at the end looks as if it were still in use.  Address ranges of 1 GiB and more
of which nothing is known are left out.
"""

from pagereporting import figures as fig
from pagereporting import report

IN_USE, DIRTY, FLIGHT, REPORTED = "#+>."
STATES = {IN_USE: "in_use", DIRTY: "dirty", FLIGHT: "in_flight", REPORTED: "reported"}
BLANK = " "
LEAD = 5.0  # seconds shown before the first event, at most
SECTION = 128 << 20  # bytes; address ranges are shown or left out by these
HOLE = 8  # sections of which nothing is known that are left out together


class Map(report.Report):

    def __init__(self, options):
        super().__init__(options)
        self.events = []  # (seconds, what, first page frame, pages, age in seconds)
        self.evacuated = self.moved = 0

    @classmethod
    def add_options(cls, parser):
        parser.add_argument("--rows", type=int, default=24, help="steps in time (default 24)")
        parser.add_argument("--columns", type=int, default=64,
                            help="steps in address (default 64)")

    def on_page_reporting_element(self, time, fields):
        known = fields["youngest_ms"] <= fields["oldest_ms"]
        self.events.append((time, "element", fields["pfn"], fields["nr_pages"],
                            fields["youngest_ms"] / 1000 if known else 0.0))

    def on_page_reporting_done(self, time, fields):
        self.events.append((time, "error" if fields["err"] else "done", 0, 0, 0.0))

    def on_page_reporting_reuse(self, time, fields):
        self.events.append((time, "reuse", fields["pfn"], 1 << fields["order"],
                            fields["age_ms"] / 1000))

    def on_page_reporting_skip(self, time, fields):
        if self.named("reason", fields["reason"]) == "in_use":
            self.events.append((time, "in_use", fields["pfn"], 0, 0.0))

    def on_page_reporting_evacuate(self, _time, fields):
        self.evacuated += fields["whole"]
        self.moved += fields["moved"]

    def figures(self):
        history = History(self.events, self.end)
        places = Places(history.units(), history.unit * self.options.page_size)
        columns = max(1, min(self.options.columns, places.count))
        rows = max(1, self.options.rows)
        length = (self.end - history.begin) / rows or 1.0
        weights = [[{} for _ in range(columns)] for _ in range(rows)]
        for state, begin, end, unit in history.spans:
            column = places.index(unit) * columns // places.count
            first = (begin - history.begin) / length
            last = (end - history.begin) / length
            for row in range(int(first), min(rows, int(last) + 1)):
                part = min(last, row + 1) - max(first, row)
                cell = weights[row][column]
                cell[state] = cell.get(state, 0.0) + part
        # How many units are in a column, and which is the first.
        units = [0] * columns
        firsts = [None] * columns
        for number in range(places.count):
            column = number * columns // places.count
            units[column] += 1
            if firsts[column] is None:
                firsts[column] = places.address(number)
        unit_bytes = history.unit * self.options.page_size
        return {"seconds": self.end, "begin": history.begin, "unit_bytes": unit_bytes,
                "states": {BLANK: "unknown", **STATES},
                "at_begin": {"reported_bytes": history.reported_before * unit_bytes},
                "at_end": {f"{name}_bytes": history.count(state) * unit_bytes
                           for state, name in STATES.items()},
                "evacuated_units": self.evacuated, "moved_pages": self.moved,
                "addresses": firsts,
                "end_address": places.address(places.count - 1) + unit_bytes,
                "rows": [{"seconds": history.begin + number * length,
                          "cells": "".join(_most(cell, units[column])
                                           for column, cell in enumerate(row)),
                          **{f"{name}_bytes": round(unit_bytes * sum(
                              cell.get(state, 0.0) for cell in row))
                             for state, name in STATES.items()}}
                         for number, row in enumerate(weights)]}

    def text(self, figures):
        if not self.events:
            return ["Nothing was reported or came back in this recording."]
        addresses = figures["addresses"]
        lines = [f"{addresses[0]:#x} to {figures['end_address'] - 1:#x}, "
                 f"units of {fig.size(figures['unit_bytes'])}, {figures['seconds']:.1f} s",
                 "# in use   + dirty   > in flight   . reported   blank: nothing known", ""]
        # To the right of the map: how much was in each state on average.
        lines += fig.table(
            [["seconds", "", *(STATES[state].replace("_", " ") for state in STATES)]]
            + [[f"{row['seconds']:.1f}", f"|{row['cells']}|",
                *(f"{row[f'{name}_bytes'] / 2**20:.0f} MiB" for name in STATES.values())]
               for row in figures["rows"]])
        if figures["evacuated_units"] or figures["moved_pages"]:
            lines += ["", f"Evacuation made {fig.count(figures['evacuated_units'], 'unit')} whole "
                          f"and moved {fig.count(figures['moved_pages'], 'page')}."]
        return lines

    def draw(self, _figures, pyplot):
        from matplotlib import colors, patches
        fine = Map(self.options)
        fine.events, fine.end = self.events, self.end
        fine.options = type(self.options)(**{**vars(self.options), "rows": 240, "columns": 320})
        figures = fine.figures()
        shades = {BLANK: "#ffffff", IN_USE: "#3d3846", DIRTY: "#e5a50a", FLIGHT: "#c01c28",
                  REPORTED: "#99c1f1"}
        order = list(shades)
        figure, (upper, lower) = pyplot.subplots(
            2, figsize=(9, 10), height_ratios=(3, 1), sharex=True, layout="constrained")
        image = [[order.index(cell) for cell in row["cells"]] for row in figures["rows"]]
        last = figures["seconds"]
        # Time to the right, addresses upward.
        upper.imshow([list(line) for line in zip(*image)], aspect="auto", origin="lower",
                     interpolation="nearest", cmap=colors.ListedColormap(list(shades.values())),
                     vmin=0, vmax=len(order) - 1,
                     extent=(figures["begin"], last, 0, len(figures["addresses"])))
        marks = range(0, len(figures["addresses"]), max(1, len(figures["addresses"]) // 8))
        upper.set_yticks(list(marks), [f"{figures['addresses'][n] / 2**30:.2f}" for n in marks])
        upper.set_ylabel("guest physical address (GiB)")
        upper.set_title("Guest memory over time", loc="left", pad=30)
        upper.grid(False)
        upper.legend(handles=[
            patches.Patch(facecolor=colour, edgecolor="#77767b",
                          label=figures["states"][state].replace("_", " "))
            for state, colour in shades.items()], loc="lower right", bbox_to_anchor=(1, 1),
            ncols=len(shades), frameon=False)
        lower.stackplot([row["seconds"] for row in figures["rows"]],
                        *([row[f"{STATES[state]}_bytes"] / 2**20 for row in figures["rows"]]
                          for state in (REPORTED, FLIGHT, DIRTY)),
                        colors=[shades[state] for state in (REPORTED, FLIGHT, DIRTY)])
        lower.set_ylabel("free (MiB)")
        lower.set_xlabel("seconds")
        return figure


def _most(cell, units):
    """The state that most of a cell was in; units: how many units it stands for."""
    known = sum(cell.values())
    state = max(cell, key=cell.get, default=BLANK)
    return BLANK if not cell or units - known > cell[state] else state


class History:
    """What each unit was and when: spans of (state, begin, end, unit).

    A unit is the largest piece of memory that all events are about as a whole.
    """

    def __init__(self, events, end):
        self.spans = []
        self.reported_before = 0  # units that were at the host when the recording began
        self.begin = max(-LEAD, min([0.0] + [time - age for time, what, _, _, age in events
                                             if what == "element"]))
        self._now = {}  # unit: (state, since)
        grain = 0
        for _, _, pfn, pages, _ in events:
            grain |= pfn | pages
        self.unit = grain & -grain or 1  # pages
        self._replay(events)
        for unit, (state, since) in self._now.items():
            self._span(state, since, end, unit)

    def units(self):
        return sorted(self._now)

    def count(self, state):
        """Units that are in a state at the end."""
        return sum(now == state for now, _ in self._now.values())

    def _span(self, state, begin, end, unit):
        if end > begin:
            self.spans.append((state, begin, end, unit))

    def _change(self, unit, time, state, since=None, before=IN_USE):
        """A unit is in a state from now on.

        since: from when on it was in before, if that is known; else it stays what it was
        """
        was, begin = self._now.get(unit, (before if since is None else IN_USE, self.begin))
        if since is not None:
            middle = min(max(since, begin), time)
            self._span(was, begin, middle, unit)
            was, begin = before, middle
        self._span(was, begin, time, unit)
        self._now[unit] = (state, time)

    def _replay(self, events):
        flight = []
        for time, what, pfn, pages, age in events:
            units = range(pfn // self.unit, (pfn + pages) // self.unit)
            if what == "element":
                for unit in units:
                    self._change(unit, time, FLIGHT, since=time - age, before=DIRTY)
                flight += units
            elif what in ("done", "error"):
                for unit in flight:
                    self._change(unit, time, REPORTED if what == "done" else DIRTY)
                flight = []
            elif what == "reuse":
                for unit in units:
                    self.reported_before += unit not in self._now
                    self._change(unit, time, IN_USE, before=REPORTED)
            elif what == "in_use":
                self._change(pfn // self.unit, time, IN_USE)


class Places:
    """Units by address, without large ranges of which nothing is known."""

    def __init__(self, units, unit_bytes):
        self._per_section = max(1, SECTION // unit_bytes)
        self._unit_bytes = unit_bytes
        sections = sorted({unit // self._per_section for unit in units})
        shown = sections[:1]
        for section in sections[1:]:
            first = shown[-1] + 1
            shown += range(first if section - first < HOLE else section, section + 1)
        self._shown = shown
        self._number = {section: number for number, section in enumerate(shown)}
        self.count = max(1, len(shown) * self._per_section)

    def index(self, unit):
        """Number of a unit among those that are shown."""
        section, offset = divmod(unit, self._per_section)
        return self._number[section] * self._per_section + offset

    def address(self, number):
        """Address of the unit with a number."""
        if not self._shown:
            return 0
        section, offset = divmod(number, self._per_section)
        return (self._shown[section] * self._per_section + offset) * self._unit_bytes


if __name__ == "__main__":
    report.run(Map, vars())

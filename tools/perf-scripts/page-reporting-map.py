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
reported at the end looks as if it were still in use.  When reporting starts anew, as
after a change of vm.page_reporting_order, all free memory counts as freed then.

Address ranges of 1 GiB and more of which nothing is known are left out.
"""

import bisect

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
        self.left = {}  # units that did not become whole, by reason

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
        left = self.evacuation_left(fields)
        if left:
            self.left[left] = self.left.get(left, 0) + 1
        else:
            self.evacuated += 1
        self.moved += fields["moved"]

    def figures(self):
        page = self.options.page_size
        history = History(self.events, self.end)
        places = Places(history.known(), page)
        columns = max(1, min(self.options.columns, places.pages // history.unit))
        width = places.pages / columns  # pages
        rows = max(1, self.options.rows)
        length = (self.end - history.begin) / rows or 1.0
        grid = Grid(rows, columns)
        for state, begin, end, pfn, end_pfn in history.spans:
            first = places.position(pfn) / width
            last = first + (end_pfn - pfn) / width
            for column in range(int(first), min(columns, int(last) + 1)):
                grid.add(state, column, (min(last, column + 1) - max(first, column)) * width,
                         (begin - history.begin) / length, (end - history.begin) / length)
        cells = grid.cells()
        return {"seconds": self.end, "begin": history.begin, "unit_bytes": history.unit * page,
                "states": {BLANK: "unknown", **STATES},
                "at_begin": {"reported_bytes": history.reported_before * page},
                "at_end": {f"{name}_bytes": history.pages(state) * page
                           for state, name in STATES.items()},
                "evacuated_units": self.evacuated, "moved_pages": self.moved,
                "left_units": dict(sorted(self.left.items())),
                "addresses": [places.address(int(column * width)) for column in range(columns)],
                "end_address": places.address(places.pages - 1) + page,
                "rows": [{"seconds": history.begin + number * length,
                          "cells": "".join(_most(cell, width) for cell in row),
                          **{f"{name}_bytes": round(page * sum(cell.get(state, 0.0)
                                                               for cell in row))
                             for state, name in STATES.items()}}
                         for number, row in enumerate(cells)]}

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
        if figures["evacuated_units"] or figures["left_units"]:
            left = ", ".join(f"{reason} {number}" for reason, number
                             in figures["left_units"].items())
            lines += ["", f"Evacuation made {fig.count(figures['evacuated_units'], 'unit')} whole "
                          f"and moved {fig.count(figures['moved_pages'], 'page')}."
                          + (f"  Units left: {left}." if left else "")]
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


class Grid:
    """Pages in each state, for each place on average over its time."""

    def __init__(self, rows, columns):
        self._rows = rows
        # Of each column and state: what a row adds, and what each from there on has.
        self._columns = [{} for _ in range(columns)]

    def add(self, state, column, pages, begin, end):
        """Pages of a column are in a state between two points, in rows."""
        once, on = self._columns[column].setdefault(
            state, ([0.0] * (self._rows + 1), [0.0] * (self._rows + 1)))
        first, last = int(begin), min(self._rows, int(end))
        if first >= last:
            once[first] += pages * (end - begin)
        else:
            once[first] += pages * (first + 1 - begin)
            on[first + 1] += pages
            on[last] -= pages
            once[last] += pages * (end - last)

    def cells(self):
        """By row and column: {state: pages}."""
        cells = [[{} for _ in self._columns] for _ in range(self._rows)]
        for number, column in enumerate(self._columns):
            for state, (once, on) in column.items():
                standing = 0.0
                for row in range(self._rows):
                    standing += on[row]
                    cells[row][number][state] = standing + once[row]
        return cells


def _most(cell, pages):
    """The state that most of a place was in; pages: all it has."""
    state = max(cell, key=cell.get, default=BLANK)
    return BLANK if not cell or pages - sum(cell.values()) > cell[state] else state


class History:
    """What memory was and when: spans of (state, begin, end, first page, page after)."""

    def __init__(self, events, end):
        self.spans = []
        self.reported_before = 0  # pages that were at the host when the recording began
        self.begin = max(-LEAD, min([0.0] + [time - age for time, what, _, _, age in events
                                             if what == "element"]))
        # Ranges, each up to the next: where they begin, and (state, since) or None.
        self._starts = [0]
        self._now = [None]
        grain = 0
        for _, _, pfn, pages, _ in events:
            grain |= pfn | pages
        self.unit = grain & -grain or 1  # pages of the largest piece that no event divides
        self._replay(events)
        for pfn, end_pfn, now in self._ranges():
            self._span(now[0], now[1], end, pfn, end_pfn)

    def _ranges(self):
        """(first page, page after, (state, since)) of what is known at the end."""
        for pfn, end_pfn, now in zip(self._starts, self._starts[1:], self._now):
            if now:
                yield pfn, end_pfn, now

    def known(self):
        """(first page, page after) of each range of which something is known."""
        return [(pfn, end_pfn) for pfn, end_pfn, _ in self._ranges()]

    def pages(self, state):
        """How many pages are in a state at the end."""
        return sum(end_pfn - pfn for pfn, end_pfn, now in self._ranges() if now[0] == state)

    def _span(self, state, begin, end, pfn, end_pfn):
        if end > begin:
            self.spans.append((state, begin, end, pfn, end_pfn))

    def _split(self, pfn):
        """Has a range begin at a page; returns its number."""
        at = bisect.bisect_left(self._starts, pfn)
        if at == len(self._starts) or self._starts[at] != pfn:
            self._starts.insert(at, pfn)
            self._now.insert(at, self._now[at - 1])
        return at

    def _change(self, pfn, pages, time, state, since=None, before=IN_USE):
        """Memory is in a state from now on.

        since: from when on it was in before, if that is known; else it stays what it
        was, or was in before if nothing is known of it
        """
        first = self._split(pfn)
        last = self._split(pfn + pages)
        bounds = self._starts[first:last + 1]
        for begin_pfn, end_pfn, now in zip(bounds, bounds[1:], self._now[first:last]):
            was, begin = now or (before if since is None else IN_USE, self.begin)
            if not now and before == REPORTED:
                self.reported_before += end_pfn - begin_pfn
            if since is not None:
                middle = min(max(since, begin), time)
                self._span(was, begin, middle, begin_pfn, end_pfn)
                was, begin = before, middle
            self._span(was, begin, time, begin_pfn, end_pfn)
        self._starts[first:last] = [pfn]
        self._now[first:last] = [(state, time)]

    def _replay(self, events):
        flight = []
        for time, what, pfn, pages, age in events:
            if what == "element":
                self._change(pfn, pages, time, FLIGHT, since=time - age, before=DIRTY)
                flight.append((pfn, pages))
            elif what in ("done", "error"):
                for sent in flight:
                    self._change(*sent, time, REPORTED if what == "done" else DIRTY)
                flight = []
            elif what == "reuse":
                self._change(pfn, pages, time, IN_USE, before=REPORTED)
            elif what == "in_use":
                self._change(pfn, self.unit, time, IN_USE)


class Places:
    """Memory by address, without large ranges of which nothing is known."""

    def __init__(self, known, page_size):
        self._page_size = page_size
        self._section = max(1, SECTION // page_size)  # pages
        sections = sorted({section for pfn, end_pfn in known
                           for section in range(pfn // self._section,
                                                -(-end_pfn // self._section))})
        shown = sections[:1] or [0]
        for section in sections[1:]:
            first = shown[-1] + 1
            shown += range(first if section - first < HOLE else section, section + 1)
        self._shown = shown
        self._number = {section: number for number, section in enumerate(shown)}
        self.pages = len(shown) * self._section

    def position(self, pfn):
        """Where a page is among those that are shown."""
        section, offset = divmod(pfn, self._section)
        return self._number[section] * self._section + offset

    def address(self, position):
        """Address of the page that is there."""
        number, offset = divmod(position, self._section)
        return (self._shown[number] * self._section + offset) * self._page_size


if __name__ == "__main__":
    report.run(Map, vars())

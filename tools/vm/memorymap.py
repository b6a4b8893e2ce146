"""The map of a guest's memory: what is in use, free in pieces, free as a whole, given back.

Two words are put together, unit by unit of 2 MiB: the guest's on which pages are free
(/proc/kpageflags) and the host's on which pages it has for the guest (/proc/PID/pagemap of
QEMU).  Both are there on any kernel, so that the map of one that counts nothing is as true.
"""

import array
import collections
import os

from guest import MIB

UNIT = 2 * MIB
PAGE = 4096
PER_UNIT = UNIT // PAGE
USED, PIECES, WAITING, RETURNED = "#+-."
STATES = {USED: "in use", PIECES: "partly free, in pieces",
          WAITING: "free, but QEMU still has it", RETURNED: "free, and given back"}
COLOURS = {USED: "#3d3846", PIECES: "#e5a50a", WAITING: "#c01c28", RETURNED: "#99c1f1"}
_PRESENT = 1 << 63

# units: a character of STATES for each; the others in bytes: free in units that are partly
# free, and free anywhere but QEMU's still
Map = collections.namedtuple("Map", "units pieces kept")


def state(free, present):
    """Of a unit with so many free pages, and so many that are there at the host."""
    if not free:
        return USED
    if free < PER_UNIT:
        return PIECES
    return WAITING if 2 * present > PER_UNIT else RETURNED


def made(free, present):
    """A Map from what units have: free pages and pages present at the host."""
    units = "".join(state(*pair) for pair in zip(free, present))
    pieces = sum(count for kind, count in zip(units, free) if kind == PIECES)
    # What is in use is there; the rest of what is there could be given back.
    kept = sum(max(0, there + count - PER_UNIT) for count, there in zip(free, present))
    return Map(units, pieces * PAGE, kept * PAGE)


def _present(pid, address, size):
    """Of each unit of a process's memory how many pages are there."""
    entries = array.array("Q")
    with open(f"/proc/{pid}/pagemap", "rb") as f:
        f.seek(address // PAGE * entries.itemsize)
        entries.fromfile(f, size // PAGE)
    return [sum(entry >= _PRESENT for entry in entries[at:at + PER_UNIT])
            for at in range(0, len(entries), PER_UNIT)]


def look(guest):
    """The Map of a guest's memory as it is now."""
    free = [int(word) for word in guest.sh("memory_map", 120).split()]
    places = [guest.arch.physical(offset, guest.memory) // UNIT
              for offset in range(0, guest.memory, UNIT)]
    return made([free[place] if place < len(free) else 0 for place in places],
                _present(guest.pid, guest.ram_address(), guest.memory))


def rows(units, columns=None):
    """The units as lines of a picture, the lowest address first."""
    columns = columns or max(16, 1 << ((len(units) - 1).bit_length() + 1) // 2)  # nearly square
    return [units[at:at + columns] for at in range(0, len(units), columns)]


def _draw(axes, units):
    """One map: a square for each unit, the lowest address in the upper left."""
    from matplotlib import colors
    order = list(STATES)
    lines = rows(units)
    width = len(lines[0])
    image = [[order.index(unit) for unit in line] + [float("nan")] * (width - len(line))
             for line in lines]
    axes.imshow(image, cmap=colors.ListedColormap(list(COLOURS.values())), vmin=0,
                vmax=len(order) - 1, interpolation="nearest", aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)


def figure(pyplot, maps):
    """A figure of {name: {moment: Map}}: the moments to the right, or the names if they are more."""
    from matplotlib import patches
    moments = list(next(iter(maps.values())))
    down = len(maps) <= len(moments)
    rows_of, columns = (len(maps), len(moments)) if down else (len(moments), len(maps))
    drawn, grid = pyplot.subplots(rows_of, columns, squeeze=False, figsize=(
        max(8, 2.6 * columns), 3.0 * rows_of + 0.8))
    for number, (name, found) in enumerate(maps.items()):
        for step, moment in enumerate(moments):
            row, column = (number, step) if down else (step, number)
            axes, map_ = grid[row][column], found[moment]
            _draw(axes, map_.units)
            axes.set_gid(f"map-{number}-{moment.replace(' ', '-')}")
            axes.set_xlabel(f"free, QEMU has it: {map_.kept / MIB:.0f} MiB\n"
                            f"free in pieces: {map_.pieces / MIB:.0f} MiB", fontsize=9)
            across, beside = (moment, name) if down else (name, moment)
            if row == 0:
                axes.set_title(across, fontsize=12)
            if column == 0:
                axes.set_ylabel(beside, fontweight="bold")
    drawn.tight_layout(rect=(0, 0, 1, 1 - 0.7 / drawn.get_figheight()))
    drawn.legend(handles=[patches.Patch(facecolor=COLOURS[kind], label=STATES[kind])
                          for kind in STATES], frameon=False, loc="upper center", ncols=2,
                 fontsize=11)
    return drawn

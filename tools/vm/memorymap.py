"""The map of a guest's memory: what is in use, free in pieces, free as a whole, at the host.

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
          WAITING: "free, and the host still pays for it", RETURNED: "free, and the host has it"}
COLOURS = {USED: "#3d3846", PIECES: "#e5a50a", WAITING: "#c01c28", RETURNED: "#99c1f1"}
_PRESENT = 1 << 63

# units: a character of STATES for each; the others bytes, of free memory, by where it lies
Map = collections.namedtuple("Map", "units pieces waiting returned")


def state(free, present):
    """Of a unit with so many free pages, of which the host has some present."""
    if not free:
        return USED
    if free < PER_UNIT:
        return PIECES
    return WAITING if 2 * present > PER_UNIT else RETURNED


def made(free, present):
    """A Map from what units have: free pages and pages present at the host."""
    units = "".join(state(*pair) for pair in zip(free, present))
    by_state = collections.Counter()
    for kind, count in zip(units, free):
        by_state[kind] += count * PAGE
    return Map(units, by_state[PIECES], by_state[WAITING], by_state[RETURNED])


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
    columns = columns or max(16, 1 << ((len(units) - 1).bit_length() + 1) // 2)
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
    """A figure of {name: {moment: Map}}: a line for each name, the moments to the right."""
    from matplotlib import patches
    columns = max(len(moments) for moments in maps.values())
    drawn, grid = pyplot.subplots(len(maps), columns, squeeze=False, figsize=(
        2.6 * max(2, columns), 3.0 * len(maps) + 0.8))
    for number, (name, moments) in enumerate(maps.items()):
        for axes, (moment, found) in zip(grid[number], moments.items()):
            _draw(axes, found.units)
            axes.set_gid(f"map-{number}-{moment.replace(' ', '-')}")
            axes.set_title(moment if number == 0 else "")
            axes.set_xlabel(f"free, host pays: {found.waiting / MIB:.0f} MiB\n"
                            f"free in pieces: {found.pieces / MIB:.0f} MiB", fontsize=9)
        grid[number][0].set_ylabel(name, fontweight="bold")
    drawn.tight_layout(rect=(0, 0, 1, 1 - 0.7 / drawn.get_figheight()))
    drawn.legend(handles=[patches.Patch(facecolor=COLOURS[kind], label=STATES[kind])
                          for kind in STATES], frameon=False, loc="upper center", ncols=2,
                 fontsize=11)
    return drawn

"""Who calls whom in the engine and the driver, from the objects of the overlay kernel."""

import glob
import os
import re
import subprocess

from checking import OVERLAY, TOP

# Where the order of the layers is written: the lowest first, each using only those before it.
PARTS = {
    "mm/page_reporting": ("Documentation/mm/free_page_reporting.rst",
                          r"Each file uses only those to its left::\n\n(.*?)\n\n(?=\S)", "<"),
    "drivers/virtio/virtio_balloon": ("drivers/virtio/virtio_balloon/balloon.h",
                                      r"uses only what stands before it:\n(.*?)\.\n \*\n", ";"),
}


def order(part):
    """The layers, a list of names each; within a layer those to the left are the lower ones."""
    path, pattern, mark = PARTS[part]
    with open(os.path.join(TOP, path)) as f:
        found = re.search(pattern, f.read(), re.S)
    assert found, f"{path} does not tell the layers of {part}"
    words = found[1].replace("*", " ").replace("granule <", " ")
    return [re.findall(r"\w+", group) for group in words.split(mark)]


def sources(part):
    return {os.path.basename(path)[:-2] for path in glob.glob(os.path.join(TOP, part, "*.c"))}


def _symbols(path):
    """What an object offers and what it needs."""
    offers, needs = set(), set()
    done = subprocess.run(["nm", path], capture_output=True, text=True, check=True)
    for kind, name in re.findall(r"^[0-9a-f ]+ (\w) (\S+)$", done.stdout, re.M):
        # A tracepoint is defined where the events are made, whoever emits it.
        if "tracepoint_" not in name and "__SC" not in name:
            (needs if kind == "U" else offers if kind.isupper() else set()).add(name)
    return offers, needs


def _object(part, name):
    path = os.path.join(OVERLAY, "obj", part, f"{name}.o")
    assert os.path.exists(path), f"{path} is not there: run tools/vm/build-kernel overlay"
    return _symbols(path)


def locks(part, name):
    """What a layer calls to take a lock, or to sleep for one."""
    _, needs = _object(part, name)
    return sorted(symbol for symbol in needs
                  if re.match(r"_raw_(spin|read|write)_|mutex_|(rt_)?spin_|(down|up)(_|$)", symbol))


def upward_calls(part):
    """'a calls b's NAME' for each call from a layer to a higher one."""
    level = {name: (number, place) for number, group in enumerate(order(part))
             for place, name in enumerate(group)}
    objects = {name: _object(part, name) for name in level}
    owner = {symbol: name for name, (offers, _) in objects.items() for symbol in offers}
    return [f"{name} calls {owner[symbol]}'s {symbol}"
            for name, (_, needs) in objects.items() for symbol in sorted(needs)
            if symbol in owner and level[owner[symbol]] > level[name]]

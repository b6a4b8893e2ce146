"""The cells that make test-full runs: what differs from one to the next, and what cannot be.

A value that is missing, and two values that never meet, have a reason in the summary.
"""

import collections
import functools

import pairwise
from pairwise import Rule

GIB = 1024

VALUES = {
    "machine": ("q35", "pc", "microvm"),
    "cpus": (2, 1, 4, 8),
    "nodes": (1, 2),
    "memory": (1024, 256, 4608, 16 * GIB),  # MiB
    "backend": ("anon", "memfd-shared", "memfd-private", "prealloc", "file", "hugetlb"),
    "host_thp": ("asked", "never"),
    "guest_thp": ("madvise", "always", "never"),
    # page_poison writes a pattern into free pages; the balloon's device may know it or not.
    "pages": ("left", "init_on_alloc", "init_on_free", "poison", "poison-unknown"),
    "layout": ("plain", "movablecore", "kernelcore", "cma", "dimms", "virtio-mem"),
    "transport": ("modern", "legacy", "packed"),
}

POISON = {"poison", "poison-unknown"}
HOTPLUG = {"dimms", "virtio-mem"}

RULES = (
    Rule({"machine": {"microvm"}, "nodes": {2}}, "microvm has one NUMA node"),
    Rule({"machine": {"microvm"}, "layout": HOTPLUG}, "microvm has no slots for memory"),
    Rule({"cpus": {1}, "nodes": {2}}, "each node has a CPU"),
    Rule({"backend": {"prealloc"}, "memory": {16 * GIB}},
         "takes all of it from the host, which may not have that much"),
    Rule({"backend": {"hugetlb"}, "memory": {4608, 16 * GIB}},
         "a host that has run for a while does not find so many huge pages"),
    Rule({"pages": {"init_on_free", *POISON}, "memory": {16 * GIB}},
         "the guest writes to all memory when it boots, and the host may not have that much"),
    # Only the debug kernel can poison.
    Rule({"pages": POISON, "machine": {"pc", "microvm"}},
         "only the debug kernel can poison, which takes too long to boot elsewhere than on q35"),
    Rule({"pages": POISON, "memory": {256}},
         "only the debug kernel can poison, which does not fit"),
    Rule({"pages": POISON, "memory": {4608}},
         "only the debug kernel can poison, and it writes for minutes"),
    Rule({"pages": POISON, "cpus": {4, 8}},
         "only the debug kernel can poison; emulated, so many CPUs of it take minutes"),
)

# Values that no cell has.
MISSING = {
    "host_thp always": "QEMU asks for huge pages for all RAM: nothing differs from madvise, "
                       "and the setting is the whole host's",
    "kernelcore=mirror": "QEMU's firmware calls no memory mirrored; kernelcore=50% has the "
                         "same zones",
}

# In `make test`: what boots soon on any host.
QUICK = {"cpus": {1, 2, 4}, "memory": {256, 1024}, "pages": set(VALUES["pages"]) - POISON,
         "backend": {"anon", "memfd-shared", "memfd-private", "file"}}
NR_QUICK = 3

_LABELS = {"cpus": "{}cpu", "nodes": "{}node", "memory": "{}m", "host_thp": "hostthp-{}",
           "guest_thp": "thp-{}"}


def label(name, value):
    return _LABELS.get(name, "{}").format(value)


def name(cell):
    """A cell's name: all that differs from the usual after the machine."""
    usual = {key: values[0] for key, values in VALUES.items()}
    return "-".join([cell["machine"]] + [label(key, cell[key]) for key in VALUES
                                         if key != "machine" and cell[key] != usual[key]])


@functools.lru_cache(None)
def cells():
    """{name: (cell, whether make test runs it, too)}"""
    chosen = pairwise.choose(VALUES, RULES)
    quick = pairwise.some([cell for cell in chosen
                           if all(cell[key] in values for key, values in QUICK.items())],
                          NR_QUICK)
    return {name(cell): (cell, cell in quick) for cell in chosen}


def left_out():
    """One line for each value or pair that no cell has."""
    lines = [f"{what}: {reason}" for what, reason in MISSING.items()]
    partners = collections.defaultdict(list)  # of a value: others that it does not meet, for one reason
    for pair, reason in pairwise.left_out(VALUES, RULES):
        one, other = (label(key, value) for key, value in pair.items())
        partners[one, reason].append(other)
    lines += [f"{one} with {', '.join(others)}: {reason}"
              for (one, reason), others in partners.items()]
    return lines

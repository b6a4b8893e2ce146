"""The map of memory that pages show: the guest's word on what is free, QEMU's on what it has."""

import pytest

import memorymap
from guest import MIB
from memorymap import RETURNED, USED, WAITING

pytestmark = pytest.mark.kernels("overlay")

SYSCTLS = "/proc/sys/vm/page_reporting_"
HELD = 200  # MiB
UNITS = 90  # of the 100 that are held


def test_map_tells_guest_and_host_apart(guest, hold, setting):
    """In use; then free and still QEMU's; then given back."""
    setting(SYSCTLS + "delay_ms", 600000)
    guest.write(SYSCTLS + "flush", 20000)
    before = memorymap.look(guest)
    assert len(before.units) * memorymap.UNIT == guest.memory
    held = hold(HELD)
    filled = memorymap.look(guest)
    held.free()
    freed = memorymap.look(guest)
    guest.write(SYSCTLS + "flush", 20000)
    back = memorymap.look(guest)

    def more(kind, now, then):
        return now.units.count(kind) - then.units.count(kind)

    assert more(USED, filled, before) > UNITS and more(RETURNED, before, filled) > UNITS
    # What lies on lists of the CPUs counts as in use.
    assert more(WAITING, freed, filled) > UNITS / 2
    assert freed.kept - filled.kept > HELD * MIB / 2
    assert more(RETURNED, back, filled) > UNITS and back.units.count(WAITING) < 10
    assert back.kept - before.kept < 16 * MIB


@pytest.mark.machine(memory=3072)
def test_map_of_memory_behind_the_hole(guest):
    """RAM that lies from 4 GiB on is part of it."""
    found = memorymap.look(guest)
    assert len(found.units) == 1536
    assert found.units[1024:].count(USED) < 256  # it is there, and mostly free

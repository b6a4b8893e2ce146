"""Kernels in other configurations boot and keep what is promised.

`tests/check-long` compiles these and many more.
"""

import os
import subprocess
import time

import pytest

import paths
from checking import NOT_HAD
from conftest import Held
from guest import MIB, Guest
from test_balloon import resize
from test_evacuate import EVACUATE, pieces_come_back
from test_flush import DELAY, flush_returns_all
from test_migration import kernel_memory
from test_reporting import UNIT, assert_sound, comes_back

# Whether there is evacuation, and how many CPUs.
CONFIGURATIONS = {"no-smp": (True, 1), "rt": (False, 2), "lru-gen": (True, 2), "clang": (True, 2)}


def flush(guest):
    """A flush returns when the host has everything, however long that would take otherwise."""
    delay = guest.read(DELAY)
    guest.write(DELAY, 600000)
    flush_returns_all(guest, lambda mib: Held(guest, mib))
    guest.write(DELAY, delay)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS
                                  if (paths.SERIES, name) not in NOT_HAD])
def test_configuration(name):
    subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), name], check=True)
    image = os.path.join(paths.kernel_dir(name), "bzImage")
    evacuates, cpus = CONFIGURATIONS[name]
    guest = Guest(image, name=f"test-{name}", memory=1024, smp=cpus)
    if name == "rt":
        guest.patience = 3  # it looks at each lock
    with guest:
        assert guest.exists(EVACUATE) == evacuates
        guest.quiet()
        begun = time.time()
        comes_back(guest, Held(guest, 600), 600, 0.9)
        assert_sound(guest, UNIT, begun)
        flush(guest)
        total = guest.meminfo()["MemTotal"]
        resize(guest, 800)
        assert abs(total - guest.meminfo()["MemTotal"] - 224 * MIB) < MIB
        resize(guest, 1024)
        assert guest.meminfo()["MemTotal"] == total
        if evacuates:
            pieces_come_back(guest, seconds=60)
        assert not guest.bad_dmesg()


@pytest.mark.long
def test_a_balloon_that_does_not_move_leaves_the_kernel_its_memory():
    """Its pages come from the kernel's zones, and what ZONE_MOVABLE has is no help to those."""
    name = "no-migration"
    subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), name], check=True)
    with Guest(os.path.join(paths.kernel_dir(name), "bzImage"), name=f"test-{name}", memory=1024,
               cmdline="movablecore=512M") as guest:
        guest.set_balloon(64 * MIB)
        sizes = []

        def has_all_it_can():
            sizes.append(guest.balloon_actual())
            return len(sizes) > 20 and sizes[-1] == sizes[-20] < 900 * MIB

        guest.wait_for(has_all_it_can, 30, "the balloon grows no more")
        left = kernel_memory(guest)
        print(f"balloon {sizes[-1] / MIB:.0f} MiB, {left / MIB:.0f} MiB left above high")
        assert left >= 8 * MIB
        assert not guest.bad_dmesg(allowed=["Out of puff"])

"""Memory comes and goes while free memory is reported."""

import time

import pytest

from discards import total
from guest import MIB, CommandError

MEMORY = "/sys/devices/system/memory"
HOTPLUG = pytest.mark.machine(memory=1024, max_memory=2048, cmdline="movablecore=512M")
KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")
BLOCK = 128 * MIB  # what x86 onlines at once


def blocks(guest, start, size):
    return [f"{MEMORY}/memory{number}"
            for number in range(start // BLOCK, (start + size) // BLOCK)]


def dimm_address(guest, dimm):
    for device in guest.qmp.command("query-memory-devices"):
        if device["data"]["id"] == dimm:
            return device["data"]["addr"]
    raise AssertionError(f"QEMU has no {dimm}")


@KERNELS
@HOTPLUG
def test_plug_use_report_unplug(guest, hold):
    free_before = guest.meminfo()["MemFree"] // MIB
    dimm = guest.add_dimm(256 * MIB)
    parts = blocks(guest, dimm_address(guest, dimm), 256 * MIB)
    guest.wait_for(lambda: all(guest.exists(part) for part in parts), 30, "the guest sees it")
    for part in parts:
        guest.write(f"{part}/state", "online_movable")

    held = hold(free_before + 60)
    start = time.time()
    held.free()
    guest.wait_for(lambda: total(d for d in guest.discards(start) if d.block == f"{dimm}-mem")
                   > 150 * MIB, 60, "discards in the DIMM")
    for discard in guest.discards(start):
        if discard.block == f"{dimm}-mem":
            assert discard.result == 0
            assert discard.offset % (2 * MIB) == 0 and discard.length % (2 * MIB) == 0
            assert discard.offset + discard.length <= 256 * MIB

    for part in parts:
        guest.write(f"{part}/state", "offline")
    guest.remove_dimm(dimm)
    guest.sh("true")


@pytest.mark.kernels("debug", "overlay", "upstream", long=["overlay"])
@HOTPLUG
def test_offline_and_online_under_load(guest, setting):
    """Isolation and reporting want the same blocks; both must get on."""
    if guest.kernel != "upstream":
        setting("/proc/sys/vm/page_reporting_delay_ms", 0)
    load = guest.spawn("patterns --mib 300 --seconds 20 --jobs 2 --quiet-ms 300", 200)
    parts = blocks(guest, 512 * MIB, 512 * MIB)
    done = 0
    while load.running:
        for part in parts:
            try:
                guest.write(f"{part}/state", "offline", 120)
            except CommandError:
                continue  # it may be busy
            guest.write(f"{part}/state", "online_movable")
            done += 1
    load.check(60)
    assert done >= 2, f"{done} blocks went offline"


@pytest.mark.series
@pytest.mark.stock
@HOTPLUG
def test_offline_moves_balloon_pages(guest):
    """Pages in the balloon are movable: they do not keep memory from going offline."""
    guest.set_balloon(600 * MIB)
    guest.wait_for(lambda: guest.balloon_actual() == 600 * MIB, 60, "the balloon inflates")
    moved = guest.vmstat()["balloon_migrate"]
    # Above lie pages that the kernel took while it booted.
    part = blocks(guest, 640 * MIB, BLOCK)[0]
    guest.write(f"{part}/state", "offline", 120)
    assert guest.vmstat()["balloon_migrate"] > moved
    guest.write(f"{part}/state", "online_movable")
    guest.set_balloon(1024 * MIB)
    guest.wait_for(lambda: guest.balloon_actual() == 1024 * MIB, 60, "the balloon deflates")

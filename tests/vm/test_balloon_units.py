"""What the balloon takes the host gains: whole units, and from each node its share."""

import signal

import pytest

from guest import MIB
from test_balloon import resize

KERNELS = pytest.mark.kernels("overlay")
PLAIN = "free-page-reporting=off"
MEMORY = "/sys/devices/system/memory/"
TRACING = "/sys/kernel/tracing/"


@pytest.mark.alone  # a guest whose CPUs are slow gives compaction up
@pytest.mark.better
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, balloon=PLAIN, backend="memory-backend-ram,prealloc=on")
def test_pieces_are_made_whole(guest):
    """Free memory in pieces of 64 KiB, on a host that backs all of it with huge pages."""
    job = guest.spawn("exec fragment --mib 700 --piece 64")
    guest.wait_for(lambda: "fragmented" in job.output or not job.running, 240, "pieces")
    guest.settle()
    before = guest.charge()
    resize(guest, 1024 - 400)
    guest.settle()
    gained = before - guest.charge()
    print(f"charge {before // MIB} -> {guest.charge() // MIB} MiB")
    assert gained >= 0.9 * 400 * MIB, gained // MIB


def compactions(guest):
    """How often the balloon's work had memory compacted."""
    return int(guest.sh(f"grep -c 'kworker.* mm_compaction_begin:' {TRACING}trace || :"))


@KERNELS
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, cmdline="movablecore=512M", balloon=PLAIN)
def test_no_unit_is_made_while_memory_goes_offline(guest):
    """Compaction reads the map of memory, and does not keep it from going away."""
    free = guest.meminfo()["MemFree"]
    pinned = guest.spawn("exec live --kind pipe --mib 100 --seconds 0 --jobs 2")
    guest.wait_for(lambda: guest.meminfo()["MemFree"] < free - 50 * MIB, 60, "pages in pipes")
    pinned.kill(signal.SIGSTOP)
    job = guest.spawn("exec fragment --mib 700 --piece 64")
    guest.wait_for(lambda: "fragmented" in job.output or not job.running, 240, "pieces")
    # One of them has such pages, which cannot be moved, so that it never gets there.
    going = guest.spawn(f"for n in 4 5 6 7; do echo offline >{MEMORY}memory$n/state; done")
    look = f"grep -l going {MEMORY}memory*/state"
    guest.wait_for(lambda: guest.spawn(f'part=$({look}) && sleep 5 && [ "$part" = "$({look})" ]',
                                       60).wait() == 0, 120, "memory goes offline")
    part = guest.sh(look)
    guest.write(f"{TRACING}events/compaction/mm_compaction_begin/enable", 1)
    resize(guest, 1024 - 160)
    assert guest.sh(look) == part
    assert compactions(guest) == 0
    going.kill()
    going.wait()
    resize(guest, 1024 - 300)
    assert compactions(guest) > 0


def whole_mib(guest):
    """Free memory in blocks of 2 MiB or more."""
    counts = [line.split()[4:] for line in guest.read("/proc/buddyinfo").splitlines()]
    return sum(int(count) << order for zone in counts for order, count in enumerate(zone)
               if order >= 9) * 4096 // MIB


@pytest.mark.stock
@KERNELS
@pytest.mark.machine(memory=1024, balloon=PLAIN)
def test_what_was_whole_is_whole_again(guest, setting):
    # A CPU keeps little of what is freed to itself; each page of that breaks a unit.
    setting("/proc/sys/vm/percpu_pagelist_high_fraction", 100000)
    before = whole_mib(guest)
    resize(guest, 500)
    resize(guest, 1024)
    assert whole_mib(guest) > before - 16


@pytest.mark.stock
@pytest.mark.better
@pytest.mark.fresh
@pytest.mark.machine(memory=2048, numa=[1024, 1024], balloon=PLAIN)
def test_nodes_give_in_proportion(guest):
    resize(guest, 2048 - 500)
    free = [int(guest.read(f"/sys/devices/system/node/node{n}/meminfo")
                .split("MemFree:")[1].split()[0]) // 1024 for n in (0, 1)]
    print("free MiB by node:", free)
    assert max(free) - min(free) < 0.25 * max(free), free

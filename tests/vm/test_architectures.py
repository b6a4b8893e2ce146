"""Other machines: arm64 with pages of 4 KiB and of 64 KiB, 32-bit x86 with high memory.

With 64 KiB pages a pageblock is 512 MiB, and so is the largest free block; what a host
takes back is 2 MiB all the same.
"""

import signal
import time

import pytest

from discards import total
from guest import GIB, MIB
from test_balloon import resize
from test_evacuate import COUNTERS, EVACUATE, pieces_come_back
from test_flush import flush_returns_all
from test_integrity import DELAY, keep_patterns
from test_reporting import PAGE, UNIT, page_size

ARM64 = [pytest.mark.long, pytest.mark.kernels("overlay-arm64", "overlay-arm64-64k"),
         pytest.mark.machine(memory=3072)]
SMALL = [pytest.mark.long, pytest.mark.kernels("overlay-arm64-64k"),
         pytest.mark.machine(memory=1024)]
# More memory than 32 bits can count, of which less than 896 MiB are the kernel's own.
HIGHMEM = [pytest.mark.long, pytest.mark.kernels("overlay-i386"),
           pytest.mark.machine(memory=5120)]


def marked(marks):
    def mark(test):
        for one in marks:
            test = one(test)
        return test
    return mark


def boots(guest):
    """A granule is 2 MiB, and what has been free since the boot is reported first."""
    assert page_size(guest) == (64 * 1024 if guest.kernel.endswith("64k") else PAGE)
    assert "reporting enabled, 2048 KiB a granule" in guest.console()
    agent_at = time.time()
    guest.wait_for(lambda: total(guest.discards()) > 0.9 * guest.meminfo()["MemFree"], 60,
                   "what is free is reported")
    first, last = guest.discards()[0].time - agent_at, guest.discards()[-1].time - agent_at
    print(f"first report {first:.1f} s, last {last:.1f} s after the agent")
    assert first <= 10


def burst(guest, hold, mib):
    """Memory is used and freed: 95 % of it are the host's again 5 s later."""
    guest.quiet()
    low = guest.charge()
    held = hold(mib)
    high, started = guest.charge(), time.time()
    assert high - low > 0.8 * mib * MIB
    held.free()
    freed = time.time()
    guest.wait_for(lambda: total(guest.discards(started)) >= 0.95 * mib * MIB, 60,
                   f"95 % of {mib} MiB are reported")
    took = time.time() - freed
    returned = (high - guest.charge()) / (mib * MIB)
    print(f"95 % of {mib} MiB reported in {took:.1f} s, {returned:.0%} no longer charged")
    assert took <= 5
    assert returned >= 0.9
    for discard in guest.discards(started):
        assert discard.result == 0
        assert discard.offset % UNIT == 0 and discard.length % UNIT == 0
    return guest.discards(started)


@pytest.mark.fresh
@marked(ARM64)
def test_arm64_boots(guest):
    boots(guest)


@pytest.mark.alone
@marked(ARM64)
def test_arm64_burst(guest, hold):
    burst(guest, hold, 1024)


@marked(ARM64)
def test_arm64_live_data(guest, setting):
    setting(DELAY, 0)
    keep_patterns(guest, 600, 15)


@marked(ARM64)
def test_arm64_balloon(guest):
    load = guest.spawn("patterns --mib 150 --seconds 0 --quiet-ms 100", 600)
    before = guest.meminfo()["MemTotal"]
    for _ in range(2):
        resize(guest, 2048)
        assert abs(before - guest.meminfo()["MemTotal"] - GIB) < MIB
        resize(guest, 3072)
    assert guest.meminfo()["MemTotal"] == before
    load.kill(signal.SIGTERM)
    load.check(60)


@marked(ARM64)
@pytest.mark.parametrize("anon", ["", "--anon"])
def test_arm64_pieces(guest, anon):
    evacuated = guest.read_int(COUNTERS + "evacuated")
    pieces_come_back(guest, anon, 40)
    assert guest.read_int(COUNTERS + "evacuated") > evacuated


@marked(ARM64)
def test_arm64_flush(guest, setting, hold):
    setting(DELAY, 600000)
    flush_returns_all(guest, hold)


@marked(SMALL)
def test_arm64_no_block_is_too_large(guest, setting, hold):
    """A guest that cannot spare a free block of 512 MiB can spare a part of it."""
    setting(EVACUATE, 0)
    held = hold(700)
    high, started = guest.charge(), time.time()
    held.free()
    guest.wait_for(lambda: total(guest.discards(started)) > 0.95 * 700 * MIB, 30,
                   "95 % of 700 MiB are reported")
    assert high - guest.charge() > 0.9 * 700 * MIB


@pytest.mark.fresh
@marked(HIGHMEM)
def test_i386_boots(guest):
    boots(guest)


@pytest.mark.alone
@marked(HIGHMEM)
def test_i386_burst(guest, hold):
    """High memory comes first, and most of it is where 32 bits do not reach."""
    discards = burst(guest, hold, 2500)
    assert any(guest.physical(discard) >= 4 * GIB for discard in discards)
    reported = guest.read_int(COUNTERS + "reported_bytes")
    assert 4 * GIB < reported <= guest.memory

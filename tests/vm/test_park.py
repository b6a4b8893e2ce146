"""page-reporting park in a guest: what it holds afterwards is what it uses, and it rests."""

import contextlib
import os
import time

import pytest

from disks import ext4_disk
from guest import MIB, Guest

PAUSE = "/proc/sys/vm/page_reporting_pause"
COUNTERS = "/sys/kernel/mm/page_reporting"
PAUSED, UNSUPPORTED = 5, 7


@contextlib.contextmanager
def start(tmp_path, kernel="overlay", memory=768):
    with Guest(kernel, name=f"test-park-{kernel}", memory=memory,
               drives=[ext4_disk(tmp_path, 2048)]) as guest:
        guest.sh("mkdir -p /files /pieces && mount /dev/vda /files && "
                 "mount -t tmpfs -o size=95% pieces /pieces && "
                 "echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/job")
        yield guest
        assert not guest.bad_dmesg()


def note(guest, text):
    """Figures for those who want to see them: build/vm/NAME/figures."""
    with open(os.path.join(guest.log_dir, "figures"), "a") as f:
        f.write(text + "\n")


def used(guest):
    now = guest.meminfo()
    return now["MemTotal"] - now["MemFree"]


def fixed(guest):
    """What a guest costs beside what it uses: QEMU's own, and the kernel's that no figure has."""
    guest.settle(2)
    return guest.charge() - used(guest)


def leave_pieces(guest, mib, cache):
    """Files of 1 MiB, of which each fourth stays; and a file that was read once.

    Not by cat, which has it sent: to Linux 7.3 that is active at once.
    """
    guest.sh(f"files --dir /pieces --count {mib * 4 // 3} --kib 1024 && cd /pieces && "
             "ls | awk 'NR % 4' | xargs rm", 300)
    guest.sh(f"truncate -s {cache}M /files/read && "
             "echo $$ >/sys/fs/cgroup/job/cgroup.procs && dd if=/files/read of=/dev/null bs=64k", 120)


def stream(guest, path):
    """Bytes of RAM that a migration into a file moves."""
    guest.qmp.command("stop")
    guest.qmp.command("migrate-set-parameters", max_bandwidth=10000 * MIB)
    guest.qmp.command("migrate", uri=f"exec:cat >{path}")
    guest.wait_for(lambda: guest.qmp.command("query-migrate")["status"] in ("completed", "failed"),
                   300, "the migration ends")
    told = guest.qmp.command("query-migrate")
    assert told["status"] == "completed", told
    return told["ram"]["normal-bytes"]


def park_and_look(guest, mib, cache, drop, tmp_path):
    """Parks a guest; returns how long it took.  It is charged for what it uses, and moves that."""
    overhead = fixed(guest)
    leave_pieces(guest, mib, cache)
    begun = time.monotonic()
    job = guest.spawn(f"page-reporting park --cache={drop} --timeout 60000", 120)
    assert job.wait() == 0, job.errors
    took = time.monotonic() - begun
    assert "parked in" in job.output and guest.read_int(PAUSE) == 1
    now = used(guest)
    kept = guest.memory - guest.meminfo()["MemFree"]  # with what no figure of the guest's has
    charge = guest.charge()
    moved = stream(guest, tmp_path / "state")
    note(guest, f"park: {took:.1f} s, used {now >> 20}, fixed {overhead >> 20}, "
                f"charged {charge >> 20}, stream {moved >> 20} MiB of {kept >> 20} not free")
    assert charge <= 1.05 * (now + overhead)
    assert moved <= 1.05 * kept
    return took


def test_park_and_unpark(tmp_path):
    with start(tmp_path) as guest:
        guest.sh("page-reporting flush --compact")
        leave_pieces(guest, 180, 100)
        again = guest.spawn("page-reporting park --cache=cold")
        assert again.wait() == 0, again.errors
        assert guest.meminfo()["Cached"] < 160 * MIB  # 60 of it in /pieces
        parked = guest.charge()
        again = guest.spawn("page-reporting park")
        assert again.wait() == PAUSED and "paused already" in again.errors
        begun = time.time()
        guest.sh("hold --mib 100 & sleep 2; kill $!")
        time.sleep(2)
        assert not guest.discards(begun), "nothing is given back while it is parked"
        guest.sh("page-reporting unpark --resync")
        assert guest.read_int(PAUSE) == 0 and guest.read_int(f"{COUNTERS}/resyncs") >= 1
        assert guest.charge() < parked + 16 * MIB


@pytest.mark.long
@pytest.mark.alone
def test_park_holds_what_it_uses(tmp_path):
    """1.2 GiB freed in pieces, 400 MiB of cache: all back, in a quarter of upstream's time."""
    with start(tmp_path, memory=2048) as guest:
        took = park_and_look(guest, 1200, 400, "all", tmp_path)
    with start(tmp_path, kernel="upstream", memory=2048) as guest:
        overhead = fixed(guest)
        leave_pieces(guest, 1200, 400)
        begun = time.monotonic()
        guest.sh("sync; echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory", 120)
        guest.settle(4, timeout=120)
        upstream = time.monotonic() - begun - 4
        note(guest, f"upstream: {upstream:.1f} s until charged {guest.charge() >> 20} MiB, "
                    f"used {used(guest) >> 20}, fixed {overhead >> 20}")
        assert took <= upstream / 4


@pytest.mark.long
def test_park_upstream(tmp_path):
    """What can be done is done, and the status says that it is no park."""
    with start(tmp_path, kernel="upstream") as guest:
        leave_pieces(guest, 180, 100)
        job = guest.spawn("page-reporting park --cache=all")
        assert job.wait() == UNSUPPORTED and "no flush" in job.errors
        assert guest.meminfo()["Cached"] < 100 * MIB

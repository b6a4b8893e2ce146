"""What the host has backed again behind the guest's back is reported again when asked for."""

import os
import subprocess

import pytest

from guest import MIB, Guest

FLUSH = "/proc/sys/vm/page_reporting_flush"
COUNTERS = "/sys/kernel/mm/page_reporting/"
SHARED = "memory-backend-memfd,share=on"
# What the guest's own work and QEMU's may add meanwhile.
SLACK = 40 * MIB


def use(guest, mib=500):
    job = guest.spawn(f"exec hold --mib {mib}")
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is taken")
    job.kill(15)
    job.check(60)
    guest.quiet()


def dump(guest, tmp_path):
    """Dumps all memory; QEMU reads it, and reading shared memory backs it."""
    fifo = tmp_path / "dump"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.DEVNULL):
        guest.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{fifo}")


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.machine(backend=SHARED)
def test_resync_after_a_dump(guest, tmp_path):
    use(guest)
    before = guest.charge()
    dump(guest, tmp_path)
    assert guest.charge() > before + 400 * MIB, "the dump has not backed free memory"
    # The host has been told of all that is free, as far as the guest knows.
    guest.write(FLUSH, 10000, 30)
    assert guest.charge() > before + 400 * MIB
    resyncs = guest.read_int(COUNTERS + "resyncs")
    guest.write(FLUSH, "10000 2", 30)
    assert guest.charge() < before + SLACK
    assert guest.read_int(COUNTERS + "resyncs") == resyncs + 1


@pytest.mark.parametrize("prealloc", ["off", pytest.param("on", marks=pytest.mark.long)])
def test_restored_guest_resyncs_by_itself(tmp_path, prealloc):
    """A VM generation id that has changed says that this is a clone."""
    file = tmp_path / "state"
    source = "0b9c6b9c-6f0a-4d4e-9d6c-3a6bb1e9b0aa"

    def start(name, guid, **arguments):
        return Guest("overlay", name=f"test-resync-{name}", memory=1024,
                     extra=["-device", f"vmgenid,guid={guid}"], **arguments)

    with start("source", source, backend="memory-backend-ram") as guest:
        use(guest)
        before = guest.charge()
        guest.qmp.command("stop")
        guest.qmp.command("migrate", uri=f"exec:cat >{file}")
        guest.wait_for(lambda: guest.qmp.command("query-migrate").get("status") == "completed",
                       120, "the state is saved")
        with start("clone", "auto", incoming=f"exec:cat {file}",
                   backend=f"memory-backend-ram,prealloc={prealloc}") as clone:
            clone.arrive(guest)
            guest.stop()
            clone.wait_for(lambda: clone.read_int(COUNTERS + "resyncs") > 0, 30,
                           "the clone notices")
            clone.wait_for(lambda: clone.charge() < before + SLACK, 10, "free memory is back")

"""The matrix: memory comes back and what lives stays as it is, in each cell of tests/matrix.py.

`make test` runs few cells, `make test-full` all; the summary at the end names each.
"""

import contextlib
import fcntl
import os
import re
import signal
import time

import pytest

import matrix
import paths
from conftest import Held
from discards import total
from guest import MIB, BootError, Guest
from test_hotplug import MEMORY, blocks, dimm_address

FLUSH = "/proc/sys/vm/page_reporting_flush"
COUNTERS = "/sys/kernel/mm/page_reporting/"
UNIT = 2 * MIB
DIMM = 256  # MiB
NR_DIMMS = 2
PLUGGED = 256  # MiB of virtio-mem
OVERCOMMIT = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"

BACKENDS = {
    "anon": None,
    "memfd-shared": "memory-backend-memfd,share=on",
    "memfd-private": "memory-backend-memfd,share=off",
    "prealloc": "memory-backend-ram,prealloc=on",
    "file": "memory-backend-file,share=on,mem-path={directory}",
    "hugetlb": "memory-backend-memfd,hugetlb=on,hugetlbsize=2M,share=on",
}
PAGES = {"left": "", "init_on_alloc": "init_on_alloc=1", "init_on_free": "init_on_free=1",
         "poison": "page_poison=1", "poison-unknown": "page_poison=1"}
LAYOUTS = {"plain": "", "movablecore": "movablecore=50%", "kernelcore": "kernelcore=50%",
           "cma": "cma={cma}M", "dimms": "", "virtio-mem": ""}
PCI = {"modern": "", "legacy": "disable-modern=on,disable-legacy=off", "packed": "packed=on"}
MMIO = {"modern": "", "legacy": "", "packed": "packed=on"}


def poisons(cell):
    """With a pattern in free pages QEMU discards none; a device that does not know of it is
    not told of free pages at all."""
    return cell["pages"] in ("poison", "poison-unknown")


def machine(cell, directory):
    """The arguments of Guest for a cell."""
    memory, micro = cell["memory"], cell["machine"] == "microvm"
    backend = BACKENDS[cell["backend"]]
    cmdline = [PAGES[cell["pages"]], LAYOUTS[cell["layout"]].format(cma=memory // 8)]
    if cell["guest_thp"] != "madvise":
        cmdline.append(f"transparent_hugepage={cell['guest_thp']}")
    balloon = ["free-page-reporting=on", (MMIO if micro else PCI)[cell["transport"]]]
    if cell["pages"] == "poison-unknown":
        balloon.append("page-poison=off")
    extra = []
    if micro:
        legacy = str(cell["transport"] == "legacy").lower()
        extra += ["-global", f"virtio-mmio.force-legacy={legacy}"]
    if cell["layout"] == "virtio-mem":
        extra += ["-object", f"memory-backend-ram,id=plugged,size={PLUGGED}M",
                  "-device", "virtio-mem-pci,id=vmem0,memdev=plugged,requested-size=0"]
    return {
        "memory": memory, "smp": cell["cpus"], "balloon": ",".join(filter(None, balloon)),
        "numa": [memory // cell["nodes"]] * cell["nodes"] if cell["nodes"] > 1 else None,
        # Without ACPI, or it has no clock under TCG.
        "machine": "microvm,acpi=off,pit=on,pic=on,rtc=on" if micro else cell["machine"],
        "backend": backend and backend.format(directory=directory),
        "huge_pages": cell["host_thp"] != "never",
        "max_memory": memory + 1024 if cell["layout"] in ("dimms", "virtio-mem") else None,
        "cmdline": " ".join(filter(None, cmdline)), "extra": extra,
    }


@contextlib.contextmanager
def huge_pages(mib):
    """The host gives so many huge pages when they are asked for; one cell at a time."""
    if not os.path.exists(OVERCOMMIT):
        pytest.skip("left out: the host has no hugetlb pages of 2 MiB")
    with open(os.path.join(paths.made_dir(paths.BUILD), "hugepages.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = paths.first_line(OVERCOMMIT)
        try:
            with open(OVERCOMMIT, "w") as f:
                # Beside those that somebody else uses.
                f.write(str(int(before) + mib // 2))
            yield
        finally:
            with open(OVERCOMMIT, "w") as f:
                f.write(before)


def needs(cell):
    """MiB that the host must have to spare."""
    whole = cell["backend"] in ("prealloc", "hugetlb") or cell["pages"] in ("init_on_free",)
    used = cell["memory"] if whole else min(cell["memory"], 1024) + cell["memory"] // 64
    return used + (NR_DIMMS * DIMM if cell["layout"] in ("dimms", "virtio-mem") else 0) + 512


def host_has():
    with open("/proc/meminfo") as f:
        return int(re.search(r"MemAvailable: *(\d+)", f.read())[1]) // 1024


def held_by(guest, cell):
    """Bytes of the host's memory that the guest has.

    Huge pages are charged to nobody, and a file's may stay in the host's cache.
    """
    if cell["backend"] == "file":
        return guest.rss()
    huge = 0
    if cell["backend"] == "hugetlb":
        with open(f"/proc/{guest.pid}/status") as f:
            huge = int(re.search(r"HugetlbPages:\s*(\d+)", f.read())[1]) * 1024
    return guest.charge() + huge  # what is plugged is of another kind


class Dimms:
    """Memory that is plugged, in zones that alternate."""

    def __init__(self, guest, memory):
        self.guest = guest
        self.parts = []
        for number in range(NR_DIMMS):
            dimm = guest.add_dimm(DIMM * MIB, node=number % len(guest.numa or [1]))
            self.parts += blocks(guest, dimm_address(guest, dimm), DIMM * MIB)
        guest.wait_for(lambda: all(guest.exists(part) for part in self.parts), 30,
                       "the guest sees it")
        for number, part in enumerate(self.parts):
            guest.write(f"{part}/state", ("online_kernel", "online_movable")[number % 2])

    def stir(self):
        """Takes what can be taken, and gives it back."""
        for part in self.parts[1::2]:
            self.guest.sh(f"echo offline >{part}/state && echo online_movable >{part}/state", 60)


class VirtioMem:
    """Memory that is plugged and unplugged as the host likes."""

    PATH = "/machine/peripheral/vmem0"

    def __init__(self, guest):
        self.guest = guest
        guest.write(f"{MEMORY}/auto_online_blocks", "online_movable")
        guest.sh("insmod /lib/modules/virtio_mem.ko")
        self._resize(PLUGGED)

    def _resize(self, mib):
        def get():
            return self.guest.qmp.command("qom-get", path=self.PATH, property="size")
        self.guest.qmp.command("qom-set", path=self.PATH, property="requested-size",
                               value=mib * MIB)
        self.guest.wait_for(lambda: get() == mib * MIB, 60, f"virtio-mem has {mib} MiB")

    def stir(self):
        for mib in (PLUGGED // 4, PLUGGED):
            self._resize(mib)


def started(guest, command, word):
    job = guest.spawn(f"exec {command}")
    guest.wait_for(lambda: word in job.output or not job.running, 60, command)
    assert job.running, job.errors or job.status
    return job


def burst(guest, cell, mib):
    """Frees so much at once; returns MiB that were discarded and that the host has back."""
    held = Held(guest, mib)
    high, begun = held_by(guest, cell), time.time()
    held.free()
    if poisons(cell):
        time.sleep(6)  # much longer than the delay
        # Of its own virtio-mem discards what it does not give.
        assert not [d for d in guest.discards() if not d.block.endswith("plugged")]
        return 0, 0
    guest.wait_for(lambda: total(guest.discards(begun)) > 0.7 * mib * MIB, 30,
                   f"70 % of {mib} MiB are discarded")
    guest.wait_for(lambda: held_by(guest, cell) < high - 0.6 * mib * MIB, 30,
                   f"60 % of {mib} MiB are back, of {high // MIB} MiB")
    return total(guest.discards(begun)) // MIB, (high - held_by(guest, cell)) // MIB


def flush(guest, cell, mib):
    """Pieces of 1 MiB are free, none of which is a unit: a flush makes them whole and says so."""
    job = started(guest, f"fragment --mib {mib} --wait", "filled")
    high, begun = held_by(guest, cell), time.time()
    job.kill(signal.SIGTERM)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "fragmented")
    guest.write(FLUSH, "60000 1", 90)
    # What it returns from is done: no more waiting here.
    found, back = total(guest.discards(begun)) // MIB, (high - held_by(guest, cell)) // MIB
    job.kill(signal.SIGTERM)
    job.check(60)
    assert found >= 0.6 * mib / 2, f"{found} of {mib // 2} MiB discarded"
    assert back >= 0.5 * mib / 2, f"{back} of {mib // 2} MiB back"
    return found


def assert_sound(guest):
    """Each discard lies inside its block, is whole units and succeeded."""
    for discard in guest.discards():
        assert discard.result == 0, discard
        assert discard.offset >= 0 and discard.offset % UNIT == 0, discard
        assert discard.length > 0 and discard.length % UNIT == 0, discard
        assert 0 <= guest.physical(discard), discard


def prove(guest, cell):
    """Returns what there is to say."""
    plugged = {"dimms": lambda: Dimms(guest, cell["memory"]),
               "virtio-mem": lambda: VirtioMem(guest)}.get(cell["layout"], lambda: None)()
    # A debug kernel needs long for every page.
    mib = min(400, guest.meminfo()["MemAvailable"] // MIB * 45 // 100) // guest.patience
    live = guest.spawn(f"exec patterns --mib {max(mib // 4, 8)} --seconds 0 --jobs 2")
    time.sleep(2)  # any amount will do
    # What comes and goes all the time is waited for.
    live.kill(signal.SIGSTOP)
    discarded, back = burst(guest, cell, mib)
    live.kill(signal.SIGCONT)
    if plugged:
        plugged.stir()
    live.kill(signal.SIGTERM)
    checked = re.findall(r"checked (\d+) MiB", live.check(60))
    assert len(checked) == 2 and sum(map(int, checked)) > 0
    flushed = 0 if poisons(cell) else flush(guest, cell, mib)
    assert_sound(guest)
    if poisons(cell):
        return f"{sum(map(int, checked))} MiB checked, nothing discarded, as it must be"
    return (f"{mib} MiB freed: {discarded} discarded, {back} back; {flushed} by a flush of "
            f"pieces; {sum(map(int, checked))} checked")


@contextlib.contextmanager
def booted(kernel, cell, directory):
    guest = Guest(kernel, name=f"test-matrix-{matrix.name(cell)}", **machine(cell, directory))
    try:
        guest.start()
    except BootError as error:
        if cell["backend"] == "hugetlb" and "Cannot allocate memory" in str(error):
            pytest.skip(f"left out: the host did not find {cell['memory']} MiB of huge pages")
        raise
    try:
        yield guest
    finally:
        guest.stop()


def run(kernel, cell, tmp_path, summary):
    name = matrix.name(cell)
    begun, said = time.monotonic(), "failed"
    try:
        if host_has() < needs(cell):
            pytest.skip(f"left out: the host has no {needs(cell)} MiB to spare")
        with contextlib.ExitStack() as stack:
            if cell["backend"] == "hugetlb":
                stack.enter_context(huge_pages(cell["memory"]))
            guest = stack.enter_context(booted(kernel, cell, tmp_path))
            said = f"ran, {prove(guest, cell)}"
            bad = guest.bad_dmesg()
            if bad:
                said = "failed"
            assert not bad
    except pytest.skip.Exception as skip:
        said = skip.msg
        raise
    finally:
        summary("matrix", f"{name}: {said}, {time.monotonic() - begun:.0f} s")


def cells(poison):
    return pytest.mark.parametrize("cell", [
        pytest.param(cell, id=name, marks=pytest.mark.full(quick=quick))
        for name, (cell, quick) in matrix.cells().items() if poisons(cell) == poison])


@cells(poison=False)
@pytest.mark.fresh
@pytest.mark.kernels("overlay")
def test_cell(kernel, cell, tmp_path, summary):
    run(kernel, cell, tmp_path, summary)


@cells(poison=True)
@pytest.mark.fresh
@pytest.mark.kernels("debug")  # which alone can
def test_cell_with_poison(kernel, cell, tmp_path, summary):
    run(kernel, cell, tmp_path, summary)


@pytest.mark.full
def test_what_is_left_out_has_a_reason(summary):
    for line in matrix.left_out():
        what, _, reason = line.partition(": ")
        assert what and reason
        summary("left out of the matrix", line)

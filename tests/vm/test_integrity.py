"""Memory in use keeps its contents while free memory beside it is taken away."""

import os
import shlex
import signal
import time

import pytest

import audit
import paths
from discards import total
from disks import ext4_disk
from guest import MIB, Guest

VM = "/proc/sys/vm/"
DELAY = "/proc/sys/vm/page_reporting_delay_ms"
ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
SEED = int(os.environ.get("SEED", 1))  # tests/soak has another one each round
KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")


def keep_patterns(guest, mib, seconds):
    """Patterns must survive, and there must have been something to survive."""
    mib //= guest.patience  # a debug kernel's pages take so long to come and go
    # Whole units seldom come about in as little as that.
    wanted = 200 * MIB if guest.kernel != "debug" else 0
    start = time.time()
    job = guest.spawn(f"exec patterns --mib {mib} --seconds 0 --jobs 2 --quiet-ms 200 "
                      f"--seed {SEED}")
    guest.wait_for(lambda: not job.running or (time.time() - start > seconds and
                                               total(guest.discards(start)) >= wanted),
                   300, f"discards of {wanted // MIB} MiB beside what is in use")
    if job.running:
        job.kill(signal.SIGTERM)
    print(job.check(120))


@KERNELS
def test_live_data_at_order_0_without_delay(guest, setting):
    setting(ORDER, 0)
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 400, 15)


@pytest.mark.series
@pytest.mark.kernels("overlay", "debug", "upstream", long=["debug"])
def test_live_data_at_the_default_order(guest, setting):
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 15)


@pytest.mark.machine(memory=512)
def test_live_data_when_memory_is_short(guest, setting):
    """Reporting takes blocks away for a moment; that must not cost anybody memory."""
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    before = guest.vmstat()["oom_kill"]
    guest.sh("patterns --mib 380 --seconds 15 --jobs 2 --quiet-ms 50", 120)
    assert guest.vmstat()["oom_kill"] == before


@pytest.mark.machine(cmdline="init_on_free=1")
def test_live_data_with_init_on_free(guest, setting):
    """Pages are zeroed when they are freed; a host's zeroes are as good."""
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 10)


@pytest.mark.long
@KERNELS
def test_live_data_for_minutes(guest, setting):
    setting(ORDER, 0)
    if guest.kernel != "upstream":
        setting(DELAY, 0)
    keep_patterns(guest, 600, 180)


# All that moves, takes or gives memory, again and again beside the patterns.
TROUBLE = (
    f"while :; do echo '60000 1' >{VM}page_reporting_flush; sleep 0.1; done 2>/dev/null",
    f"while :; do echo 1 >{VM}page_reporting_pause; sleep 0.5; "
    f"echo 0 >{VM}page_reporting_pause; sleep 3; done",
    f"while :; do echo 1 >{VM}compact_memory; sleep 1; done",
    "cd /sys/devices/system/cpu/cpu1 && while :; do echo 0 >online; sleep 1; echo 1 >online; "
    "sleep 1; done",
    f"while :; do sleep 7; echo '60000 2' >{VM}page_reporting_flush; done 2>/dev/null",
    "stress-ng --quiet --vm 1 --vm-bytes 96M --fork 1 --shm 1 --shm-objs 4 --numa 1 --timeout 0",
)


@pytest.mark.long
@pytest.mark.fresh
@pytest.mark.kernels("debug", "overlay")
@pytest.mark.machine(memory=1280, numa=[640, 640], max_memory=None, cmdline="")
@pytest.mark.parametrize("orders, seconds", [("0", 300), ("9", 300), ("0 9 4 7", 600)])
def test_live_data_amid_all_trouble(guest, setting, orders, seconds):
    setting(ORDER, orders.split()[0])
    setting(DELAY, 0)
    counters = "/sys/kernel/mm/page_reporting/"
    trouble = list(TROUBLE)
    if " " in orders:
        trouble.append(f"while :; do for i in {orders}; do echo $i >{ORDER}; sleep 4; done; done")
    jobs = [guest.spawn(f"exec sh -c {shlex.quote(script)}") for script in trouble]
    patterns = guest.spawn(f"exec patterns --mib 200 --seconds {seconds} --jobs 2 "
                           "--quiet-ms 200")
    guest.wait_for(lambda: not patterns.running, seconds + 60, "the patterns' end")
    running = [job.running for job in jobs]
    for job in jobs:
        job.kill()
    guest.write(VM + "page_reporting_pause", 0)
    guest.write(VM + "page_reporting_flush", "60000 1", 90)
    print(patterns.check(1), *(f"{name}: {guest.read(counters + name)}" for name in (
        "flushes", "evacuated", "evacuate_moved_pages", "reported_bytes_total")), sep="\n")
    assert all(running), "what makes trouble has ended by itself"
    assert guest.read_int(counters + "flushes") > 10
    assert guest.read_int(counters + "evacuate_moved_pages") > 0


# --- each kind of memory, and where it was -----------------------------------

FLUSHING = f"while :; do echo '60000 1' >{VM}page_reporting_flush; sleep 0.3; done 2>/dev/null"
THP = "/sys/kernel/mm/transparent_hugepage/"
KSM = "/sys/kernel/mm/ksm/"
RECORD = "/run/record"
DISK, RECORDS, SWAP = "/dev/vda", "/dev/vdb", "/dev/vdc"

# What a kind needs, and how it is put back: shell scripts.
SWAPPING = ("mkswap {0} >/dev/null && swapon {0}; cd /sys/fs/cgroup && echo +memory "
            ">cgroup.subtree_control && mkdir -p live && echo 120M >live/memory.max",
            "swapoff {0}; rmdir /sys/fs/cgroup/live")
LIMITED = "echo $$ >/sys/fs/cgroup/live/cgroup.procs;"


def mounting(options, what):
    return f"mkdir -p /run/live; mount {options} {what} /run/live", "umount /run/live"


# name: (kind of live, (begin, end), what comes before, counter of vmstat that must rise)
KINDS = {
    "anon": ("anon", None, "", None),
    "thp": ("thp", None, "", "thp_fault_alloc"),
    "mthp": ("thp", (f"cd {THP}; echo never >hugepages-2048kB/enabled; "
                     "echo always >hugepages-64kB/enabled",
                     f"cd {THP}; echo inherit >hugepages-2048kB/enabled; "
                     "echo never >hugepages-64kB/enabled"), "", None),
    "shm": ("shm", None, "", None),
    "hugetlb": ("hugetlb", (f"echo 80 >{VM}nr_overcommit_hugepages",
                            f"echo 0 >{VM}nr_overcommit_hugepages"), "",
                "htlb_buddy_alloc_success"),
    "mlock": ("mlock", None, "", "unevictable_pgs_mlocked"),
    "uring": ("uring", None, "", "nr_foll_pin_acquired"),
    "pipe": ("pipe", None, "", None),
    "ksm": ("ksm", (f"cd {KSM}; echo 10 >sleep_millisecs; echo 5000 >pages_to_scan; echo 1 >run",
                    f"cd {KSM}; echo 2 >run; echo 0 >run"), "", None),
    "uffd": ("uffd", None, "", None),
    "tmpfs": ("file", mounting("-t tmpfs", "none"), "", None),
    "tmpfs-large": ("file", mounting("-t tmpfs -o huge=always", "none"), "", "thp_file_alloc"),
    "ext4": ("file", mounting("-t ext4", DISK), "", "pgpgout"),
    "zram": ("anon", tuple(part.format("/dev/zram0") for part in (
        "echo 256M >/sys/block/zram0/disksize; " + SWAPPING[0],
        SWAPPING[1] + "; echo 1 >/sys/block/zram0/reset")), LIMITED, "pswpin"),
    "swap": ("anon", tuple(part.format(SWAP) for part in SWAPPING), LIMITED, "pswpin"),
}

# Kinds that no guest has.
NO_KIND = {
    "XFS": "the guest's kernel has none (configs/guest.config)",
    "large folios on ext4": "Linux 6.12 has none there; tmpfs-large has them",
}
if paths.SERIES == "6.1":
    del KINDS["mthp"]
    NO_KIND["mthp"] = "Linux has them since 6.8"


@pytest.fixture(scope="module")
def with_disks(tmp_path_factory):
    """with_disks(kernel): a guest for all kinds, with an ext4, a place for records, a swap."""
    guests = {}

    def boot(kernel):
        if kernel not in guests:
            place = tmp_path_factory.mktemp("disks")
            drives = [(ext4_disk(place, 512), "cache=unsafe")]
            for name, mib in (("records", 1024), ("swap", 512)):
                with open(place / name, "wb") as f:
                    f.truncate(mib * MIB)
                drives.append((str(place / name), "cache=unsafe"))
            guests[kernel] = Guest(kernel, name=f"test-kinds-{kernel}", memory=1024,
                                   drives=drives).start(), place / "records"
        return guests[kernel]

    yield boot
    for guest, _ in guests.values():
        guest.stop()


def live_kind(guest, records, name, order, seconds):
    """Some time of a kind's life; returns what the audit found, which must be nothing."""
    kind, scripts, before, counter = KINDS[name]
    counted = guest.vmstat().get(counter, 0)
    guest.write(ORDER, order)
    guest.write(DELAY, 0)
    if scripts:
        guest.sh(scripts[0])
    clock = audit.Clock(lambda: guest.sh("live --now"))
    begun = time.time()
    flushing = guest.spawn(f"exec sh -c {shlex.quote(FLUSHING)}")
    try:
        # To Linux 6.1 each file is as large as its huge pages.
        much = 40 if name == "tmpfs-large" else 160
        job = guest.spawn(f"{before} exec live --kind {kind} --mib {much} --jobs 4 --seconds 0 "
                          f"--quiet-ms 300 --dir /run/live --record {RECORD} --seed {SEED}")
        # What goes by way of a disk takes its time.
        mib = 20 if before else 100

        def was_seen():
            return not counter or guest.vmstat()[counter] > counted

        guest.wait_for(lambda: not job.running or time.time() - begun > seconds and
                       total(guest.discards(begun)) > mib * MIB and was_seen(),
                       seconds + 100, f"discards of {mib} MiB beside what lives as {name}")
        job.kill(signal.SIGTERM)
        status = job.wait(60)
        print(job.output)
        assert status == 0, job.output + job.errors
    finally:
        flushing.kill()
    if name == "ksm":
        assert guest.read_int(KSM + "full_scans") > 0
    assert was_seen(), f"no {counter}: this was no {name}"
    clock.look()
    if scripts:
        guest.sh(scripts[1], 120)
    size = int(guest.sh(f"stat -c %s {RECORD} && dd if={RECORD} of={RECORDS} bs=1M conv=fsync "
                        f"2>/dev/null && rm {RECORD}"))
    with open(records, "rb") as f:
        rows = audit.read_records(f.read(size))
    discards = audit.located(guest, begun)
    found = audit.replay(rows, discards, clock.bounds())
    print(f"{found.records} records, {found.discards} discards, of which {found.lived} of what "
          f"lived at another time; hits: {found.hits[:3]}")
    assert not found.hits, found.hits[0]
    # It could have found some: the same discards at other times are hits.
    assert found.lived
    assert any(audit.replay(rows, [row._replace(time=row.time - shift) for row in discards],
                            clock.bounds()).hits for shift in (0.5, 1, 2, 0.2)), "a blind audit"
    return found


@pytest.mark.kernels("overlay")
@pytest.mark.parametrize("order, seconds", [
    (0, 3), pytest.param(9, 30, marks=pytest.mark.long),
    pytest.param(0, 30, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", KINDS)
def test_nothing_live_is_discarded(with_disks, kernel, name, order, seconds, summary):
    guest, records = with_disks(kernel)
    mark = guest.console_mark()
    found = live_kind(guest, records, name, order, seconds)
    assert not guest.bad_dmesg(mark)
    summary("integrity", f"{name}, order {order}, {seconds} s: {found.records} records against "
            f"{found.discards} discards")


@pytest.mark.long
def test_kinds_that_are_left_out_have_a_reason(summary):
    for name, reason in NO_KIND.items():
        assert name not in KINDS and reason
        summary("left out of integrity", f"{name}: {reason}")


@pytest.mark.long
@pytest.mark.kernels("overlay", "debug")
@pytest.mark.parametrize("order", [0, 9])
def test_stress_ng_verifies(guest, setting, order):
    """Its own checks of what it wrote, by each of its ways to write."""
    setting(ORDER, order)
    setting(DELAY, 0)
    begun = time.time()
    guest.spawn(f"exec sh -c {shlex.quote(FLUSHING)}")
    guest.sh("stress-ng --quiet --verify --vm 2 --vm-bytes 160M --vm-keep --vm-method all "
             "--memfd 1 --shm 1 --mremap 1 --mmap 1 --mmap-bytes 32M --timeout 60",
             200)
    assert total(guest.discards(begun)) > 100 * MIB

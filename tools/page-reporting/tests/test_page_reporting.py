"""The tool against trees made up for the purpose."""

import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from tree import (COUNTERS, DEVICE, HYPERV, KIB, MIB, PIECES, SYSCTLS, VALUES, WHOLE, ZONEINFO,
                  Tree)

TOOL = os.environ["PAGE_REPORTING"]
OK, FAILED, USAGE, TIMEOUT, NO_DEVICE, PAUSED, PERMISSION, UNSUPPORTED, PASSED_OVER = range(9)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert self.status >= 0, f"died by signal {-self.status}: {self.err}"
        assert "Sanitizer" not in self.err, self.err

    @property
    def json(self):
        return json.loads(self.out)


def run(tree, *arguments, tool=TOOL, **options):
    return Result(subprocess.run([tool, *arguments, "--root", tree.path], capture_output=True,
                                 text=True, errors="replace", timeout=30, check=False, **options))


def codes(tree):
    return {reason["code"]: reason for reason in run(tree, "status", "--json").json["not_reported"]}


# --- status -----------------------------------------------------------------


def test_every_counter_is_told(tree):
    told = run(tree, "status", "--json")
    assert told.status == OK and told.json["counters"] == VALUES
    text = run(tree, "status").out
    for name in VALUES:
        assert re.search(rf"^  {name} +\S", text, re.M), name
    assert re.search(r"reported_bytes_total +3\.0 GiB", text)
    assert re.search(r"last_pass_us +1\.5 ms", text)
    assert re.search(r"last_flush_us +2\.5 s", text)
    assert re.search(r"evacuate_moved_pages +999 pages", text)


def test_a_counter_of_a_newer_kernel(tree):
    tree.counter("of_tomorrow_bytes", 3 * MIB)
    assert run(tree, "status", "--json").json["counters"]["of_tomorrow_bytes"] == 3 * MIB
    assert re.search(r"of_tomorrow_bytes +3\.0 MiB", run(tree, "status").out)


def test_a_kernel_without_evacuation(tree):
    for name in VALUES:
        if not name.startswith(("stranded", "blocked", "evacuate")):
            continue
        tree.remove(f"{COUNTERS}/{name}")
    tree.remove(SYSCTLS + "evacuate")
    told = run(tree, "status", "--json").json
    assert "evacuated" not in told["counters"] and told["knobs"]["evacuate"] is None
    assert "evacuation     not in this kernel" in run(tree, "status").out


def test_what_is_negotiated(tree):
    tree.device("0x0005", "110101")
    told = run(tree, "status", "--json").json["device"]
    assert told["features"] == {
        "must-tell-host": True, "stats-vq": True, "deflate-on-oom": False,
        "free-page-hint": True, "page-poison": False, "free-page-reporting": True}
    assert told["name"] == "virtio0" and told["driver"] == "virtio_balloon" and told["ready"]


def test_other_virtio_devices_are_not_it(tree):
    tree.device("0x0002", "111111", driver="virtio_blk")
    assert run(tree, "status", "--json").json["device"] == {"kind": "none"}


# --- why not ------------------------------------------------------------------


def test_nothing_is_wrong(tree):
    tree.put("proc/buddyinfo", "Node 0, zone    DMA32 0 0 0 0 0 0 0 0 0 0 150")
    tree.put("proc/zoneinfo", "Node 0, zone    DMA32\n  pages free 153600\n        high 1500\n")
    assert codes(tree) == {}
    assert "the host has all that is free" in run(tree, "status").out


def test_waiting_is_young(tree):
    found = codes(tree)
    assert found["young"]["bytes"] == WHOLE - 600 * MIB
    assert found["too-small"]["bytes"] == PIECES
    assert found["per-cpu"]["bytes"] == 2 * MIB
    assert "16 times" not in found["young"]["text"]
    tree.counter("reused_soon", 55)
    text = codes(tree)["young"]["text"]
    assert "55 granules" in text and "16 times" in text


def test_too_little_to_wake_for(tree):
    tree.counter("reported_bytes", WHOLE - 2 * MIB)
    assert codes(tree)["too-little"]["bytes"] == 2 * MIB


def test_in_flight(tree):
    tree.counter("in_flight_bytes", 4 * MIB)
    assert codes(tree)["in-flight"]["bytes"] == 4 * MIB


@pytest.mark.parametrize("spare, tight", [(2, False), (1, True), (-10, True)])
def test_tight_zone(tree, spare, tight):
    """The kernel's rule: less than two granules of 512 pages above the high watermark."""
    tree.put("proc/zoneinfo", ZONEINFO.replace("181504", str(1500 + 512 * spare if spare > 0
                                                             else 1490)))
    assert ("tight" in codes(tree)) == tight


@pytest.mark.parametrize("reserve, cma, tight", [
    (0, 0, False),
    (2000, 0, True),             # what allocations for a higher zone must leave
    (10**9, 0, False),           # but no more than half of what is free
    (0, 12000, True),            # memory that only movable allocations can use
])
def test_what_a_zone_cannot_spare(tree, reserve, cma, tight):
    free = 14000 if reserve < 10**9 else 28000
    free = 4000 if reserve == 2000 else free
    tree.put("proc/zoneinfo", ZONEINFO.replace("181504", str(free))
             .replace("protection: (0, 0, 0)", f"protection: (0, 0, {reserve})")
             .replace("nr_free_cma  0", f"nr_free_cma  {cma}"))
    assert ("tight" in codes(tree)) == tight


def test_a_tight_zone_that_the_host_has(tree):
    """All that is whole is reported: there is nothing to be said."""
    tree.put("proc/zoneinfo", ZONEINFO.replace("181504", "1490"))
    tree.counter("reported_bytes", WHOLE)
    assert "tight" not in codes(tree)


def test_paused(tree):
    tree.put(SYSCTLS + "pause", 1)
    assert set(codes(tree)) == {"paused"}


@pytest.mark.parametrize("how", ["gone", "other"])
def test_no_device(tree, how):
    if how == "gone":
        tree.remove("sys/bus/virtio")
    else:
        tree.device("0x0001", "0")
    assert set(codes(tree)) == {"no-device"}


def test_no_driver(tree):
    tree.device("0x0005", "0", driver=None, status="0x00000001")
    assert set(codes(tree)) == {"no-driver"}


@pytest.mark.parametrize("status", ["0x00000003", "0x0000008f", "0x0000004f", "garbage"])
def test_broken_device(tree, status):
    tree.device("0x0005", "001001", status=status)
    assert set(codes(tree)) == {"device-broken"}


def test_not_offered(tree):
    tree.device("0x0005", "011000")
    assert set(codes(tree)) == {"not-negotiated"}


@pytest.mark.parametrize("word, features, expected", [
    ("page_poison=1", "001011", {"poison"}),         # QEMU ignores the reports
    ("page_poison=on", "001000", {"poison"}),        # the driver has dropped the feature
    ("init_on_free=1", "001000", {"poison"}),
    ("page_poison=0", "001000", {"not-negotiated"}),
    ("page_poison=", "001000", {"not-negotiated"}),
    ("page_poison=1 page_poison=off", "001000", {"not-negotiated"}),
])
def test_poison(tree, word, features, expected):
    tree.put("proc/cmdline", f"quiet {word} panic=-1")
    tree.device("0x0005", features)
    assert set(codes(tree)) == expected


def test_init_on_free_does_not_matter(tree):
    tree.put("proc/cmdline", "init_on_free=1")
    tree.device("0x0005", "001011")
    assert "poison" not in codes(tree)


def test_confidential_by_flag(tree):
    tree.put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu tdx_guest vme\nbugs\t:\n")
    tree.device("0x0005", "011000")
    assert set(codes(tree)) == {"confidential"}


def test_confidential_by_log(tree):
    tree.put("dev/kmsg", "6,5,0,-;Memory Encryption Features active: AMD SEV SEV-ES\n")
    assert set(codes(tree)) == {"confidential"}


def test_a_flag_of_a_similar_name(tree):
    tree.put("proc/cpuinfo", "flags\t\t: no_tdx_guest tdx_guest2\nbugs\t: tdx_guest \n")
    tree.put("dev/kmsg", "6,5,0,-;Memory Encryption Features active: AMD SME\n")
    assert "confidential" not in codes(tree)


def test_crash_kernel(tree):
    tree.put("proc/vmcore", "")
    assert set(codes(tree)) == {"crash-kernel"}


def test_cma_is_reported_as_well(tree):
    tree.put("proc/zoneinfo", ZONEINFO.replace("nr_free_cma  0", "nr_free_cma  4096", 2)
             .replace("nr_free_cma  4096", "nr_free_cma  0", 1))
    assert codes(tree)["young"]["bytes"] == WHOLE - 600 * MIB


def test_smaller_order(tree):
    tree.put("sys/module/page_reporting/parameters/page_reporting_order", 3)
    assert codes(tree)["too-small"]["bytes"] == 28 * MIB
    assert run(tree, "status", "--json").json["knobs"]["granule_bytes"] == 32 * KIB


def test_hyperv(tree):
    tree.remove("sys/bus/virtio")
    tree.put(f"{HYPERV}/class_id", "{525074dc-8985-46e2-8057-a307dc18a502}")
    assert set(codes(tree)) == {"no-driver"}
    os.symlink("../../../drivers/hv_balloon", os.path.join(tree.path, HYPERV, "driver"))
    told = run(tree, "status", "--json").json
    assert told["device"]["kind"] == "hyperv" and told["device"]["driver"] == "hv_balloon"
    assert not any(reason["all"] for reason in told["not_reported"])


# --- flush ---------------------------------------------------------------------


@pytest.mark.parametrize("arguments, written", [
    ([], "10000 0\n"), (["--timeout", "250"], "250 0\n"), (["-c", "-t", "7"], "7 1\n"),
    (["--resync"], "10000 2\n"), (["-rc", "-t7"], "7 3\n")])
def test_flush_writes(tree, arguments, written):
    told = run(tree, "flush", *arguments)
    assert told.status == OK and "reported 0 in" in told.out
    with open(os.path.join(tree.path, SYSCTLS + "flush")) as f:
        assert f.read() == written


def test_quiet_flush(tree):
    told = run(tree, "flush", "--quiet")
    assert (told.status, told.out, told.err) == (OK, "", "")


@pytest.mark.parametrize("timeout", ["0", "-1", "600001", "x", "", "1.5", "5s", "99999999999999999999"])
def test_flush_refuses_a_bad_timeout(tree, timeout):
    told = run(tree, "flush", f"--timeout={timeout}")
    assert told.status == USAGE and told.err.count("\n") == 1 and "600000" in told.err
    with open(os.path.join(tree.path, SYSCTLS + "flush")) as f:
        assert f.read() == "\n"  # as it was


def test_flush_of_an_unprivileged_user(tree):
    os.chmod(os.path.join(tree.path, SYSCTLS + "flush"), 0o400)
    for directory, _, _ in os.walk(tree.path):
        os.chmod(directory, 0o755)
    top = tree.path
    while top != "/":  # pytest's own are closed to others
        top = os.path.dirname(top)
        if os.stat(top).st_uid == os.getuid() and top.startswith("/tmp/"):
            os.chmod(top, 0o755)
    if os.geteuid() == 0:
        # Where this is may be closed to others as well.
        tool = shutil.copy(TOOL, tree.path)
        told = run(tree, "flush", tool=tool, user=65534, group=65534, extra_groups=[])
    else:
        told = run(tree, "flush")
    assert told.status == PERMISSION and "root" in told.err


def mounts(tree, *rows):
    tree.put("proc/self/mounts", "proc /proc proc rw 0 0\n" + "".join(
        f"/dev/vd{n} {where} {kind} {options} 0 0\n"
        for n, (where, kind, options) in enumerate(rows)))
    for where, _, _ in rows:  # which answers as a kernel without checkpoints does
        os.symlink("/sys", tree.path + where.replace("\\040", " "))


def test_checkpoint_takes_ext4_only(tree):
    mounts(tree, ("/a", "xfs", "rw,noatime"), ("/b", "ext4", "ro"), ("/c", "ext4", "ro,noatime"))
    told = run(tree, "flush", "--checkpoint")
    assert told.status == OK and "checkpoint of 0 of 0 file systems" in told.out


def test_checkpoint_that_cannot_be_made(tree):
    """The flush is made all the same, and the status says so."""
    mounts(tree, ("/with\\040blank", "ext4", "rw,relatime"), ("/same", "ext4", "rw"))
    told = run(tree, "flush", "-k")
    assert told.status == FAILED and "reported 0 in" in told.out
    assert "checkpoint of 0 of 1 file systems" in told.out  # one device, two mount points
    assert told.err.count("\n") == 1 and "/with blank: this kernel's ext4 cannot" in told.err


def test_checkpoint_of_what_has_gone(tree):
    mounts(tree, ("/gone", "ext4", "rw"))
    tree.remove("gone")
    told = run(tree, "flush", "-kq")
    assert told.status == FAILED and "No such file" in told.err and not told.out


def test_checkpoint_on_an_upstream_kernel(tree):
    tree.upstream()
    mounts(tree, ("/a", "ext4", "rw"))
    told = run(tree, "flush", "--checkpoint")
    assert told.status == UNSUPPORTED and "checkpoint of 0 of 1" in told.out
    assert "no flush" in told.err


def test_flush_without_its_file(tree):
    tree.remove(SYSCTLS + "flush")
    told = run(tree, "flush")
    assert told.status == UNSUPPORTED and told.err.count("\n") == 1


# --- park and unpark ---------------------------------------------------------------


def content(tree, name):
    with open(os.path.join(tree.path, name)) as f:
        return f.read().strip()


def cgroups(tree, root=(0, 0), **groups):
    """Control groups by name ("a__b" is a group in another), with MiB of inactive and active
    files of their own."""
    tree.put("proc/self/mounts", "none /sys/fs/cgroup cgroup2 rw 0 0")
    groups[""] = root
    for name in groups:
        path = "sys/fs/cgroup/" + name.replace("__", "/")
        below = [sizes for other, sizes in groups.items()
                 if other == name or not name or other.startswith(name + "__")]
        inactive, active = (sum(sizes) * MIB for sizes in zip(*below))
        tree.put(f"{path}/memory.stat", "anon 4096\n"
                 f"inactive_file {inactive}\nactive_file {active}")
        tree.put(f"{path}/memory.reclaim", "")


@pytest.mark.parametrize("cache, dropped", [
    ([], ""), (["--cache=all"], "3"), (["-C", "keep"], ""), (["--cache", "cold"], "")])
def test_park(tree, cache, dropped):
    cgroups(tree, a=(300, 100))
    tree.put("proc/sys/vm/drop_caches", "")
    told = run(tree, "park", *cache, "--timeout", "7000")
    assert told.status == OK and "parked in" in told.out, told.err
    assert content(tree, SYSCTLS + "flush") == "7000 1"
    assert content(tree, SYSCTLS + "pause") == "1"
    assert content(tree, "proc/sys/vm/drop_caches") == dropped
    taken = content(tree, "sys/fs/cgroup/a/memory.reclaim")
    assert taken == (f"{200 * MIB} swappiness=0" if cache in ([], ["--cache", "cold"]) else "")


def test_park_takes_from_each_group_what_is_its_own(tree):
    """And nothing where as much is active: the kernel would take that as well."""
    cgroups(tree, (40, 20), system=(500, 0), system__a=(300, 50), system__b=(100, 150), user=(10, 0))
    assert run(tree, "park", "--quiet").out == ""
    taken = {name: content(tree, f"sys/fs/cgroup/{name}/memory.reclaim")
             for name in ("", "system", "system/a", "system/b", "user")}
    assert taken == {"": "", "system": f"{500 * MIB} swappiness=0",
                     "system/a": f"{250 * MIB} swappiness=0",
                     "system/b": "", "user": f"{10 * MIB} swappiness=0"}


def test_park_where_cold_cache_cannot_be_taken(tree):
    """The rest is done, and the status says that it was not all."""
    told = run(tree, "park")
    assert told.status == PASSED_OVER and "no cgroup2 is mounted" in told.err
    assert content(tree, SYSCTLS + "pause") == "1"


def test_park_twice(tree):
    tree.put(SYSCTLS + "pause", 1)
    told = run(tree, "park")
    assert told.status == PAUSED and told.err.count("\n") == 1
    assert content(tree, SYSCTLS + "flush") == ""


def test_park_on_an_upstream_kernel(tree):
    """What it can is done."""
    cgroups(tree, a=(300, 100))
    tree.upstream()
    tree.put("proc/sys/vm/compact_memory", "")
    told = run(tree, "park")
    assert told.status == UNSUPPORTED and "no flush" in told.err and "wait" in told.err
    assert content(tree, "proc/sys/vm/compact_memory") == "1"
    assert content(tree, "sys/fs/cgroup/a/memory.reclaim")


@pytest.mark.parametrize("arguments, written", [([], ""), (["--resync", "-t", "99"], "99 2")])
def test_unpark(tree, arguments, written):
    tree.put(SYSCTLS + "pause", 1)
    told = run(tree, "unpark", *arguments)
    assert told.status == OK and "goes on" in told.out
    assert content(tree, SYSCTLS + "pause") == "0"
    assert content(tree, SYSCTLS + "flush") == written


def test_unpark_on_an_upstream_kernel(tree):
    tree.upstream()
    assert run(tree, "unpark").status == UNSUPPORTED


# --- trim ------------------------------------------------------------------------


def busy(tree, memory_us=0):
    tree.put("proc/stat", "cpu  100 0 100 9000 0 0 0 0 0 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\n"
             "procs_running 1")
    for what in ("cpu", "memory"):
        tree.put(f"proc/pressure/{what}", f"some avg10=0.00 avg60=0.00 avg300=0.00 total={memory_us}")


def trim(tree, *arguments):
    return run(tree, "trim", "--age", "2", "--count", "24", *arguments)


def test_trim_takes_what_stays_unused(tree):
    """Not before two seconds, of which it looks at the cache every tenth."""
    cgroups(tree, a=(300, 0), b=(0, 20))
    busy(tree)
    young = run(tree, "trim", "--age", "2", "--count", "20")
    assert young.status == OK and content(tree, "sys/fs/cgroup/a/memory.reclaim") == ""
    told = trim(tree)
    assert told.status == OK and not told.err, told.err
    assert "of page cache that was not used for 2 s" in told.out
    assert content(tree, "sys/fs/cgroup/a/memory.reclaim").endswith("swappiness=0")
    assert content(tree, "sys/fs/cgroup/b/memory.reclaim") == ""
    assert content(tree, SYSCTLS + "flush") == "4000 1"
    assert trim(tree, "--quiet").out == ""


@pytest.fixture
def running(tree):
    """running(group, us) has a group use so much CPU time every tenth of a second."""
    ended, threads = threading.Event(), []

    def run_on(name, us):
        path, sum_us = os.path.join(tree.path, f"sys/fs/cgroup/{name}/cpu.stat"), 10 ** 6
        while not ended.wait(0.1):
            sum_us += us
            with open(path + ".new", "w") as f:
                f.write(f"usage_usec {sum_us}\n")
            os.replace(path + ".new", path)

    def start(name, us):
        tree.put(f"sys/fs/cgroup/{name}/cpu.stat", f"usage_usec {10 ** 6}")
        threads.append(threading.Thread(target=run_on, args=(name, us)))
        threads[-1].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("generations, taken", [("0x0006", "acd"), ("0x0007", "a")])
def test_trim_leaves_what_may_be_in_use(tree, running, generations, taken):
    """Mapped files of those who run; with generations all that they can have read."""
    cgroups(tree, a=(300, 0), b=(300, 0), c=(300, 0), d=(300, 0))
    busy(tree)
    tree.put("sys/kernel/mm/lru_gen/enabled", generations)
    for name, file, shared in (("a", 300, 0), ("b", 300, 0), ("c", 0, 0), ("d", 300, 300)):
        path = f"sys/fs/cgroup/{name}/memory.stat"
        tree.put(path, content(tree, path) + f"\nfile_mapped {file * MIB}\nshmem {shared * MIB}")
    for name in "bcd":
        running(name, 2000)
    assert trim(tree).status == OK
    assert "".join(name for name in "abcd"
                   if content(tree, f"sys/fs/cgroup/{name}/memory.reclaim")) == taken


def test_trim_rests_while_parked(tree):
    cgroups(tree, a=(300, 0))
    busy(tree)
    tree.put(SYSCTLS + "pause", 1)
    assert trim(tree).out == "" and content(tree, "sys/fs/cgroup/a/memory.reclaim") == ""


def test_trim_of_what_is_in_no_group(tree):
    """A guest that knows nothing of control groups has all in the root."""
    cgroups(tree, (300, 0))
    busy(tree)
    assert trim(tree).status == OK
    assert content(tree, "sys/fs/cgroup/memory.reclaim").endswith("swappiness=0")


def test_trim_says_what_it_lacks(tree):
    told = trim(tree)
    assert told.status == UNSUPPORTED and "no cgroup2 is mounted" in told.err
    tree.put("proc/self/mounts", "none /sys/fs/cgroup cgroup2 rw 0 0")
    tree.put("sys/fs/cgroup/cgroup.procs", "")
    told = trim(tree)
    assert told.status == UNSUPPORTED and "old cgroup hierarchy" in told.err
    tree.put("sys/fs/cgroup/memory.stat", "anon 4096")
    told = trim(tree)
    assert told.status == UNSUPPORTED and "5.19" in told.err


def test_trim_without_an_engine(tree):
    cgroups(tree, a=(300, 0))
    busy(tree)
    tree.upstream()
    told = trim(tree)
    assert told.status == OK and "no flush" in told.err and "took" in told.out


@pytest.mark.parametrize("arguments, word", [
    (["trim", "--age", "1"], "from 2 to 86400"), (["trim", "--age", "x"], "--age"),
    (["trim", "--cache=all"], "no option -C"), (["park", "--cache=hot"], "cold, all or keep"),
    (["park", "--resync"], "no option -r"), (["unpark", "--age=5"], "no option -a"),
    (["tune", "--age=5"], "no option -a")])
def test_bad_options_of_park_and_trim(tree, arguments, word):
    told = run(tree, *arguments)
    assert told.status == USAGE and told.err.count("\n") == 1 and word in told.err


# --- tune --------------------------------------------------------------------------


def test_tune_leaves_what_was_chosen(tree):
    tree.put("proc/cmdline", "quiet page_reporting.page_reporting_order=9 ro")
    told = run(tree, "tune")
    assert told.status == OK and "stays" in told.out
    assert not run(tree, "tune", "--quiet").out
    assert content(tree, SYSCTLS + "flush") == ""


def test_tune_where_the_host_takes_nothing(tree):
    told = run(tree, "tune")
    assert told.status == FAILED and "too little to tell" in told.err
    assert told.err.count("\n") == 1


def test_tune_with_little_free(tree):
    tree.meminfo(MemFree=31)
    told = run(tree, "tune")
    assert told.status == FAILED and "too little memory is free" in told.err


def test_tune_on_an_upstream_kernel(tree):
    tree.upstream()
    assert run(tree, "tune").status == UNSUPPORTED


# --- watch and doctor -------------------------------------------------------------


def test_watch(tree):
    told = run(tree, "watch", "--interval", "10", "--count", "23")
    lines = told.out.splitlines()
    assert told.status == OK and len(lines) == 25  # a header every 20 lines
    assert re.split(r"  +", lines[1].strip())[1:4] == ["724.0 MiB", "600.0 MiB", "100.0 MiB"]


def test_doctor_is_content(tree):
    told = run(tree, "doctor", "--seconds", "0")
    assert told.status == OK and "ok    free memory is reported to virtio0" in told.out
    assert "ok    the host answers" in told.out and "BAD" not in told.out


@pytest.mark.parametrize("change, word", [
    (lambda tree: tree.put(SYSCTLS + "pause", 1), "paused"),
    (lambda tree: tree.remove("sys/bus/virtio"), "no-device"),
    (lambda tree: tree.device("0x0005", "0"), "not-negotiated"),
    (lambda tree: tree.counter("in_flight_bytes", 4 * MIB), "stall"),
])
def test_doctor_names_the_trouble(tree, change, word):
    change(tree)
    told = run(tree, "doctor", "--seconds", "0")
    assert told.status == FAILED and re.search(rf"^BAD +{word}:", told.out, re.M), told.out


@pytest.mark.parametrize("change, word", [
    (lambda tree: tree.counter("stalls", 2), "stalls"),
    (lambda tree: tree.put(SYSCTLS + "delay_ms", 600000), "delay"),
    (lambda tree: tree.put(SYSCTLS + "delay_ms", 0), "waiting"),
    (lambda tree: tree.counter("last_flush_left_bytes", 3 * MIB), "flush: .*3.0 MiB"),
    (lambda tree: tree.counter("reused_soon", 300), "reuse"),
    (lambda tree: tree.device("0x0005", "000001"), "balloon"),
    (lambda tree: tree.put("proc/buddyinfo", "Node 0, zone DMA32 0 0 0 0 0 0 0 800 0 0 10"),
     "pieces"),
    (lambda tree: tree.put("proc/zoneinfo", ZONEINFO.replace("181504", "0")), "tight"),
    (lambda tree: tree.meminfo(Cached=500), "page cache"),
    (lambda tree: tree.put("sys/module/page_reporting/parameters/page_reporting_order", 0),
     "order"),
    (lambda tree: tree.counter("host_us", 3 * 1024 * 20), "order: the host takes 20 us"),
])
def test_doctor_notes(tree, change, word):
    assert not re.search(rf"^note +{word}", run(tree, "doctor", "-s0").out, re.M)
    change(tree)
    told = run(tree, "doctor", "--seconds", "0")
    assert told.status == OK and re.search(rf"^note +{word}", told.out, re.M), told.out


@pytest.mark.parametrize("counter, word", [
    ("unmovable", "kernel"), ("metadata", "--checkpoint"), ("pinned", "references"),
    ("locked", "I/O"), ("no_target", "no room"), ("raced", "quiet")])
def test_doctor_tells_what_blocks_evacuation(tree, counter, word):
    tree.put("proc/buddyinfo", "Node 0, zone DMA32 0 0 0 0 0 0 0 800 0 0 10")
    assert "blocked" not in run(tree, "doctor", "-s0").out  # it is little
    tree.counter("blocked_bytes", 64 * MIB)
    tree.counter(f"evacuate_left_{counter}", 100)
    told = run(tree, "doctor", "-s0").out
    assert re.search(rf"^note +blocked: 64.0 MiB .*{counter}: .*{word}", told, re.M), told


def stat_of(tree, ticks, policy=1):
    """A task in one of whose names is a parenthesis."""
    fields = ["R", *["0"] * 10, str(ticks), "0", *["0"] * 23, "3", "50", str(policy), "0"]
    tree.put("proc/77/task/78/stat", "78 (spin) 1 (x) " + " ".join(fields))


@pytest.mark.parametrize("policy, ticks, found", [(1, 99, True), (2, 95, True), (0, 99, False),
                                                  (1, 50, False)])
def test_doctor_finds_a_task_that_never_sleeps(tree, policy, ticks, found):
    stat_of(tree, 5000, policy)
    process = subprocess.Popen([TOOL, "doctor", "-s1", "--root", tree.path],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ok")  # it has begun to look
    time.sleep(0.3)
    stat_of(tree, 5000 + ticks, policy)
    told = process.communicate(timeout=30)[0]
    assert ("real-time: task 78 (spin) 1 (x) never sleeps on CPU 3" in told) == found, told


# --- residual -----------------------------------------------------------------------


def assert_sums(told):
    parts = told["parts"]
    assert all(value >= 0 for value in parts.values())
    assert sum(parts.values()) - told["counted_twice_bytes"] == told["held_bytes"]
    assert told["held_bytes"] == told["total_bytes"] - (told["reported_bytes"] or 0)


def test_residual_sums_up(tree):
    told = run(tree, "residual", "--json").json
    assert_sums(told)
    parts = {name: value / MIB for name, value in told["parts"].items() if value}
    assert told["reported_bytes"] == 600 * MIB and told["counted_twice_bytes"] == 0
    assert parts == {
        "anonymous": 60, "shared": 10, "page_cache": 94, "slab": 30, "page_tables": 3,
        "kernel_stacks": 2, "per_cpu_data": 1, "free_too_small": PIECES / MIB,
        "free_per_cpu": 2, "free_not_yet": 724 - 600 - PIECES / MIB,
        "other": 1000 - 724 - 60 - 10 - 94 - 30 - 3 - 2 - 1 - 2}
    text = run(tree, "residual").out
    assert re.search(r"anonymous +60\.0 MiB", text) and "counted twice" not in text
    assert told["blocked_bytes"] == 8 * MIB and re.search(r"of that blocked +8\.0 MiB", text)


def test_residual_tells_what_is_counted_twice(tree):
    tree.meminfo(AnonPages=300)
    told = run(tree, "residual", "--json").json
    assert_sums(told)
    assert told["parts"]["other"] == 0 and told["counted_twice_bytes"] > 0
    assert "counted twice" in run(tree, "residual").out


@pytest.mark.parametrize("features, counted", [("001001", 50), ("000001", 0)])
def test_residual_counts_a_balloon_that_is_in_memtotal(tree, features, counted):
    tree.device("0x0005", features)
    tree.put(f"{DEVICE}/balloon/actual_bytes", 50 * MIB)
    told = run(tree, "residual", "--json").json
    assert_sums(told)
    assert told["parts"]["balloon"] == counted * MIB


@pytest.mark.parametrize("text", ["", "MemTotal: x kB", "MemTotal: 5 kB\nMemFree: 9 kB\n"])
def test_residual_without_meminfo(tree, text):
    tree.put("proc/meminfo", text)
    told = run(tree, "residual")
    assert told.status == FAILED and told.err.count("\n") == 1 and not told.out


# --- other kernels ---------------------------------------------------------------------


def test_upstream(tree):
    tree.upstream()
    for command in (["status"], ["flush"], ["watch", "-n1"], ["doctor"]):
        told = run(tree, *command)
        assert told.status == UNSUPPORTED, command
        assert "no flush" in told.err + told.out, command
    told = run(tree, "status", "--json").json
    assert told["engine"] == "upstream" and told["device"]["features"]["free-page-reporting"]
    assert told["knobs"]["granule_bytes"] == 2 * MIB and told["knobs"]["delay_ms"] is None
    assert "counters" not in told
    text = run(tree, "status").out
    assert "700.0 MiB of 724.0 MiB that are free are in whole granules" in text
    assert "does not tell how much of that the host has" in text
    assert re.search("^delay +not a setting of this kernel$", text, re.M)
    tree.put("sys/module/page_reporting/parameters/page_reporting_delay_ms", 250)
    assert re.search("^delay +250 ms$", run(tree, "status").out, re.M)
    line = run(tree, "watch", "-n1").out.splitlines()[1]
    assert re.split(r"  +", line.strip())[1:5] == ["724.0 MiB", "?", "?", "29.0 MiB"]
    told = run(tree, "residual", "--json")
    assert told.status == OK and told.json["reported_bytes"] is None
    assert_sums(told.json)
    assert "does not tell" in run(tree, "residual").out
    tree.put("proc/buddyinfo", "Node 0, zone DMA32 0 0 0 0 0 0 0 800 0 0 10")
    told = run(tree, "doctor", "-s0")
    assert told.status == UNSUPPORTED and "vm.compact_memory=1" in told.out


def test_a_kernel_without_reporting(tree):
    tree.upstream()
    tree.remove("sys/module")
    assert set(codes(tree)) == {"no-support"}
    assert "no free page reporting" in run(tree, "flush").err


def test_nothing_at_all(tmp_path):
    tree = Tree(tmp_path / "full")
    tree.path = str(tmp_path / "none")
    for command, status in (("status", UNSUPPORTED), ("flush", UNSUPPORTED),
                            ("watch", UNSUPPORTED), ("doctor", UNSUPPORTED),
                            ("residual", FAILED), ("metrics", OK)):
        told = run(tree, command)
        assert told.status == status and (told.err or told.out), command


# --- nonsense -----------------------------------------------------------------------------

GARBAGE = [b"", b"\n", b"garbage\n", b"-1\n", b"18446744073709551615\n",
           b"18446744073709551616\n", b"99999999999999999999999999\n", b"\0\0\0\0", b"0x10\n",
           b"1 2 3\n", b"\xff\xfe" * 40, b"9" * 100000, b"%s%n%d\n"]


def files(tree):
    return sorted(os.path.relpath(os.path.join(directory, name), tree.path)
                  for directory, _, names in os.walk(tree.path) for name in names
                  if not os.path.islink(os.path.join(directory, name)))


def kinds(tree):
    """Files of each kind: of the counters, which are read alike, those that decide something."""
    deciding = ("reported_bytes", "dirty_bytes", "in_flight_bytes", "reused_soon", "blocked_bytes")
    return [name for name in files(tree)
            if not name.startswith(COUNTERS) or name.endswith(tuple(f"/{n}" for n in deciding))]


def run_all(tree):
    for command in (["status"], ["status", "--json"], ["residual"], ["residual", "--json"],
                    ["doctor", "-s0"], ["watch", "-n1"], ["metrics"]):
        told = run(tree, *command)
        assert told.status in (OK, FAILED, UNSUPPORTED), command
        if "--json" in command and told.out:
            if "parts" in told.json:
                assert_sums(told.json)


@pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_everywhere(tree, content):
    for name in files(tree):
        tree.put(name, content)
    run_all(tree)


@pytest.mark.parametrize("content", [b"garbage\n", b"18446744073709551615\n"],
                         ids=("garbage", "huge"))
def test_garbage_in_one_file(tmp_path, content):
    for number, name in enumerate(kinds(Tree(tmp_path / "pattern"))):
        tree = Tree(tmp_path / str(number))
        tree.put(name, content)
        run_all(tree)


def test_each_file_missing(tmp_path):
    for number, name in enumerate(kinds(Tree(tmp_path / "pattern"))):
        tree = Tree(tmp_path / str(number))
        tree.remove(name)
        run_all(tree)


def test_huge_numbers_in_tables(tree):
    huge = 2**64 - 1
    tree.put("proc/meminfo", f"MemTotal: {huge} kB\nMemFree: {huge} kB\nCached: {huge} kB\n"
                             f"AnonPages: {huge} kB\nBuffers: {huge}")
    tree.put("proc/buddyinfo", "Node 0, zone DMA32" + f" {huge}" * 11)
    tree.put("proc/zoneinfo", f"Node 0, zone DMA32\n pages free {huge}\n high {huge}\n"
                              f" count: {huge}\n count: {huge}\n nr_free_cma {huge}\n")
    run_all(tree)
    assert run(tree, "residual").status == FAILED
    tree.meminfo(MemTotal=1 << 36, MemFree=1 << 35, AnonPages=2**53, Cached=2**53)
    assert_sums(run(tree, "residual", "--json").json)


def test_many_zones(tree):
    tree.put("proc/buddyinfo", "".join(f"Node {n}, zone Normal 1 0 0 0 0 0 0 0 0 1\n"
                                       for n in range(400)))
    assert run(tree, "residual").status == OK


def test_a_counter_of_2_64_less_1(tree):
    tree.counter("reported_bytes", 2**64 - 1)
    told = run(tree, "status", "--json").json
    assert told["counters"]["reported_bytes"] == 2**64 - 1 and told["waiting_bytes"] == 0
    assert re.search(r"reported_bytes +16\.0 EiB", run(tree, "status").out)


def test_a_counter_that_cannot_be_read(tree):
    tree.counter("requests", "garbage")
    assert run(tree, "status", "--json").json["counters"]["requests"] is None
    assert re.search(r"  requests +\?", run(tree, "status").out)


# --- usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ["dance"], ["status", "flush"], ["flush", "--json"], ["status", "-t", "5"],
    ["watch", "--interval", "0"], ["doctor", "--seconds", "x"], ["--bad-option"], ["-Z"],
    ["flush", "--timeout"], ["status", "--json=1"], ["status", "-ck"], ["--", "flush", "watch"]])
def test_bad_usage(tree, arguments):
    told = run(tree, *arguments)
    assert told.status == USAGE and told.err and not told.out


def test_no_command():
    told = Result(subprocess.run([TOOL], capture_output=True, text=True, check=False))
    assert told.status == USAGE and told.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--help", "-h", "-?", "--version", "-V", "--he"])
def test_help(option):
    told = Result(subprocess.run([TOOL, option], capture_output=True, text=True, check=False))
    assert told.status == 0 and "page-reporting" in told.out


def test_full_disk(tree):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, "status", "--root", tree.path], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == FAILED and "cannot write" in done.stderr

"""The arithmetic and the parsers of tools/vm, without a guest."""

import os
import subprocess

import pytest

import cpio
import dmesg
import memcg
import paths
import sampler
import small_host
from discards import Discard, DiscardLog, total
from guest import GIB, MIB, Guest

UNIT = 2 * MIB


def series(*charges, period=1.0):
    return [sampler.Sample(100 + n * period, charge * MIB, 0, 0)
            for n, charge in enumerate(charges)]


def test_time_to_fall():
    samples = series(1000, 1000, 800, 400, 60, 60)
    assert sampler.time_to_fall(samples, 101, 1000 * MIB, 0, 0.50) == 2
    assert sampler.time_to_fall(samples, 101, 1000 * MIB, 0, 0.90) == 3
    assert sampler.time_to_fall(samples, 101, 1000 * MIB, 0, 0.95) is None


def test_time_to_fall_counts_only_what_lasts():
    samples = series(1000, 0, 1000, 0, 0)
    assert sampler.time_to_fall(samples, 100, 1000 * MIB, 0, 0.95) == 3


def test_footprint():
    assert sampler.footprint(series(10, 10, 10)) == 20 * MIB
    assert sampler.footprint(series(0, 10)) == 5 * MIB


@pytest.mark.parametrize("event", [
    "77@1700000000.250000:ram_block_discard_range",
    "2023-11-14T22:13:20.250000Z ram_block_discard_shared_range"], ids=("qemu7", "qemu11"))
def test_discards_are_parsed_as_they_come(tmp_path, event):
    log = tmp_path / "trace.log"
    line = (f"{event} pc.ram@0x7f0000200000 + 0x400000: "
            "madvise: 1 fallocate: 0 ret: {}\n")
    log.write_text(line.format(0) + "77@1700000001.0:virtio_notify vdev 0x1\n")
    discards = DiscardLog(str(log), {"pc.ram": 0x7F0000000000}.get)
    first, = discards.all()
    assert first == (1700000000.25, "pc.ram", 2 * MIB, 4 * MIB, 0)
    half = line.format(-22)
    with open(log, "a") as f:
        f.write(half[:40])
    assert len(discards.all()) == 1
    with open(log, "a") as f:
        f.write(half[40:])
    assert [d.result for d in discards.all()] == [0, -22]
    assert total(discards.since(1700000000)) == 8 * MIB
    assert discards.other_events() == ["77@1700000001.0:virtio_notify vdev 0x1"]


@pytest.mark.parametrize("line", [
    "WARNING: CPU: 1 PID: 7 at mm/page_alloc.c:1",
    "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2",
    "BUG: sleeping function called from invalid context at mm/x.c:1",
    "WARNING: possible circular locking dependency detected",
    "INFO: task kworker/0:1:7 blocked for more than 120 seconds.",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
    "BUG: Bad page state in process hold  pfn:12345",
    "page_owner: page allocation failure: order:0",
    "list_add corruption. next->prev should be prev",
    "ODEBUG: free active (active state 0) object",
    "Out of memory: Killed process 7 (hold)",
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
])
def test_bad_kernel_messages(line):
    log = f"[    1.0] all is well\n[    2.0] {line}\n[    3.0] PM: suspend exit\n"
    assert dmesg.bad_lines(log) == [f"[    2.0] {line}"]
    assert not dmesg.bad_lines(log, [r"^\[    2"])


def test_good_kernel_messages():
    assert not dmesg.bad_lines("""[    0.1] Spectre V2 : Kernel not compiled with retpoline
[    0.2] Warning: unable to open an initial console.
[    0.3] calibrate_delay_direct() dropping min bogoMips estimate 1 = 5
[    0.4] virtio_balloon virtio0: Out of puff! Can't get 1 pages
""")


def members(data):
    listing = subprocess.run(["cpio", "-itv"], input=data, check=True,
                             capture_output=True).stdout.decode()
    return {row.split()[-1]: row.split()[0] for row in listing.splitlines()}


def test_cpio_is_reproducible_and_complete(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o750)

    def archive(order):
        made = cpio.Archive()
        for step in order:
            step(made)
        return made.pack()

    steps = [lambda a: a.file("etc/b", b"12345"), lambda a: a.symlink("bin/sh", "busybox"),
             lambda a: a.char_device("dev/null", 1, 3, 0o666),
             lambda a: a.copy(str(tool), "bin/tool")]
    data = archive(steps)
    os.utime(tool, (1, 1))
    assert data == archive(steps[::-1])
    assert {name: mode for name, mode in members(data).items() if name != "busybox"} == {
        "bin": "drwxr-xr-x", "bin/tool": "-rwxr-x---", "dev": "drwxr-xr-x",
        "dev/null": "crw-rw-rw-", "etc": "drwxr-xr-x", "etc/b": "-rw-r--r--"}


def test_cgroup_of_its_own():
    """Memory of a process in the group is charged to it, and the group goes away."""
    group = memcg.MemoryCgroup("test")
    try:
        holder = subprocess.Popen(
            memcg.joining(group.procs, "python3", "-c",
                          "import sys; b = bytearray(b'x') * (64 << 20); print(len(b), flush=True);"
                          " sys.stdin.read()"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        assert 64 * MIB <= group.charge() < 128 * MIB
        holder.communicate()
    finally:
        group.remove()
    assert not os.path.exists(group.path)


def test_cgroup_of_several_is_a_small_host():
    """Its parts are charged to it, it has a limit, and says what was killed."""
    small_host.check()


@pytest.mark.parametrize("failed, status, last", [
    (["tests/vm/test_x.py::test_y[overlay]"], 0, "3 passed, 0 failed"),
    (["tests/vm/test_x.py::test_y[overlay]::case one", "build::overlay-7.3"], 1,
     "2 passed, 2 failed"),
    (["tests/vm/test_broken.py"], 1, "2 passed, 1 failed"),
    ([], 0, "2 passed, 0 failed"),
])
def test_second_chance_is_for_tests_only(tmp_path, failed, status, last):
    """A kernel that does not build is not forgotten when a test passes in the end."""
    listed = "\n".join(["", "failed:", *(f"  {name}" for name in failed), "more in a log"])
    for path, text in ((".ci/run", open(os.path.join(paths.TOP, ".ci", "run")).read()),
                       ("bin/make", f"#!/bin/sh\ncat <<'END'\n{listed if failed else ''}\n"
                        f"2 passed, {len(failed)} failed\nEND\nexit {min(1, len(failed))}\n"),
                       ("tests/run", "#!/bin/sh\necho 1 passed, 0 failed\n")):
        place = tmp_path / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout.splitlines()[-1]) == (status, last), done.stdout


def test_setup_is_content_or_says_what_is_missing():
    setup = os.path.join(paths.TOOLS, "setup")
    done = subprocess.run([setup, "--dry-run"], capture_output=True, text=True)
    assert done.returncode == 0 and (not done.stdout or "missing Debian packages" in done.stdout)
    wrong = subprocess.run([setup, "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, words", [
    (["--kernel", "none"], "invalid choice"),
    (["--mem", "much"], "not a size"),
    (["--mem", "512M", "--fill", "1200M"], "too small for --fill"),
    (["--fill", "1M"], "too small to measure"),
    (["--sysctl", "rm -rf"], "not NAME=VALUE"),
    (["--nonsense"], "unrecognized"),
])
def test_run_refuses_wrong_use_in_one_line(arguments, words):
    done = subprocess.run([os.path.join(paths.TOOLS, "run"), *arguments], capture_output=True,
                          text=True)
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("machine, numa, block, offset, address", [
    ("q35", None, "pc.ram", 2 * GIB - UNIT, 2 * GIB - UNIT),
    ("q35", None, "pc.ram", 2 * GIB, 4 * GIB),
    ("pc", None, "pc.ram", 2 * GIB, 2 * GIB),
    ("pc", None, "pc.ram", 3 * GIB, 4 * GIB),
    ("microvm,acpi=off", None, "microvm.ram", 3 * GIB + UNIT, 4 * GIB + UNIT),
    ("q35", [2304, 2304], "ram0", 2 * GIB + UNIT, 4 * GIB + UNIT),
    ("q35", [2304, 2304], "ram1", UNIT, 4 * GIB + 256 * MIB + UNIT),
    ("pc", [2304, 2304], "ram1", 768 * MIB, 4 * GIB)])
def test_the_hole_below_4_gib_is_where_the_machine_has_it(machine, numa, block, offset, address):
    guest = Guest(memory=4608, machine=machine, numa=numa, smp=2)
    assert guest.physical(Discard(0, block, offset, UNIT, 0)) == address


def test_little_memory_has_no_hole():
    assert Guest(memory=2560).physical(Discard(0, "pc.ram", 2 * GIB, UNIT, 0)) == 2 * GIB

"""Memory in use keeps its contents while free memory beside it is taken away."""

import shlex
import signal
import time

import pytest

from discards import total
from guest import MIB

VM = "/proc/sys/vm/"
DELAY = "/proc/sys/vm/page_reporting_delay_ms"
ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")


def keep_patterns(guest, mib, seconds):
    """Patterns must survive, and there must have been something to survive."""
    mib //= guest.patience  # a debug kernel's pages take so long to come and go
    # Whole units seldom come about in as little as that.
    wanted = 200 * MIB if guest.kernel != "debug" else 0
    start = time.time()
    job = guest.spawn(f"exec patterns --mib {mib} --seconds 0 --jobs 2 --quiet-ms 200")
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
@KERNELS
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

"""Every allocation that driver and engine make fails once: nothing crashes, nothing is lost."""

import re

import pytest

from guest import MIB
from test_balloon import resize
from test_hotplug import blocks, dimm_address

DRIVER = "/sys/bus/virtio/drivers/virtio_balloon"
DEBUGFS = "/sys/kernel/debug"
KINDS = ("failslab", "fail_page_alloc")

pytestmark = [pytest.mark.long, pytest.mark.kernels("debug"), pytest.mark.fresh,
              pytest.mark.machine(memory=1024, cmdline="kmemleak=on",
                                  max_memory=2048,
                                  balloon="free-page-reporting=on,deflate-on-oom=on,"
                                          "free-page-hint=on")]


@pytest.fixture
def faults(guest):
    """Faults can be injected, silently, into allocations that may sleep as well."""
    guest.sh(f"mount -t debugfs none {DEBUGFS} 2>/dev/null || :")
    for kind in KINDS:
        guest.write(f"{DEBUGFS}/{kind}/ignore-gfp-wait", "N")
        guest.write(f"{DEBUGFS}/{kind}/verbose", 0)
    guest.write(f"{DEBUGFS}/fail_page_alloc/min-order", 0)
    guest.write(f"{DEBUGFS}/kmemleak", "clear")
    yield guest
    # An object is a leak only if it is still one at the next scan.
    for _ in range(2):
        guest.write(f"{DEBUGFS}/kmemleak", "scan", 120)
    leaks = guest.read(f"{DEBUGFS}/kmemleak")
    assert not any(word in leaks for word in ("virtballoon", "vb_", "page_reporting", "fpr_")), leaks


def test_probe(faults):
    """The n-th allocation of a probe fails, for every n."""
    guest = faults
    device = guest.sh(f"cd {DRIVER} && echo virtio*").split()[0]
    output = guest.sh(f"""
        failed=0 n=1
        while :; do
            echo {device} >{DRIVER}/unbind
            left=$(sh -c 'echo '$n' >/proc/self/fail-nth
                          echo {device} >{DRIVER}/bind
                          read left </proc/self/fail-nth; echo $left' 2>/dev/null)
            [ -e {DRIVER}/{device} ] || {{ failed=$((failed + 1)); echo {device} >{DRIVER}/bind; }}
            [ -e {DRIVER}/{device} ] || {{ echo "no driver after $n" >&2; exit 1; }}
            [ "$left" = 0 ] || [ -z "$left" ] || break
            n=$((n + 1))
            [ $n -lt 2000 ] || {{ echo "no end of allocations" >&2; exit 1; }}
        done
        echo $n $failed
        """, 600)
    tried, failed = (int(word) for word in output.split()[-2:])
    print(f"{tried} allocations, {failed} probes failed")
    assert failed > 20
    resize(guest, 700, 60)
    resize(guest, 1024, 60)


# $write is a file and $value what goes there, $check says whether that was done; what fails is
# done again without faults.  Prints how many allocations failed and how many writes.
NTH = """
    failed=0 n=1
    while :; do
        left=$(sh -c 'echo '$n' >/proc/self/fail-nth
                      echo {value} >{path}
                      read left </proc/self/fail-nth; echo $left' 2>/dev/null)
        {check} || {{ failed=$((failed + 1)); {again}; }}
        {check} || {{ echo "not done after $n" >&2; exit 1; }}
        {undo}
        [ "$left" = 0 ] || [ -z "$left" ] || break
        n=$((n + 1))
        [ $n -lt 2000 ] || {{ echo "no end of allocations" >&2; exit 1; }}
    done
    echo $n $failed
"""


def fail_each(guest, path, value, check, undo):
    """Returns how many allocations a write makes, and how many writes failed."""
    output = guest.sh(NTH.format(path=path, value=value, check=check, undo=undo,
                                 again=f"echo {value} >{path}"), 600)
    return tuple(int(word) for word in output.split()[-2:])


def test_order(faults):
    """A new map cannot be had: the old one stays, and reports go on."""
    path = "/proc/sys/vm/page_reporting_order"
    tried, failed = fail_each(faults, path, 4, f"[ $(cat {path}) = 4 ]", f"echo 9 >{path}")
    print(f"{tried} allocations, {failed} writes failed")
    assert failed > 5
    faults.write("/proc/sys/vm/page_reporting_flush", 60000, 90)


# What the page allocator says of vmalloc(), to its call trace.
VMALLOC = re.compile(r"vmalloc error: .*\n(?:.*\n){,4}.*Call Trace:")


def test_plugged_memory(faults, allow_dmesg):
    """Without a table for it memory works; it is reported once there is one.

    KASAN wants memory for it, too, and the kernel's log has that it got none.
    """
    guest = faults
    allow_dmesg.append("Call Trace")
    mark = guest.console_mark()
    dimm = guest.add_dimm(128 * MIB)
    part, = blocks(guest, dimm_address(guest, dimm), 128 * MIB)
    guest.wait_for(lambda: guest.exists(part), 30, "the guest sees it")
    tried, failed = fail_each(guest, f"{part}/state", "online_movable",
                              f"[ $(cat {part}/state) = online ]", f"echo offline >{part}/state")
    print(f"{tried} allocations, {failed} writes failed")
    assert tried > 5
    guest.write(f"{part}/state", "online_movable")
    guest.write("/proc/sys/vm/page_reporting_flush", 60000, 90)
    log = guest.console(mark)
    assert log.count("Call Trace:") == len(VMALLOC.findall(log))


@pytest.mark.parametrize("words", ["20000", "20000 1", "20000 3"])
def test_flush(faults, words):
    """What a flush allocates by itself may fail; the next one reports all."""
    guest = faults
    job = guest.spawn("exec fragment --mib 200", 300)
    guest.wait_for(lambda: "fragmented" in job.output, 60, "memory is fragmented")
    for kind in KINDS:
        guest.write(f"{DEBUGFS}/{kind}/task-filter", "Y")
        guest.write(f"{DEBUGFS}/{kind}/probability", 50)
        guest.write(f"{DEBUGFS}/{kind}/times", -1)
    guest.sh("for comm in /proc/[0-9]*/comm; do case $(cat $comm 2>/dev/null) in kworker*)"
             " echo 1 >${comm%comm}make-it-fail 2>/dev/null;; esac; done; :")
    for _ in range(5):
        guest.spawn(f"echo '{words}' >/proc/sys/vm/page_reporting_flush 2>/dev/null", 60).wait()
    for kind in KINDS:
        guest.write(f"{DEBUGFS}/{kind}/probability", 0)
    guest.write("/proc/sys/vm/page_reporting_flush", "'60000 1'", 90)


def test_work(faults):
    """A third of what the kernel's workers allocate fails while the balloon works."""
    guest = faults
    for kind in KINDS:
        guest.write(f"{DEBUGFS}/{kind}/task-filter", "Y")
        guest.write(f"{DEBUGFS}/{kind}/probability", 33)
        guest.write(f"{DEBUGFS}/{kind}/times", -1)
    workers = ("for comm in /proc/[0-9]*/comm; do case $(cat $comm 2>/dev/null) in kworker*)"
               " echo %d >${comm%%comm}make-it-fail 2>/dev/null;; esac; done; :")
    guest.sh(workers % 1)
    guest.poll_stats(1)
    for size in (800, 600, 900, 500):
        guest.set_balloon(size * MIB)
        job = guest.spawn("exec hold --mib 150")
        guest.wait_for(lambda job=job: "holding" in job.output or not job.running, 60, "held")
        job.kill()
        guest.sh(workers % 1)
    guest.sh("echo 1 >/proc/sys/vm/compact_memory", 120)
    for kind in KINDS:
        guest.write(f"{DEBUGFS}/{kind}/probability", 0)
    resize(guest, 1024, 120)
    assert guest.vmstat()["oom_kill"] == 0

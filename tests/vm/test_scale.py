"""A guest of 256 GiB, most of which its host never has to find: what it costs, beside 64 GiB.

The guest's clock counts instructions and leaps where the guest idles, so a figure is the
same whatever the host does.  How long a lock is held in such a guest is a row of the
benchmark (lockhold), because it takes a kernel of its own.
"""

import os
import re
import signal

import pytest

from guest import MIB, Guest
from test_matrix import host_has

pytestmark = [pytest.mark.long, pytest.mark.kernels("overlay")]

# MiB of the QEMU of 256 GiB: the guest's struct pages, 64 bytes each, and all else.
NEEDS = 6 * 1024
# Nobody asks whether the host could hold it all.
SPARSE = "memory-backend-ram,reserve=off"
DRIVER = "/sys/bus/virtio/drivers/virtio_balloon"
COUNTERS = "/sys/kernel/mm/page_reporting"
TRACING = "/sys/kernel/tracing"

# Its driver lets go of the device and takes it again: a new map, and all memory to report.
# The first word of what is traced is the task, the call's site is the function that asks.
FIRST_PASS = rf"""
ran() {{ awk '/^cpu/ {{ ns += $8 }} END {{ printf "%.0f", ns }}' /proc/schedstat; }}
device=$(basename {DRIVER}/virtio*)
echo 0 >/proc/sys/vm/page_reporting_evacuate
sleep 60
echo $device >{DRIVER}/unbind
cd {TRACING}
echo 16384 >buffer_size_kb
echo >trace
echo 1 >events/kmem/kmalloc/enable
a=$(ran)
echo $device >{DRIVER}/bind
echo 0 >tracing_on
sleep 60
b=$(ran)
echo first_ns=$((b - a))
echo reported=$(cat {COUNTERS}/reported_bytes)
echo 0 >events/kmem/kmalloc/enable
awk '/ kmalloc: / {{
	match($0, /call_site=[^+]*/); site = substr($0, RSTART + 10, RLENGTH - 10)
	match($0, /bytes_alloc=[0-9]*/); bytes[site] += substr($0, RSTART + 12, RLENGTH - 12)
}} END {{ for (site in bytes) print "site", site, bytes[site] }}' trace
"""
# Evacuation has looked at all memory by then.
IDLE = rf"""
ran() {{ awk '/^cpu/ {{ ns += $8 }} END {{ printf "%.0f", ns }}' /proc/schedstat; }}
echo 1 >/proc/sys/vm/page_reporting_evacuate
sleep 1800
a=$(ran); c=$(cat {COUNTERS}/evacuate_cpu_us)
sleep 600
b=$(ran); d=$(cat {COUNTERS}/evacuate_cpu_us)
echo idle_ns=$((b - a))
echo evacuation_us=$((d - c))
"""
# What builds the map, and what it allocates with.
SITES = re.compile(r"^site (?:map_\w+|table_\w+|fpr_\w+|bitmap_z?alloc\w*|__kv?malloc_node\w*) (\d+)$",
                   re.M)


@pytest.fixture
def large(kernel):
    """large(GiB, CPUs, ...) starts a guest, if the host can."""
    guests = []

    def start(gib, smp, **options):
        if host_has() < NEEDS:
            pytest.skip(f"left out: the host has no {NEEDS} MiB to spare")
        guest = Guest(kernel, name=f"test-scale-{gib}-{smp}", memory=gib * 1024, smp=smp,
                      backend=SPARSE, **options)
        guests.append(guest)
        return guest.start(600)

    yield start
    bad = [line for guest in guests for line in guest.bad_dmesg()]
    for guest in guests:
        guest.stop()
    assert not bad, bad[0]


def number(output, name):
    return int(re.search(rf"^{name}=(\d+)$", output, re.M)[1])


def costs(large, gib):
    guest = large(gib, 1, icount="shift=0,sleep=off")
    first = guest.spawn(FIRST_PASS).check(900)
    idle = guest.spawn(IDLE).check(900)
    found = {
        "memory": guest.meminfo()["MemTotal"], "reported": number(first, "reported"),
        "map": sum(int(size) for size in SITES.findall(first)),
        "first": number(first, "first_ns") / 1e9,
        "idle": number(idle, "idle_ns") / 1e9 / 10,
        "evacuation": number(idle, "evacuation_us") / 1e6 / 10,
    }
    with open(os.path.join(guest.log_dir, "figures"), "w") as f:
        f.write(f"{gib} GiB: {found}\n{first}{idle}")
    guest.stop()
    return found


def test_what_256_gib_cost(large):
    """Seconds are of CPU time, 1 ns an instruction; an idle minute is a tenth of ten."""
    less, more = costs(large, 64), costs(large, 256)
    for gib, found in ((64, less), (256, more)):
        assert found["reported"] > 0.97 * found["memory"]
        # A record of 4 bytes and a bit for each 2 MiB would be 2112 bytes.
        assert 2112 * gib <= found["map"] <= 4096 * gib
    assert more["first"] <= 5
    assert more["first"] / less["first"] <= 4.2
    assert more["idle"] <= 1.1 * less["idle"]


def test_256_gib_and_64_cpus(large, kernel):
    """They boot, run, and return what a job freed."""
    guest = large(256, 64)
    guest.wait_for(lambda: guest.read_int(f"{COUNTERS}/reported_bytes")
                   > 0.97 * guest.meminfo()["MemFree"], 600, "all that is free is reported")
    job = guest.spawn("exec hold --huge --mib 2048", 600)
    guest.wait_for(lambda: "holding" in job.output, 300, "memory is held")
    high = guest.charge()
    job.kill(signal.SIGTERM)
    guest.wait_for(lambda: high - guest.charge() > 0.95 * 2048 * MIB, 120, "it comes back")

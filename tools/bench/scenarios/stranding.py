"""Every other piece of memory is freed: what does the host still pay for half a minute later?"""

import os
import signal
import subprocess
import time

import memorymap
import paths
import workload
from framework import COMPACTED, ORDER_0, ORDER_4, AtMost, Row, Scenario
from guest import HostError
from workload import GIB, MIB

FILL = 1000  # MiB, half of which is freed
WATCH = 30  # seconds


class Stranding(Scenario):
    """fill(guest) fills memory and returns a function that frees every other piece."""

    memory = 2048
    patient = True
    repetitions = 2
    others = (COMPACTED, ORDER_4, ORDER_0)

    def __init__(self, name, title, fill, quick=0, drive=False):
        self.name, self.title = name, title
        self.quick_repetitions = quick
        self._fill, self._drive = fill, drive
        self.rows = (
            Row("charged", f"of 500 MiB freed still charged after {WATCH} s", "MiB", AtMost(75),
                at_best=1 / 20),
            Row("rss", "of it still in QEMU's RSS", "MiB"),
            Row("moved", "pages moved", "pages", AtMost(62000)),
            Row("faults", "QEMU's minor faults", ""),
        )

    def run(self, setup, quick):
        machine = {"memory": self.memory}
        if self._drive:
            machine["drives"] = [(scratch_image(self.guest_name(setup)), "cache=unsafe")]
        with workload.start(self, setup, **machine) as guest:
            workload.quiet(guest)
            free_half = self._fill(guest)
            workload.quiet(guest)
            maps = {"filled": memorymap.look(guest)}
            use, moved = in_use(guest), guest.vmstat()["pgmigrate_success"]
            faults = guest.minor_faults()
            before = guest.samples()[-1]
            free_half()
            freed_at = time.time()
            freed = use - in_use(guest)
            if setup.compact:
                guest.write("/proc/sys/vm/compact_memory", 1)
            time.sleep(max(0, freed_at + WATCH - time.time()))
            after = guest.samples()[-1]
            moved_after, faults_after = guest.vmstat()["pgmigrate_success"], guest.minor_faults()
            maps[f"half freed, {WATCH} s later"] = memorymap.look(guest)
            workload.assert_healthy(guest)
            return {
                "charged": (freed - (before.charge - after.charge)) / MIB,
                "rss": (freed - (before.rss - after.rss)) / MIB,
                "moved": moved_after - moved,
                "faults": faults_after - faults,
                "freed_mib": freed / MIB,
                "maps": maps,
                "series": workload.lines(guest, freed_at - 3, zero=freed_at),
            }


def in_use(guest):
    meminfo = guest.meminfo()
    return meminfo["AnonPages"] + meminfo["Cached"]


def scratch_image(name):
    """An empty ext4 file system in a sparse file."""
    image = os.path.join(paths.made_dir(paths.BUILD, "bench", "scratch"), f"{name}.img")
    with open(image, "wb") as f:
        f.truncate(2 * GIB)
    try:
        done = subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", image],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HostError("no mkfs.ext4: run tools/vm/setup bench") from error
    if done.returncode:
        raise HostError(f"mkfs.ext4: {done.stderr.strip()}")
    return image


def files(guest, mount):
    guest.sh(f"mkdir -p /mnt/bench && {mount} /mnt/bench")
    # What is not written back yet could not be moved.
    guest.sh(f"files --dir /mnt/bench --count {FILL} --kib 1024 && sync", 300)

    def free_half():
        guest.sh(f"files --dir /mnt/bench --count {FILL} --remove", 120)

    return free_half


def on_tmpfs(guest):
    return files(guest, "mount -t tmpfs -o size=1200m bench")


def on_ext4(guest):
    return files(guest, "mount -t ext4 /dev/vda")


def fragmented(options):
    def fill(guest):
        job = guest.spawn(f"exec fragment --wait --mib {FILL} {options}")
        workload.wait_output(guest, job, "filled")

        def free_half():
            job.kill(signal.SIGTERM)
            workload.wait_output(guest, job, "fragmented")

        return free_half

    return fill


SCENARIOS = [
    Stranding("stranding-tmpfs", "Every other 1 MiB file of a 1000 MiB tmpfs removed",
              on_tmpfs, quick=1),
    Stranding("stranding-anon", "Every other MiB of 1000 MiB of anonymous memory freed",
              fragmented("--anon")),
    Stranding("stranding-ext4", "Every other 1 MiB file of 1000 MiB of page cache removed",
              on_ext4, drive=True),
    Stranding("stranding-64k", "Every other 64 KiB of 1000 MiB of shared memory freed",
              fragmented("--piece 64")),
]

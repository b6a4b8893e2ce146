"""The classic balloon: what it costs a guest that needs its memory back, or has cache."""

import time

import workload
from framework import AtMost, Ratio, Row, Scenario
from scenarios.stranding import scratch_image
from workload import MIB

LENT = "free-page-reporting=off,deflate-on-oom=on"
PARAMETERS = "/sys/module/virtio_balloon/parameters/"
SMALL = 124  # MiB, of 1024
HEAP = 800


def resize(guest, mib, timeout=120):
    """Seconds until the guest has the size."""
    begun = time.monotonic()
    guest.set_balloon(mib * MIB)
    guest.wait_for(lambda: guest.balloon_actual() == mib * MIB, timeout, f"{mib} MiB")
    return time.monotonic() - begun


def squeeze(guest, mib):
    """Asks for a size that may be less than the guest can do without; it does its best."""
    guest.set_balloon(mib * MIB)
    seen = [(guest.balloon_actual(), time.monotonic())]

    def settled():
        size = guest.balloon_actual()
        if size != seen[-1][0]:
            seen.append((size, time.monotonic()))
        return size == mib * MIB or (size < 2 * mib * MIB and time.monotonic() - seen[-1][1] > 3)

    guest.wait_for(settled, 120, f"about {mib} MiB")


def stalls(guest):
    return sum(count for name, count in guest.vmstat().items() if name.startswith("allocstall"))


def heap(guest):
    """Seconds to fill a heap, and how often an allocation stalled for it."""
    before, begun = stalls(guest), time.monotonic()
    with workload.held(guest, HEAP):
        seconds = time.monotonic() - begun
    return seconds, stalls(guest) - before


class Heap(Scenario):
    name = "heap"
    title = f"A heap of {HEAP} MiB in a guest of 1024 MiB whose balloon leaves it {SMALL}"
    quick_repetitions = 0
    rows = (
        Row("slowdown", "time with the balloon / without; ours in mode pressure", "",
            AtMost(1.3)),
        Row("slowdown_oom", "the same, ours in mode oom", "", AtMost(1.3)),
        Row("stalls", "allocation stalls; ours in mode pressure", "", Ratio(0.1)),
        Row("stalls_oom", "the same, ours in mode oom", "", Ratio(0.1)),
        Row("seconds", "time without a balloon (wall)", "s"),
    )

    def run(self, setup, quick):
        measures = {}
        with workload.start(self, setup, memory=1024, balloon=LENT) as guest:
            # The first time, as with the balloon, the host has to back the memory anew.
            plain, _ = heap(guest)
            measures["seconds"] = plain
            for mode, suffix in (("pressure", ""), ("oom", "_oom")):
                if guest.exists(PARAMETERS + "relief"):
                    guest.write(PARAMETERS + "relief", mode)
                    guest.write(PARAMETERS + "holdoff_ms", 3000)
                squeeze(guest, SMALL)
                seconds, stalled = heap(guest)
                measures["slowdown" + suffix] = seconds / plain
                measures["stalls" + suffix] = stalled
                guest.set_balloon(1024 * MIB)
                guest.wait_for(lambda: guest.balloon_actual() == 1024 * MIB, 120, "all of it")
            workload.assert_healthy(guest)
        return measures


class Cache(Scenario):
    name = "cache"
    title = "A balloon takes a guest of 1024 MiB with 730 MiB of clean page cache to 300 MiB"
    quick_repetitions = 0
    rows = (
        Row("seconds", "time to the target (wall)", "s", Ratio(1.1)),
        Row("returned", "pages that the balloon gave back on the way", "pages", AtMost(0)),
    )

    def prepare(self):
        self._drive = scratch_image(self.name)

    def run(self, setup, quick):
        with workload.start(self, setup, memory=1024, balloon=LENT,
                            drives=[(self._drive, "snapshot=on")]) as guest:
            guest.sh("mkdir -p /mnt/bench && mount -t ext4 /dev/vda /mnt/bench && "
                     "files --dir /mnt/bench --count 730 --kib 1024 && sync", 300)
            before = guest.vmstat()["balloon_deflate"]
            seconds = resize(guest, 300)
            returned = guest.vmstat()["balloon_deflate"] - before
            workload.assert_healthy(guest)
        return {"seconds": seconds, "returned": returned}


SCENARIOS = [Heap(), Cache()]

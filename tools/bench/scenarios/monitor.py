"""A large job ends: how long does QEMU's monitor wait for the main loop meanwhile?"""

import threading
import time

import workload
from framework import AtMost, Row, Scenario
from workload import GIB, MIB

REST = 4  # seconds in which nothing happens
STEP = 0.0002  # seconds between two moments at which somebody might ask


class Asking:
    """Asks QEMU for its status over and over; round_trips holds (begun, seconds)."""

    def __init__(self, guest):
        self.round_trips = []
        self._guest = guest
        self._over = False
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        while not self._over and self._guest.alive:
            begun = time.time()
            self._guest.qmp.command("query-status")
            self.round_trips.append((begun, time.time() - begun))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over = True
        self._thread.join()

    def waits(self, begin, end):
        """Milliseconds that whoever asks at a moment between these waits, the longest last.

        Most round trips are short, and there are many of them; of a second in which the
        main loop was away for half they would tell next to nothing.  So time is sampled.
        """
        waits = []
        for begun, seconds in self.round_trips:
            moment = max(begun, begin)
            while moment < min(begun + seconds, end):
                waits.append(1000 * (begun + seconds - moment))
                moment += STEP
        return sorted(waits)


def share(values, part):
    return values[min(len(values) - 1, int(part * len(values)))]


class Monitor(Scenario):
    memory, fill = 8192, 4400
    quick_repetitions = 0

    def __init__(self, name, huge_pages):
        self.name = name
        self._huge_pages = huge_pages
        self.title = (f"QEMU's monitor while {self.fill} MiB freed at once go back, the host has "
                      f"{'huge' if huge_pages else 'small'} pages")
        self.rows = (
            Row("p99", "whoever asks waits no longer, in 99 %, more than at rest", "ms", AtMost(5)),
            Row("longest", "the longest wait", "ms"),
            Row("t95", "95 % is no longer charged after", "s"),
            Row("discards", "discards per GiB that came back", "1/GiB"),
        )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=self.memory,
                            huge_pages=self._huge_pages) as guest:
            with Asking(guest) as asking:
                freed = workload.free_at_once(guest, self.fill, lambda: time.sleep(REST))
                workload.wait_back(guest, freed.high, freed.bytes)
            workload.assert_healthy(guest)
            discards = guest.discards(freed.told)
            at_rest = asking.waits(freed.told - REST, freed.told)
            busy = asking.waits(discards[0].time, discards[-1].time)
            return {
                "p99": share(busy, 0.99) - share(at_rest, 0.99),
                "longest": busy[-1],
                "t95": workload.time_back(guest, freed.at, freed.high, freed.bytes, 0.95),
                "discards": len(discards) / ((freed.high - guest.charge()) / GIB),
                "freed_mib": freed.bytes / MIB,
                "busy": discards[-1].time - discards[0].time,
            }


SCENARIOS = [Monitor("monitor-huge", True), Monitor("monitor-small", False)]

"""A large job ends: how soon, and in how many pieces, is its memory back?"""

import workload
from discards import total
from framework import AtMost, Row, Scenario
from workload import GIB, MIB


class Burst(Scenario):
    def __init__(self, name, memory, fill, seconds, repetitions):
        self.name = name
        self.title = f"{fill} MiB freed at once in a guest of {memory} MiB"
        self.repetitions = repetitions
        self.quick_repetitions = 1 if memory <= 2048 else 0
        self._memory, self._fill = memory, fill
        self.rows = (
            Row("t50", "half is no longer charged after", "s"),
            Row("t95", "95 % is no longer charged after", "s", AtMost(seconds),
                at_best=0.6),
            Row("discards", "discards per GiB that came back", "1/GiB", AtMost(32),
                at_best=1 / 8),
            Row("share", "share that came back", "%"),
        )

    def run(self, setup, quick):
        with workload.start(self, setup, memory=self._memory) as guest:
            freed = workload.free_at_once(guest, self._fill)
            assert "freed" in freed.output
            high = freed.high
            workload.wait_back(guest, high, freed.bytes)
            workload.assert_healthy(guest)
            back = high - guest.charge()
            discards = guest.discards(freed.told)
            return {
                "t50": workload.time_back(guest, freed.at, high, freed.bytes, 0.50),
                "t95": workload.time_back(guest, freed.at, high, freed.bytes, 0.95),
                "discards": len(discards) / (back / GIB),
                "share": 100 * back / freed.bytes,
                "discarded_mib": total(discards) / MIB,
                "series": workload.lines(guest, freed.told - 2, zero=freed.at),
                "zero": "freed",
            }


SCENARIOS = [
    Burst("burst-2g", 2048, 1200, 1.5, 5),
    Burst("burst-8g", 8192, 4400, 2.5, 3),
]

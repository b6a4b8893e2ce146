"""The driver beside a device that does at random what a host can, for minutes.

For seconds it runs with the other KUnit suites at each boot of the debug kernel, always with
the same seeds.  A seed that failed is in the log; virtio_balloon.fuzz_seed= begins with it.
"""

import random
import re

import pytest

from ktap import BROKEN, cases

SUITE = "virtio_balloon_random_device"
PARAMETERS = "/sys/module/virtio_balloon/parameters/"
# KUnit ends what takes longer than 300 s.
RUNS, SECONDS = 6, 100
# Those of rounds in which something was found, and how long each is tried with its followers.
KNOWN, AGAIN = (1619584743, 757781980), 20


@pytest.mark.long
@pytest.mark.kernels("debug")
@pytest.mark.fresh
@pytest.mark.machine(memory=1024, smp=3, balloon=None,
                     cmdline=f"kunit.enable=1 kunit.autorun=1 kunit.filter_glob={SUITE} "
                             "virtio_balloon.fuzz_seconds=1")
def test_device_that_does_anything(guest, allow_dmesg):
    # The used ring names a descriptor in the midst of a chain.
    allow_dmesg += [BROKEN, r"id \d+ is not a head"]
    rounds = 0
    runs = [(seed, AGAIN) for seed in KNOWN]
    runs += [(random.randrange(1 << 31), SECONDS) for _ in range(RUNS)]
    for seed, seconds in runs:
        print(f"seed {seed}")
        guest.write(PARAMETERS + "fuzz_seed", seed)
        guest.write(PARAMETERS + "fuzz_seconds", seconds)
        mark = guest.console_mark()
        guest.write(f"/sys/kernel/debug/kunit/{SUITE}/run", 1, SECONDS + 120)
        log = guest.console(mark)
        assert dict(cases(log)) == {f"{SUITE}.does_anything": None}, log[-3000:]
        rounds += int(re.search(r"(\d+) rounds from seed", log)[1])
    print(f"{rounds} rounds")
    assert rounds > RUNS * SECONDS / 20

"""Samples what a guest costs its host over time."""

import collections
import threading
import time

PERIOD = 0.05  # seconds

Sample = collections.namedtuple("Sample", "time charge rss minor_faults")  # s, bytes, bytes, count


class Sampler(threading.Thread):
    """Calls take() every PERIOD and keeps what it returns as Samples, oldest first.

    Times are those of time.time(), as in the discard trace.
    """

    def __init__(self, take, period=PERIOD):
        super().__init__(daemon=True)
        self._take = take
        self._period = period
        self._ended = threading.Event()
        self.samples = []

    def run(self):
        due = time.monotonic()
        while not self._ended.is_set():
            try:
                self.samples.append(Sample(time.time(), *self._take()))
            except (OSError, ValueError, IndexError):
                return  # QEMU has ended
            due += self._period
            self._ended.wait(max(0, due - time.monotonic()))

    def stop(self):
        """Ends the sampling and returns all samples."""
        self._ended.set()
        if self.is_alive():
            self.join()
        return self.samples


def between(samples, start, end=float("inf")):
    return [sample for sample in samples if start <= sample.time <= end]


def time_to_fall(samples, start, high, low, share):
    """Seconds from start until the charge has for good fallen by a share of high - low.

    "For good": the last time it crosses the line downwards counts, so that a
    workload's end is not taken for a return.  None when it is above the line still.
    """
    line = high - share * (high - low)
    below_since = None
    for sample in between(samples, start):
        if sample.charge > line:
            below_since = None
        elif below_since is None:
            below_since = sample.time
    return None if below_since is None else below_since - start


def footprint(samples):
    """The integral of the charge over time, in byte seconds."""
    return sum((b.time - a.time) * (a.charge + b.charge) / 2
               for a, b in zip(samples, samples[1:]))

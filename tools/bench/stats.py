"""Arithmetic on small samples: medians, spreads, intervals, slopes.  Pure."""

import collections
import math
import statistics

# 97.5 % points of Student's t by degrees of freedom; between two, the smaller one's.
_T975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306,
         9: 2.262, 10: 2.228, 12: 2.179, 14: 2.145, 16: 2.120, 18: 2.101, 20: 2.086,
         25: 2.060, 30: 2.042, 60: 2.000, 120: 1.980}

Summary = collections.namedtuple("Summary", "median low high count")
Interval = collections.namedtuple("Interval", "estimate low high")


def summary(values):
    """Median, least and greatest of some values, of which there must be one."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def _t975(freedom):
    return _T975[max(known for known in _T975 if known <= freedom)]


def ratio_interval(befores, afters):
    """The 95 % interval of after/before from pairs, on their logarithms."""
    logs = [math.log(after / before) for before, after in zip(befores, afters)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Interval(math.exp(mean), 0.0, math.inf)
    half = _t975(len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def slope(xs, ys):
    """Of the straight line with the least squares through some points."""
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    return (sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
            / sum((x - x_mean) ** 2 for x in xs))

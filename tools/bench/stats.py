"""Arithmetic on small samples: medians, spreads, intervals, slopes.  Pure."""

import collections
import math
import statistics

Summary = collections.namedtuple("Summary", "median low high count")
Interval = collections.namedtuple("Interval", "estimate low high")


def summary(values):
    """Median, least and greatest of some values, of which there must be one."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def median_interval(values):
    """The median of some values with an interval that holds the true one 95 times of 100.

    It is between two of the values, by their ranks, and so assumes nothing of
    their distribution; fewer than six values say nothing.
    """
    values, count = sorted(values), len(values)
    rank, tail = 0, 0.5 ** count  # tail: probability that so few lie below the true median
    while rank < count // 2 and 2 * tail <= 0.05:
        rank += 1
        tail += math.comb(count, rank) / 2 ** count
    if not rank:
        return Interval(statistics.median(values), 0.0, math.inf)
    return Interval(statistics.median(values), values[rank - 1], values[count - rank])


def slope(xs, ys):
    """Of the straight line with the least squares through some points."""
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    return (sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
            / sum((x - x_mean) ** 2 for x in xs))

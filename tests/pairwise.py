"""Chooses few cells of a matrix in which any two values meet, but for what cannot be.

    values = {"cpus": (1, 2, 4), "machine": ("q35", "pc"), ...}
    rules = [Rule({"cpus": {1}, "nodes": {2}}, "each node has a CPU")]
    choose(values, rules), left_out(values, rules)

The same values and rules give the same cells, always.
"""

import collections
import itertools
import random

# What cannot be: a cell that has one of the values for each name; reason: for the reader.
Rule = collections.namedtuple("Rule", "combination reason")

TRIES = 30  # cells made up for each that is taken
SEED = 1


def _broken(cell, rules):
    """The first rule that a cell breaks, or a part of one for certain."""
    for rule in rules:
        if all(cell.get(name) in wanted for name, wanted in rule.combination.items()):
            return rule
    return None


def _completed(cell, values, rules):
    """The cell with something for what it does not say, or None."""
    if _broken(cell, rules):
        return None
    missing = next((name for name in values if name not in cell), None)
    if missing is None:
        return cell
    for value in values[missing]:
        whole = _completed({**cell, missing: value}, values, rules)
        if whole:
            return whole
    return None


def _pairs(cell):
    return set(itertools.combinations(sorted(cell.items(), key=lambda item: item[0]), 2))


def _all_pairs(values):
    """In the order of the values, each as _pairs() would have it."""
    for one, other in itertools.combinations(sorted(values), 2):
        for pair in itertools.product(values[one], values[other]):
            yield (one, pair[0]), (other, pair[1])


def _grow(cell, order, values, rules, wanted):
    """Adds for each name the value that meets most of what has not met yet."""
    for name in order:
        best = None
        for value in values[name]:
            gain = sum(tuple(sorted(((name, value), item), key=lambda pair: pair[0])) in wanted
                       for item in cell.items())
            if best is None or gain > best[0]:
                # It must be possible to go on from there.
                if _completed({**cell, name: value}, values, rules):
                    best = gain, value
        cell = {**cell, name: best[1]}
    return cell


def choose(values, rules=()):
    """Cells (name: value) such that each pair of values that can be is in one of them."""
    chance = random.Random(SEED)
    wanted = {pair: None for pair in _all_pairs(values)
              if _completed(dict(pair), values, rules)}
    cells = []
    while wanted:
        candidates = []
        firsts = list(itertools.islice(wanted, TRIES))
        for attempt in range(TRIES):
            first = dict(firsts[attempt % len(firsts)])
            order = [name for name in values if name not in first]
            chance.shuffle(order)
            candidates.append(_grow(first, order, values, rules, wanted))
        best = max(candidates, key=lambda cell: len(_pairs(cell) & wanted.keys()))
        for pair in _pairs(best):
            wanted.pop(pair, None)
        cells.append({name: best[name] for name in values})
    return cells


def left_out(values, rules):
    """(pair of values, reason) for each two that meet in no cell."""
    found = []
    for pair in _all_pairs(values):
        if _completed(dict(pair), values, rules):
            continue
        reasons = [rule.reason for rule in rules
                   if all(dict(pair).get(name) in wanted
                          for name, wanted in rule.combination.items())]
        found.append((dict(pair), reasons[0] if reasons else
                      "; ".join(dict.fromkeys(rule.reason for rule in rules if any(
                          value in rule.combination.get(name, ()) for name, value in pair)))))
    return found


def some(cells, count):
    """So many of the cells, which have as many of the values as so few can."""
    chosen, seen = [], set()
    rest = list(cells)
    while rest and len(chosen) < count:
        best = max(rest, key=lambda cell: len(set(cell.items()) - seen))
        rest.remove(best)
        chosen.append(best)
        seen.update(best.items())
    return chosen

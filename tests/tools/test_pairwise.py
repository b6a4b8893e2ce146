"""The cells of the matrix: any two values meet, but for what cannot be, which has a reason."""

import itertools

import pytest

import matrix
import pairwise
from pairwise import Rule

VALUES = {"a": (1, 2, 3), "b": ("x", "y"), "c": (True, False), "d": (1, 2, 3, 4)}


def pairs_of(cells):
    return {frozenset(pair) for cell in cells
            for pair in itertools.combinations(cell.items(), 2)}


def all_pairs(values):
    return {frozenset(((one, x), (other, y)))
            for one, other in itertools.combinations(values, 2)
            for x in values[one] for y in values[other]}


@pytest.mark.parametrize("values, rules", [
    (VALUES, ()),
    (VALUES, (Rule({"a": {1}, "b": {"x"}}, "no"), Rule({"c": {True}, "d": {3, 4}}, "nor that"))),
    (VALUES, (Rule({"a": {1}, "b": {"x"}}, "no"), Rule({"a": {1}, "b": {"y"}, "d": {2}}, "three"))),
    (matrix.VALUES, matrix.RULES)], ids=("free", "pairs", "implied", "matrix"))
def test_two_values_meet_or_have_a_reason(values, rules):
    cells = pairwise.choose(values, rules)
    missing = pairwise.left_out(values, rules)
    met, left = pairs_of(cells), {frozenset(pair.items()) for pair, _ in missing}
    assert met | left == all_pairs(values)
    assert not met & left
    assert all(reason for _, reason in missing)
    for cell in cells:
        assert list(cell) == list(values)
        assert not any(all(cell[name] in wanted for name, wanted in rule.combination.items())
                       for rule in rules), cell


def test_a_pair_that_only_follows_is_left_out_with_its_reasons():
    rules = (Rule({"a": {1}, "b": {"x"}}, "first"), Rule({"b": {"y"}, "d": {2}}, "second"))
    assert ({"a": 1, "d": 2}, "first; second") in pairwise.left_out(VALUES, rules)


def test_no_more_cells_than_two_thirds_over_the_least():
    """Two names with the most values need a cell for each pair of theirs."""
    least = 3 * 4
    assert len(pairwise.choose(VALUES)) <= least * 5 // 3
    sizes = sorted(map(len, matrix.VALUES.values()))
    assert len(matrix.cells()) <= sizes[-1] * sizes[-2] * 5 // 3


def test_what_cannot_be_at_all_is_said():
    rules = (Rule({"a": {1}}, "never"),)
    cells = pairwise.choose(VALUES, rules)
    assert all(cell["a"] != 1 for cell in cells)
    assert {reason for pair, reason in pairwise.left_out(VALUES, rules)} == {"never"}


def test_the_choice_is_always_the_same():
    assert pairwise.choose(matrix.VALUES, matrix.RULES) == pairwise.choose(matrix.VALUES,
                                                                           matrix.RULES)
    assert list(matrix.cells()) == list(matrix.cells())


def test_the_quick_ones_differ():
    quick = [cell for cell, is_quick in matrix.cells().values() if is_quick]
    assert len(quick) == matrix.NR_QUICK
    assert len({cell["machine"] for cell in quick}) == len(quick)
    for cell in quick:
        assert all(cell[name] in values for name, values in matrix.QUICK.items())


def test_names_tell_cells_apart():
    names = [matrix.name(cell) for cell in pairwise.choose(matrix.VALUES, matrix.RULES)]
    assert len(set(names)) == len(names)
    assert not any(set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_") for name in names)

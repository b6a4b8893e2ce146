"""Reads Prometheus' text format as strictly as Prometheus does, and asks for its rules."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
# promtool's, of those that a name could break.
NO_BASE_UNITS = {"ms", "us", "ns", "msec", "usec", "milliseconds", "microseconds", "minutes",
                 "kb", "kib", "mb", "mib", "kbytes", "kilobytes", "megabytes", "pages", "percent"}
TYPE_WORDS = {"gauge", "counter", "summary", "histogram"}


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = {}  # labels as a sorted tuple of pairs: number

    @property
    def value(self):
        """Of a family with one sample and no labels."""
        assert list(self.samples) == [()], self.name
        return self.samples[()]


def _labels(text):
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"not labels: {text}"
        found.append((match[1], re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])))
        at = match.end()
    assert len({name for name, _ in found}) == len(found), text
    return tuple(sorted(found))


def parse(text):
    """{name: Family} of all families, and the comments; each fault is an assertion."""
    families, comments, last = {}, [], None
    assert text.endswith("\n") and text.isascii()
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[:2] == ["#", "HELP"]:
            assert words[2] not in families, f"two of {words[2]}"
            last = families[words[2]] = Family(words[2], words[3])
        elif words[:2] == ["#", "TYPE"]:
            assert last and last.name == words[2] and not last.type and not last.samples, line
            last.type = words[3]
        elif line.startswith("#"):
            assert line.startswith("# "), line
            comments.append(line[2:])
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line}"
            assert last and last.name == match[1] and last.type, f"not of the family before: {line}"
            labels = _labels(match[2] or "")
            assert labels not in last.samples, f"twice: {line}"
            last.samples[labels] = float(match[3])
    for family in families.values():
        _rules(family, families)
    return families, comments


def _rules(family, families):
    words = family.name.split("_")
    assert re.fullmatch(r"page_reporting(_[a-z0-9]+)+", family.name), family.name
    assert family.samples, f"{family.name} has no sample"
    assert family.help and family.help[0].isupper() and family.help.endswith("."), family.help
    assert family.type in ("gauge", "counter")
    assert (family.type == "counter") == (words[-1] == "total"), family.name
    assert not set(words) & (NO_BASE_UNITS | TYPE_WORDS), family.name
    # In OpenMetrics a counter is called without _total: another may not have that name.
    if family.type == "counter":
        assert family.name[:-len("_total")] not in families, family.name
    assert len({tuple(name for name, _ in labels) for labels in family.samples}) == 1
    assert all(value >= 0 for value in family.samples.values())

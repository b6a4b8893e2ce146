"""The kernel's own unit tests, which the debug kernel runs while it boots."""

import re

import pytest

STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.MULTILINE)
RESULT = re.compile(r"^( *)(not )?ok \d+ (?:- )?(.*?)(?: # (SKIP.*))?$")


def cases(log):
    """(suite.case, error) of each KTAP result at the second level, error None for a pass."""
    suite, notes, found = None, [], []
    for line in STAMP.sub("", log).splitlines():
        match = RESULT.match(line)
        name = re.match(r"^    # Subtest: (\S+)", line)
        if name:
            suite, notes = name[1], []
        elif match and suite and len(match[1]) == 4:
            error = match[4] or ("\n".join(notes) or "failed" if match[2] else None)
            found.append((f"{suite}.{match[3]}", error))
            notes = []
        elif match and not match[1]:
            suite = None
        elif suite and line.startswith("    #"):
            notes.append(line.strip())
    return found


# A balloon that misbehaves is told so, by the core and by the driver.
BROKEN = r"virtio_balloon virtio\d+: .*(queue broken|the device is broken)"


# Suites that a series cannot have: these replace functions, which KUnit can do since 6.4.
LEFT_OUT = {"6.1": ("virtio_balloon",)}


def record(guest, record_case):
    """Passes each case on; returns the names of the suites."""
    found = cases(guest.console())
    for name, error in found:
        record_case(name, error)
    return {name.split(".")[0] for name, _ in found}


@pytest.mark.kernels("debug")
@pytest.mark.machine(memory=1024, balloon=None, cmdline="kunit.enable=1 kunit.autorun=1")
def test_kunit(guest, record_case, allow_dmesg):
    """Without a balloon, because the suites bring a device of their own."""
    allow_dmesg.append(BROKEN)
    suites = record(guest, record_case)
    for start in ("page_reporting", "virtio_balloon_device", "virtio_balloon_misbehaving",
                  "virtio_balloon_need"):
        left_out = start.startswith(LEFT_OUT.get(guest.series, ()))
        assert left_out or any(suite.startswith(start) for suite in suites), suites


@pytest.mark.long
@pytest.mark.kernels("debug")
@pytest.mark.machine(memory=1024, balloon=None,
                     cmdline="kunit.enable=1 kunit.autorun=1 page_poison=1 "
                             "kunit.filter_glob=virtio_balloon_device")
def test_kunit_with_poison(guest, record_case, allow_dmesg):
    """The balloon where the contents of free pages matter: it does other things then."""
    allow_dmesg.append(BROKEN)
    suites = record(guest, lambda name, error: record_case(f"{name} (page_poison)", error))
    assert suites == {"virtio_balloon_device"}


def test_parser():
    log = """[    1.0] KTAP version 1
[    1.0] 1..1
[    1.0]     KTAP version 1
[    1.0]     # Subtest: page_reporting_x
[    1.0]     1..3
[    1.0]     ok 1 first
[    1.0]         # Subtest: parameters
[    1.0]         ok 1 - small
[    1.0]     # second: EXPECTATION FAILED at x.c:1
[    1.0]     not ok 2 second
[    1.0]     ok 3 third # SKIP no time
[    1.0] # page_reporting_x: pass:1 fail:1 skip:1 total:3
[    1.0] not ok 1 page_reporting_x
"""
    assert cases(log) == [
        ("page_reporting_x.first", None),
        ("page_reporting_x.second", "# second: EXPECTATION FAILED at x.c:1"),
        ("page_reporting_x.third", "SKIP no time")]

"""The kernel's own unit tests, which the debug kernel runs while it boots."""

import pytest

from ktap import BROKEN, cases

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

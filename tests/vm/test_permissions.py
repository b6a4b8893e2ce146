"""Who may read and write what the kernel offers, and what it reveals; see docs/threats.md."""

import re

import pytest

from guest import CommandError

pytestmark = pytest.mark.kernels("overlay", "debug")

TRACING = "/sys/kernel/tracing"
BALLOON = "/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon"
# All there is of ours, by pattern: mode, and what a reader sees.
NUMBER, WORD, EITHER = r"-?\d+", r"[a-z]+", r"-?\d+|[a-z]+"
OFFERS = {
    "/proc/sys/vm/page_reporting_flush": ("200", None),
    "/proc/sys/vm/page_reporting_*": ("644", NUMBER),
    "/sys/module/page_reporting/parameters/*": ("644", NUMBER),
    "/sys/module/virtio_balloon/parameters/relief": ("644", WORD),
    "/sys/module/virtio_balloon/parameters/holdoff_ms": ("644", NUMBER),
    # Only where the kernel's own tests are built in.
    "/sys/module/virtio_balloon/parameters/fuzz_*": ("600", None),
    "/sys/kernel/mm/page_reporting/*": ("444", NUMBER),
    f"{BALLOON}/state": ("444", WORD),
    f"{BALLOON}/*": ("444", NUMBER),
}
# Whatever has one of these names is ours.
OURS = ("find /proc/sys /sys -path '*page_reporting*' -type f -o "
        "-path '*virtio_balloon/parameters/*' -type f -o -path '*virtio*/balloon/*' -type f "
        "2>/dev/null")


def files(guest):
    """{path: (mode, what is to be read)} of the patterns; the first that fits counts."""
    found = {}
    for pattern, offer in OFFERS.items():
        for path in guest.sh(f"ls -d {pattern} 2>/dev/null || :").split():
            found.setdefault(path, offer)
    assert len(found) > 40, found
    return found


def as_nobody(guest, script):
    return guest.sh(f"su -s /bin/sh nobody -c '{script}'")


def test_modes(guest):
    """Root's, as documented; nobody else may write."""
    found = files(guest)
    modes = dict(line.split(" ", 1)[::-1] for line in
                 guest.sh(f"stat -c '%a:%u:%g %n' {' '.join(found)}").splitlines())
    assert modes == {path: f"{mode}:0:0" for path, (mode, _) in found.items()}


def test_nothing_else_is_offered(guest):
    """A file that nobody has thought about here is a finding."""
    known = {guest.sh(f"readlink -f {path}").strip() for path in files(guest)}
    there = {path for path in guest.sh(OURS, 120).split()
             # Tracing is root's as a whole, tests' results are debugfs, which is as well.
             if not path.startswith((TRACING, "/sys/kernel/debug"))
             and not path.endswith("/uevent")}  # every module has one
    assert not there - known, there - known
    root_only = guest.sh(f"stat -c %a {TRACING} /sys/kernel/debug").split()
    assert root_only == ["700", "700"]


def test_an_ordinary_user(guest):
    """Reads counters, sees no address, and changes nothing."""
    found = files(guest)
    readable = [path for path, (mode, _) in found.items() if mode != "200" and mode != "600"]
    said = as_nobody(guest, f"grep -H . {' '.join(readable)}").splitlines()
    seen = dict(line.rsplit(":", 1) for line in said)
    assert set(seen) == set(readable)
    for path, value in seen.items():
        assert re.fullmatch(found[path][1], value), f"{path} says {value}"
    # A kernel address has more digits than any size; none is a page frame by its name.
    assert not [path for path in seen if "pfn" in path or "addr" in path]
    taken = as_nobody(guest, "for f in %s; do echo 1 2>/dev/null >$f && echo $f; done; :"
                      % " ".join(found))
    assert taken == "", f"nobody may write {taken}"
    for path in [path for path in found if path not in readable]:
        with pytest.raises(CommandError, match="denied"):
            as_nobody(guest, f"cat {path}")


def test_tracing_is_roots(guest):
    """Page frames and times of what is free are for who may see everything anyway."""
    for group in ("page_reporting", "virtio_balloon"):
        assert guest.exists(f"{TRACING}/events/{group}/enable")
        with pytest.raises(CommandError, match="denied"):
            as_nobody(guest, f"cat {TRACING}/events/{group}/enable")


def test_the_log_has_no_address(guest):
    lines = [line for line in guest.console().splitlines()
             if "page_reporting" in line or "virtio_balloon" in line]
    assert not [line for line in lines if re.search(r"\b(0x)?ffff[0-9a-f]{8,}", line)]

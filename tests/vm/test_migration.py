"""Live migration: the guest's memory arrives, and free memory need not travel."""

import re
import signal

import pytest

from guest import MIB, Guest

# Zero pages are cheap to move, and free memory that was reported reads as zeroes: without
# reports, what was in use once is moved as it is.
MACHINE = {"memory": 1024}
HINTS = "free-page-hint=on"
FREED = 600  # MiB

HINTED = "cat /sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon/hinted_bytes"


def start(name, balloon, **arguments):
    return Guest("overlay", name=f"test-migration-{name}", balloon=balloon, **MACHINE, **arguments)


def use(guest):
    """Takes memory, writes to it, and frees it."""
    job = guest.spawn(f"exec hold --mib {FREED}")
    guest.wait_for(lambda: "holding" in job.output or not job.running, 60, "memory is taken")
    job.kill(signal.SIGTERM)
    job.check(60)


def load(guest):
    """Memory that was in use and is free; a program that looks after its memory."""
    use(guest)
    patterns = guest.spawn("exec patterns --mib 60 --seconds 0 --quiet-ms 200", 600)
    # The parent waits for the child; both catch SIGTERM by then.
    guest.wait_for(lambda: len(guest.sh("pidof patterns || :").split()) == 2, 30, "patterns runs")
    return patterns


def migrate(guest, uri):
    """Returns the bytes of RAM that were moved.

    Hints spare what QEMU has not sent yet, so it must not be done before they come.
    Nor must the guest run until the end: before 9.0, QEMU's emulator loses some of what
    is written between the last looks at what has changed.
    """
    guest.qmp.command("migrate-set-parameters", max_bandwidth=150 * MIB, downtime_limit=1)
    guest.qmp.command("migrate", uri=uri)

    def state():
        return guest.qmp.command("query-migrate")

    def half_way():
        now = state()
        return now.get("status") in ("completed", "failed") or (
            now.get("status") == "active" and now["ram"]["remaining"] < guest.memory / 2)

    guest.wait_for(half_way, 60, "half of the memory is moved or spared")
    guest.qmp.command("stop")
    guest.wait_for(lambda: state()["status"] in ("completed", "failed"), 180, "the migration ends")
    result = state()
    assert result["status"] == "completed", result
    return result["ram"]["normal-bytes"]


def finish(guest, patterns):
    """All of the program's memory is what it was."""
    guest.sh("true")
    patterns.kill(signal.SIGTERM)
    output = patterns.check(120)
    assert "patterns: checked" in output, output


@pytest.mark.long
def test_hints_halve_a_migration(tmp_path):
    """From one QEMU to the next, and from that into a file and out of it again."""
    file = tmp_path / "state"
    with start("plain", "free-page-reporting=off") as guest:
        patterns = load(guest)
        with start("plain-target", "free-page-reporting=off",
                   incoming=f"unix:{tmp_path}/plain") as target:
            plain = migrate(guest, f"unix:{tmp_path}/plain")
            target.arrive(guest)
            guest.stop()
            finish(target, patterns)

    with start("hints", HINTS) as guest:
        patterns = load(guest)
        with start("hints-target", HINTS, incoming=f"unix:{tmp_path}/hints") as target:
            hinted = migrate(guest, f"unix:{tmp_path}/hints")
            target.arrive(guest)
            guest.stop()
            target.wait_for(lambda: target.sh(HINTED).strip() == "0", 30, "hinted memory is back")
            finish(target, patterns)
            use(target)

            patterns = load(target)
            filed = migrate(target, f"exec:cat >{file}")
            with start("hints-file", HINTS, incoming=f"exec:cat {file}") as last:
                last.arrive(target)
                target.stop()
                finish(last, patterns)
                use(last)
                for end in (target, last):
                    assert not end.bad_dmesg()

    print(f"moved {plain / MIB:.0f} MiB, {hinted / MIB:.0f} and {filed / MIB:.0f} with hints")
    assert plain > FREED * MIB
    assert hinted <= plain / 2
    assert filed <= plain / 2


def kernel_memory(guest):
    """Bytes that are free where the kernel allocates first, above the high watermarks.

    Without ZONE_DMA, whose entry begins with the figures of its node.
    """
    found = re.findall(r"^Node \d+, zone +(\w+)\n  pages free +(\d+)\n(?:.*\n)*? +high +(\d+)$",
                       guest.read("/proc/zoneinfo"), re.M)
    assert {"DMA32", "Movable"} <= {name for name, _, _ in found}
    return 4096 * sum(int(free) - int(high) for name, free, high in found if name != "Movable")


@pytest.mark.kernels("overlay")
@pytest.mark.machine(balloon=HINTS, cmdline="movablecore=512M", **MACHINE)
@pytest.mark.fresh
def test_hints_leave_the_kernel_its_memory(guest):
    """Hinted blocks do not move, so they come from the kernel's zones; what is free elsewhere
    is no help to it."""
    before = kernel_memory(guest)
    guest.qmp.command("migrate-set-parameters", max_bandwidth=10 * MIB)
    guest.qmp.command("migrate", uri="exec:cat >/dev/null")
    seen = []

    def settled():
        seen.append(int(guest.sh(HINTED)))
        return len(seen) > 5 and seen[-1] == seen[-5] > 100 * MIB

    guest.wait_for(settled, 30, "all is hinted that may be")
    left = kernel_memory(guest)
    print(f"{before / MIB:.0f} MiB before, {seen[-1] / MIB:.0f} hinted, {left / MIB:.0f} left")
    # A 64th is kept, 10 MiB of these 15 in ZONE_DMA, and the guest uses some of it meanwhile.
    # Were memory elsewhere counted, less than the watermark would be left.
    assert left >= 4 * MIB
    guest.qmp.command("migrate_cancel")
    guest.wait_for(lambda: guest.sh(HINTED).strip() == "0", 30, "hinted memory is back")

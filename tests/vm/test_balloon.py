"""The classic balloon: inflate and deflate, statistics, OOM, hints, poison."""

import signal
import time

import pytest

from discards import total
from guest import MIB, GuestDied, QmpError
from test_reporting import comes_back

KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")
COUNTERS = "/sys/kernel/mm/page_reporting"
PLAIN = pytest.mark.machine(balloon="free-page-reporting=off")
OOM = ("invoked oom-killer", "Out of memory: ", "Call Trace")


def resize(guest, mib, timeout=90):
    """Asks for a size and waits until the guest has it."""
    guest.set_balloon(mib * MIB)
    guest.wait_for(lambda: guest.balloon_actual() == mib * MIB, timeout,
                   f"the guest has {mib} MiB")


@pytest.mark.stock
@pytest.mark.series
@KERNELS
def test_inflate_and_deflate_beside_reporting(guest):
    """Both want free memory; the guest's programs want it, too."""
    load = guest.spawn("patterns --mib 150 --seconds 0 --quiet-ms 100", 300)
    total = guest.meminfo()["MemTotal"]
    for _ in range(2):
        resize(guest, 900)
        assert abs(total - guest.meminfo()["MemTotal"] - 124 * MIB) < MIB
        resize(guest, 1024)
    assert guest.meminfo()["MemTotal"] == total
    load.kill(signal.SIGTERM)
    load.check(60)


def report(guest, hold, mib):
    """Has memory freed and reported, by itself: after a flush nothing is a mistake."""
    start = time.time()
    hold(mib).free()
    guest.wait_for(lambda: total(guest.discards(start)) > 0.9 * mib * MIB, 30, "it is reported")


def reuses(guest):
    """Granules that were allocated after their report, and those of them that were mistakes."""
    return [guest.read_int(f"{COUNTERS}/{name}") for name in ("reused", "reused_soon")]


def assert_no_mistake(guest, before):
    """Much was allocated that had been reported, and all but what others took was right."""
    reused, mistakes = (now - then for now, then in zip(reuses(guest), before))
    assert reused > 100 and mistakes < 40


def migrate_to_nowhere(guest):
    # Slow enough for the guest's hints to come before the pages they are about are gone.
    guest.qmp.command("migrate-set-parameters", max_bandwidth=100 * MIB)
    guest.qmp.command("migrate", uri="exec:cat >/dev/null")
    guest.wait_for(lambda: guest.qmp.command("query-migrate").get("status") in
                   ("completed", "failed"), 120, "the migration ends")
    result = guest.qmp.command("query-migrate")
    assert result["status"] == "completed"
    guest.qmp.command("cont")
    return result["ram"]


@pytest.mark.kernels("overlay")
def test_what_the_balloon_takes_was_no_mistake(guest, hold):
    """Nobody touches its pages, so they may have been reported a moment before."""
    report(guest, hold, 400)
    before = reuses(guest)
    resize(guest, 1024 - 400)
    assert_no_mistake(guest, before)
    resize(guest, 1024)


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.machine(balloon="free-page-reporting=on,free-page-hint=on")
def test_what_hints_take_was_no_mistake(guest, hold):
    report(guest, hold, 600)
    before = reuses(guest)
    migrate_to_nowhere(guest)
    assert_no_mistake(guest, before)


@pytest.mark.stock
@PLAIN
def test_inflate_and_deflate(guest, hold):
    """Its pages leave the guest's total and the host's charge, and all come back."""
    hold(600).free()  # backed by the host, and with reporting off it stays so
    total, high = guest.meminfo()["MemTotal"], guest.charge()
    for _ in range(3):
        resize(guest, 400)
        assert abs(total - guest.meminfo()["MemTotal"] - 624 * MIB) < MIB
        resize(guest, 1024)
        assert guest.meminfo()["MemTotal"] == total
    assert high - guest.charge() > 400 * MIB
    hold(600).free()


@pytest.mark.stock
@PLAIN
def test_balloon_counters(guest):
    before = guest.vmstat()
    resize(guest, 824)
    during = guest.vmstat()
    resize(guest, 1024)
    after = guest.vmstat()
    pages = 200 * MIB // 4096
    assert during["balloon_inflate"] - before["balloon_inflate"] == pages
    assert after["balloon_deflate"] - before["balloon_deflate"] == pages


@pytest.mark.stock
@PLAIN
def test_the_last_of_many_targets_counts(guest):
    for turn in range(20):
        guest.set_balloon((400 + 31 * (turn % 7) * (-1) ** turn) * MIB)
        time.sleep(0.05)
    resize(guest, 700)
    resize(guest, 1024)


@pytest.mark.stock
@PLAIN
@pytest.mark.parametrize("size, actual", [(600 * MIB + 4097, 600 * MIB + 4096),
                                          (600 * MIB - 1, 600 * MIB - 4096),
                                          (1 << 40, 1024 * MIB)])
def test_odd_targets(guest, size, actual):
    guest.set_balloon(size)
    guest.wait_for(lambda: abs(guest.balloon_actual() - actual) <= 4096, 60, "the guest follows")
    resize(guest, 1024)


@pytest.mark.stock
@pytest.mark.better
@pytest.mark.fresh
@PLAIN
def test_an_impossible_target(guest, hold, allow_dmesg):
    """The guest gives what it has, lives, and takes all of it back."""
    if guest.kernel == "upstream":
        allow_dmesg.append("")  # it dies of it
    guest.set_balloon(MIB)
    seen = []

    def stuck():
        seen.append((time.time(), guest.balloon_actual()))
        recent = [actual for when, actual in seen if when > time.time() - 3]
        return seen[0][0] < time.time() - 3 and max(recent) - min(recent) < 8 * MIB

    try:
        guest.wait_for(stuck, 120, "inflation comes to an end")
        guest.sh("true")
    except (GuestDied, QmpError) as error:
        raise AssertionError(f"the balloon killed the guest: {error}") from error
    assert guest.balloon_actual() < 400 * MIB
    resize(guest, 1024)
    hold(500).free()


@pytest.mark.stock
@pytest.mark.kernels("overlay", "debug", "upstream", long=["debug"])
def test_statistics(guest, hold):
    guest.quiet()  # what is being reported is not free for a moment
    guest.poll_stats(1)
    guest.wait_for(lambda: (guest.balloon_stats() or {}).get("stat-total-memory", 0) > 0, 30,
                   "statistics")

    def fresh():
        """Statistics that were asked for after now."""
        path = {"path": "/machine/peripheral/balloon0", "property": "guest-stats"}
        last = guest.qmp.command("qom-get", **path)["last-update"]
        guest.wait_for(lambda: guest.qmp.command("qom-get", **path)["last-update"] > last + 1, 30,
                       "the next statistics")
        return guest.balloon_stats()

    stats, meminfo = fresh(), guest.meminfo()
    known = [name for name, value in stats.items() if value != 2 ** 64 - 1]
    # QEMU 7 knows 10, QEMU 10 knows 16, of which an older driver sends the first.
    assert known == list(stats)[:len(known)] and len(known) >= 10
    assert guest.kernel == "stock" or len(known) == len(stats)
    assert stats["stat-total-memory"] == meminfo["MemTotal"]
    assert abs(stats["stat-free-memory"] - meminfo["MemFree"]) < 32 * MIB
    assert abs(stats["stat-available-memory"] - meminfo["MemAvailable"]) < 32 * MIB
    held = hold(400)
    # What earlier tests had may become free meanwhile.
    assert stats["stat-free-memory"] - fresh()["stat-free-memory"] > 200 * MIB
    held.free()
    assert fresh()["stat-minor-faults"] > stats["stat-minor-faults"]
    guest.poll_stats(0)


@pytest.mark.stock
@pytest.mark.fresh
@pytest.mark.machine(balloon="free-page-reporting=off,deflate-on-oom=on")
def test_deflate_on_oom(guest, hold):
    """A guest that needs its memory takes it out of the balloon; nobody is killed."""
    guest.set_balloon(300 * MIB)
    guest.wait_for(lambda: guest.balloon_actual() < 350 * MIB, 60, "the balloon inflates")
    before = guest.vmstat()["oom_kill"]
    held = hold(500)
    assert guest.balloon_actual() > 500 * MIB
    assert guest.vmstat()["oom_kill"] == before
    held.free()


@pytest.mark.stock
@pytest.mark.fresh
@pytest.mark.machine(balloon="free-page-reporting=off,deflate-on-oom=off")
def test_no_deflate_on_oom_without_the_feature(guest, allow_dmesg):
    """The host's memory is the host's: who needs more is killed."""
    allow_dmesg += OOM
    guest.write("/proc/sys/vm/overcommit_memory", 1)  # else it would not even be tried
    resize(guest, 300)
    hog = guest.spawn("exec hold --mib 500", 120)
    assert hog.wait() == 128 + 9
    assert guest.balloon_actual() == 300 * MIB


@pytest.mark.stock
@pytest.mark.fresh
@pytest.mark.machine(balloon="free-page-reporting=on,free-page-hint=on")
def test_hinting_spares_a_migration_free_memory(guest, hold):
    """The guest lives on after a migration to nowhere and still reports."""
    hold(600).free()
    ram = migrate_to_nowhere(guest)
    assert ram["normal-bytes"] < 400 * MIB, ram
    comes_back(guest, hold(400), 400)


@pytest.mark.kernels("debug")
@pytest.mark.machine(memory=512, max_memory=None, cmdline="page_poison=1")
def test_poisoned_pages_are_not_discarded(guest, hold):
    """QEMU takes reports but cannot give back pages that read as the poison."""
    hold(100).free()
    time.sleep(6)
    assert not guest.discards()
    hold(100).free()


@pytest.mark.long
@pytest.mark.kernels("debug")
@pytest.mark.machine(memory=512, max_memory=None, cmdline="page_poison=1",
                     balloon="free-page-reporting=on,page-poison=off")
def test_poison_that_the_host_does_not_know_turns_reporting_off(guest, hold):
    features = guest.sh("cat /sys/bus/virtio/drivers/virtio_balloon/virtio*/features").strip()
    assert features[5] == "0"
    hold(100).free()
    time.sleep(6)
    assert not guest.discards()


def test_qmp_refuses_what_is_no_size(guest):
    with pytest.raises(QmpError):
        guest.set_balloon(-1)

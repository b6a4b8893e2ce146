"""The administrator's word: what was said holds across everything that may happen.

A row for each word, a column for each event; a fleet has a guest for every word, so that
one daemon tells a whole column.
"""

import json
import os
import signal
import socket

import pytest

import daemon as daemons
from fake_qemu import MIB

GIB = 1024 * MIB
SPEED = 5


def Daemon(*arguments, **options):
    return daemons.Daemon(*arguments, speed=SPEED, **options)


# name: (what is said, what status then says)
WORDS = {
    "off": (["disable"], {"said_automatic": "off", "enabled": False}),
    "on": (["enable"], {"said_automatic": "on", "enabled": True}),
    "held": (["hold", "700M"], {"hold": 700 * MIB}),
    "set": (["set", "800M"], {"set": 800 * MIB, "manual": True}),
    "min": (["min", "960M"], {"said_min": 960 * MIB, "min": 960 * MIB}),
    "max": (["max", "600M"], {"said_max": 600 * MIB, "max": 600 * MIB}),
    "configured": (None, {"said_automatic": "configured", "enabled": False}),
}
SETTINGS = {
    "policy": {"amounts": "wiki-2013-06", "boot-pause": "1s", "give-after": "1s",
               "give-interval": "1s"},
    "guest on": {"automatic": "no"},
    "guest configured": {"automatic": "no"},
}


def wait_all(daemon):
    """Until all are there, and the statistics are in of those that are managed."""
    daemon.wait_ready(*(set(WORDS) - {"off", "configured", "on"}))
    daemon.wait(lambda: all(daemon.guest(n) and daemon.guest(n)["connected"] for n in WORDS))


def say(daemon):
    for name, (words, _) in WORDS.items():
        if words:
            daemon.ctl(words[0], name, *words[1:])


def check_words(daemon):
    guests = {g["name"]: g for g in daemon.ask("status")["guests"]}
    for name, (_, expected) in WORDS.items():
        seen = {key: guests[name][key] for key in expected}
        assert seen == expected, name


def check_deeds(daemon, qemus):
    """Sizes follow the words, and pressure respects them."""
    daemon.wait(lambda: qemus["held"].actual == 700 * MIB, what="hold")
    daemon.wait(lambda: qemus["max"].actual == 600 * MIB, what="max")
    daemon.wait(lambda: qemus["set"].actual == 800 * MIB, what="set")
    before = {name: len(q.targets) for name, q in qemus.items()}
    daemon.wait(lambda: all(daemon.guest(name)["why"] == "none" for name in ("min", "on")))

    def taken():
        # A guest whose statistics are late is not asked, so more than once.
        daemon.ctl("inject", "critical")
        return qemus["min"].actual == 960 * MIB and qemus["on"].actual < GIB
    daemon.wait(taken, what="take down to the minimum")
    for name in "off", "configured":
        assert len(qemus[name].targets) == before[name] == 0, name


def reload(daemon, fleet, qemus):
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait(lambda: daemon.events("reloaded"))
    return qemus


def restart(daemon, fleet, qemus):
    daemon.stop()
    daemon.start()
    return qemus


def crash(daemon, fleet, qemus):
    daemon.kill()
    daemon.start()
    return qemus


def new_guests(daemon, fleet, qemus):
    return {name: fleet.restart(qemu) for name, qemu in qemus.items()}


def guests_gone_while_down(daemon, fleet, qemus):
    daemon.kill()
    qemus = new_guests(daemon, fleet, qemus)
    daemon.start()
    return qemus


def guests_late(daemon, fleet, qemus):
    """The guests come back after the daemon, which has saved its state meanwhile."""
    for qemu in qemus.values():
        qemu.end()
        os.unlink(qemu.path)
    daemon.wait(lambda: not daemon.ask("status")["guests"])
    restart(daemon, fleet, qemus)
    daemon.ctl("disable", "--all")
    daemon.ctl("enable", "--all")
    names = {g["name"] for g in daemon.ask("status")["absent"]}
    assert names == {name for name, (words, _) in WORDS.items() if words}
    return {name: fleet.add(name, own_process=True) for name in qemus}


def reset(daemon, fleet, qemus):
    for qemu in qemus.values():
        qemu.event("RESET", guest=True, reason="guest-reset")
    daemon.wait(lambda: len(daemon.events("reset")) == len(qemus))
    # It boots with all its memory; the size that was set comes after that.
    daemon.wait(lambda: "set" in {e["guest"] for e in daemon.events("give")
                                  if e["why"] == "guest-reset"})
    return qemus


EVENTS = [reload, restart, crash, new_guests, guests_gone_while_down, guests_late, reset]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.__name__)
def test_words_hold(tmp_path, fleet, event):
    qemus = {name: fleet.add(name, own_process=True) for name in WORDS}
    daemon = Daemon(tmp_path, SETTINGS)
    with daemon:
        wait_all(daemon)
        say(daemon)
        check_words(daemon)
        daemon.wait(lambda: qemus["set"].actual == 800 * MIB and
                    qemus["held"].actual == 700 * MIB)
        qemus = event(daemon, fleet, qemus)
        wait_all(daemon)
        check_words(daemon)
        check_deeds(daemon, qemus)


@pytest.mark.parametrize("event", [reload, restart, crash, new_guests],
                         ids=lambda e: e.__name__)
def test_the_kill_switch_holds(tmp_path, fleet, event):
    qemus = {"web": fleet.add("web", own_process=True)}
    with Daemon(tmp_path, SETTINGS) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("disable", "--all")
        qemus = event(daemon, fleet, qemus)
        daemon.wait(lambda: daemon.guest("web") and daemon.guest("web")["connected"])
        assert daemon.ask("status")["suspended"]
        daemon.ctl("inject", "critical")
        qemus["web"].wait_command("qom-get", 2)
        assert not qemus["web"].targets
        daemon.ctl("enable", "--all")
        daemon.wait_ready("web")
        daemon.ctl("inject", "critical")
        qemus["web"].wait_target(GIB - 128 * MIB)


def test_a_word_is_in_the_file_before_the_answer(tmp_path, fleet):
    """A crash after the answer must not undo it: looked at once, as often as it takes to see."""
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        for size in range(900, 1000):
            order = {"command": "hold", "guest": "web", "size": size * MIB}
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(daemon.control)
                s.sendall(json.dumps(order).encode() + b"\n")
                answer = s.recv(4096)
                state = (tmp_path / "state").read_bytes()
            assert b'"ok":true' in answer and b" hold=%d " % (size * MIB) in state


def test_words_outlive_a_reboot(tmp_path, fleet):
    """The run directory is gone; the other one has the words and no sizes."""
    keep = tmp_path / "keep"
    keep.mkdir()
    settings = {**SETTINGS, "daemon": {"state-directory": str(keep)}}
    fleet.add("web")
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("hold", "web", "700M")
        daemon.wait(lambda: daemon.guest("web")["target"] == 700 * MIB)
    os.unlink(tmp_path / "state")
    state = (keep / "state").read_text()
    (keep / "state").write_text(state.replace(" boot=", " boot=another-"))
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("web")
        assert daemon.guest("web")["hold"] == 700 * MIB
        assert not daemon.events("resumed")


def test_a_reload_changes_what_is_configured(tmp_path, fleet):
    qemu = fleet.add("web")
    with Daemon(tmp_path, {"policy": {"amounts": "wiki-2013-06"}}) as daemon:
        daemon.wait_ready("web")
        with open(daemon.config, "a") as f:
            f.write("[guest web]\nautomatic = no\n")
        reload(daemon, fleet, None)
        assert not daemon.guest("web")["enabled"]
        daemon.ctl("inject", "critical")
        qemu.wait_command("qom-get", 2)
        assert not qemu.targets
        restart(daemon, fleet, None)
        daemon.wait(lambda: daemon.guest("web") and daemon.guest("web")["connected"])
        assert not daemon.guest("web")["enabled"]


def test_a_reload_keeps_what_is_read_at_the_start(tmp_path, fleet):
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        text = open(daemon.config).read()
        with open(daemon.config, "w") as f:
            f.write(text.replace(f"run-directory = {tmp_path}", "run-directory = /nonexistent") +
                    "\n[pressure]\ncgroup = /nonexistent\n")
        reload(daemon, fleet, None)
        assert daemon.events("reload-partly")[0]["needs_restart"] == '"run-directory,cgroup"'
        daemon.ctl("disable", "web")
        assert not daemon.events("state-not-saved")
        assert "automatic=off" in (tmp_path / "state").read_text()
        assert daemon.ask("status")["host"]["cgroup"] == ""


def test_a_disabled_guest_can_be_set(tmp_path, fleet):
    """To leave a guest alone is said to the daemon, not to the administrator."""
    qemu = fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("disable", "web")
        daemon.ctl("set", "web", "700M", "--wait")
        assert qemu.actual == 700 * MIB and not daemon.guest("web")["enabled"]


def test_a_later_word_of_somebody_else_counts(tmp_path, fleet):
    qemu = fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("set", "web", "800M", "--wait")
        qemu.actual = 600 * MIB         # virsh setmem
        daemon.wait(lambda: daemon.events("set-overruled"))
        assert daemon.guest("web")["set"] is None


def test_forget_takes_everything_back(tmp_path, fleet):
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        for order in ("min", "960M"), ("max", "1000M"), ("hold", "980M"):
            daemon.ctl(order[0], "web", order[1])
        assert daemon.ctl("max", "web", "900M", check=False).returncode == 1, "below the minimum"
        daemon.ctl("forget", "web")
        guest = daemon.guest("web")
        assert guest["hold"] is None and guest["min"] == 256 * MIB
        assert daemon.ctl("forget", "nobody", check=False).returncode == 1


def test_release_gives_only_what_was_taken(tmp_path, fleet):
    """A guest that was sized before, one that is off, one that is held, one that is set, one that
    was taken from, one of which that was said afterwards."""
    names = ("sized", "off", "held", "set", "web", "later")
    qemus = {name: fleet.add(name) for name in names}
    qemus["sized"].actual = 512 * MIB
    qemus["off"].actual = 512 * MIB
    settings = {"daemon": {"release-on-exit": "yes"}, "policy": {"amounts": "wiki-2013-06"},
                "guest off": {"automatic": "no"}}
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("sized", "held", "set", "web", "later")
        daemon.ctl("hold", "held", "1000M")
        daemon.ctl("set", "set", "800M", "--wait")
        daemon.ctl("inject", "critical")
        for name in "web", "later":
            qemus[name].wait_target(GIB - 128 * MIB)
        qemus["set"].wait(lambda: qemus["set"].actual < 800 * MIB)
        daemon.wait(lambda: all(daemon.guest(n)["settled"] for n in names))
        daemon.ctl("disable", "later")
        taken = qemus["sized"].actual
    assert qemus["web"].actual == GIB
    assert qemus["held"].actual == 1000 * MIB and qemus["set"].actual == 800 * MIB
    assert qemus["later"].actual == GIB - 128 * MIB
    assert taken <= qemus["sized"].actual <= 512 * MIB
    assert qemus["off"].actual == 512 * MIB and not qemus["off"].targets


def test_nothing_is_taken_while_releasing(tmp_path, fleet):
    """A guest that hangs holds up the end; meanwhile the host is short."""
    web, hung = fleet.add("web"), fleet.add("hung")
    settings = {"daemon": {"release-on-exit": "yes"}, "pressure": {"available-critical": "99.9%",
                "available-low": "99.9%", "available-medium": "99.9%"},
                "policy": {"amounts": "wiki-2013-10", "take-interval": "1s"}}
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("web", "hung")
        for qemu in web, hung:
            qemu.wait(lambda q=qemu: len(q.targets) >= 2)
        hung.mangle = lambda command, data: b"" if command == "balloon" else data
        hung.wait_command("balloon")
    assert web.targets[-1][1] == GIB


def test_a_guest_that_does_not_answer_keeps_its_word_and_its_target(tmp_path, fleet):
    web, late = fleet.add("web", own_process=True), fleet.add("late", own_process=True)
    quiet = fleet.add("quiet", own_process=True)        # nothing is said about it
    with Daemon(tmp_path, {"policy": {"amounts": "wiki-2013-06"}}) as daemon:
        daemon.wait_ready("web", "late", "quiet")
        daemon.ctl("inject", "critical")
        late.wait_target(GIB - 128 * MIB)
        quiet.wait_target(GIB - 128 * MIB)
        daemon.ctl("disable", "late")
        late.greet = quiet.greet = False
        for _ in range(2):
            crash(daemon, fleet, None)
            daemon.wait_ready("web")
            daemon.ctl("hold", "web", "1000M")  # so that the state is written
        late.greet = quiet.greet = True
        crash(daemon, fleet, None)
        daemon.wait_ready("quiet")
        assert daemon.guest("quiet")["debt"] == 128 * MIB
        daemon.wait(lambda: daemon.guest("late") and daemon.guest("late")["connected"])
        assert daemon.guest("late")["target"] == GIB - 128 * MIB
        assert not daemon.guest("late")["enabled"]
        assert web.actual == GIB - 128 * MIB


@pytest.mark.parametrize("how", ["lost", "another"])
def test_lost_state_takes_sizes_as_they_are(tmp_path, fleet, how):
    """Without a state file, or if that is about another QEMU of the name, a guest's size is the
    one it should have; what is taken from it then comes back, and no more."""
    qemu = fleet.add("web", own_process=True)
    settings = {"policy": {"amounts": "wiki-2013-06", "give-after": "2s", "give-interval": "1s"}}
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("inject", "critical")
        qemu.wait_target(GIB - 128 * MIB)
        daemon.wait(lambda: daemon.guest("web")["settled"])
    if how == "lost":
        os.unlink(tmp_path / "state")
    else:
        qemu = fleet.restart(qemu)
        qemu.actual = GIB - 128 * MIB
    before = len(qemu.targets)
    with Daemon(tmp_path, settings) as daemon:
        daemon.wait_ready("web")
        assert daemon.guest("web")["target"] == GIB - 128 * MIB and not daemon.guest("web")["debt"]
        daemon.wait(lambda: daemon.ask("status")["uptime_ms"] > 6000)
        assert len(qemu.targets) == before
        daemon.ctl("inject", "medium")
        qemu.wait(lambda: qemu.actual == GIB - 144 * MIB)
        qemu.wait(lambda: qemu.actual == GIB - 128 * MIB, what="all that was taken")
        qemu.wait_command("qom-get", 3)
        assert qemu.actual == GIB - 128 * MIB


def test_a_restart_does_not_begin_with_giving(tmp_path, fleet):
    """Nobody knows how quiet the host was before: the time that it has to be begins anew."""
    qemu = fleet.add("web", own_process=True)
    with Daemon(tmp_path, {"policy": {"amounts": "wiki-2013-06", "give-after": "10s",
                                      "give-interval": "1s"}}) as daemon:
        daemon.wait_ready("web")
        daemon.ctl("inject", "critical")
        qemu.wait_target(GIB - 128 * MIB)
        daemon.wait(lambda: daemon.guest("web")["settled"])
        crash(daemon, fleet, None)
        daemon.wait(lambda: daemon.events("give"))
        uptime = daemon.ask("status")["uptime_ms"]
        assert uptime - daemon.ask("why", "web")["decisions"][-1]["ms_ago"] >= 9000


def test_state_is_written_when_there_is_room_again(tmp_path, fleet):
    """A directory that cannot be written stands for a full one."""
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        os.mkdir(tmp_path / "state.new")        # where the new file would be made
        daemon.ctl("disable", "web")
        daemon.wait(lambda: daemon.events("state-not-saved"))
        assert len(daemon.events("state-not-saved")) == 1
        os.rmdir(tmp_path / "state.new")
        daemon.wait(lambda: "automatic=off" in (tmp_path / "state").read_text())

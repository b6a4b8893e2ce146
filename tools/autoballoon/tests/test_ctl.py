"""autoballoonctl: what it prints, and what it makes happen."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import daemon as daemons
from daemon import BUILD
from fake_qemu import MIB

GIB = 1024 * MIB
CTL = os.path.join(BUILD, "autoballoonctl")


def Daemon(*arguments, **options):
    return daemons.Daemon(*arguments, speed=5, **options)


def run(*arguments):
    return subprocess.run([CTL, *arguments], capture_output=True, text=True)


def test_why_tells_the_last_ten(tmp_path, fleet):
    qemu = fleet.add("web")
    with Daemon(tmp_path, {"policy": {"amounts": "wiki-2013-10"}}) as daemon:
        daemon.wait_ready("web")
        for i in range(12):
            daemon.ctl("inject", "critical")
            qemu.wait(lambda n=i: len(qemu.targets) > n)
            daemon.wait(lambda: daemon.guest("web")["settled"])
        decisions = daemon.ask("why", "web")["decisions"]
        assert len(decisions) == 10
        assert decisions[0]["to"] == qemu.targets[-1][1] and decisions[0]["need"] is not None
        assert decisions[9]["to"] == qemu.targets[2][1]
        assert {d["action"] for d in decisions} == {"take"}
        text = daemon.ctl("why", "web")
        assert text.startswith("now: ") and text.count(" s ago: take, ") == 10
        assert daemon.ctl("why", "nobody", check=False).returncode == 1


@pytest.mark.parametrize("kind", ["there", "none"])
def test_reserve_makes_room(tmp_path, fleet, kind):
    """Room that is there is there at once; room that nobody has is refused."""
    fleet.add("web", free=8 * MIB, available=8 * MIB)
    with Daemon(tmp_path, {"pressure": {"available-low": "1%", "available-medium": "0",
                                        "available-critical": "0"}}) as daemon:
        daemon.wait_ready("web")
        size = "16M" if kind == "there" else "500G"
        done = daemon.ctl("reserve", size, "--wait", "--timeout", "3s", check=False)
        assert done.returncode in ((0,) if kind == "there" else (4, 5)), done.stderr
        daemon.ctl("reserve", "0")
        assert daemon.ask("reserve", "0")["state"] == "none"


def test_reserve_takes_from_guests(tmp_path, fleet):
    """What is missing is asked for, though there is no pressure."""
    qemu = fleet.add("web")
    with Daemon(tmp_path, {"policy": {"goal-low": "0", "goal-medium": "0", "goal-critical": "0"},
                           "pressure": {"available-low": "0", "available-medium": "0",
                                        "available-critical": "0"}}) as daemon:
        daemon.wait_ready("web")
        available = daemon.ask("status")["host"]["headroom"]
        daemon.ctl("reserve", str(available + 8 * GIB), "--timeout", "20s")
        qemu.wait(lambda: qemu.actual < GIB, 15, "take")
        assert "medium" in {d["level"] for d in daemon.ask("why", "web")["decisions"]}


@pytest.mark.parametrize("kind", ["qemu", "libvirt", "proxmox", "firecracker",
                                  "cloud-hypervisor"])
def test_setup_can_be_copied(kind, tmp_path):
    text = run("setup", kind, "web-1").stdout
    suffix = "qmp" if kind in ("qemu", "proxmox") else kind
    assert kind == "libvirt" or f"/run/autoballoon/guests/web-1.{suffix}" in text
    for line in text.splitlines():
        if not line.startswith("#"):
            assert "/run/qemu-server" not in line
    if kind == "libvirt":
        assert ET.fromstring(re.search(r"<memballoon.*/>", text)[0]).get("freePageReporting")
    option = re.search(r"^\S+-sockets = .*$", text, re.M)
    if option:
        (tmp_path / "conf").write_text(f"[daemon]\n{option[0]}\n")
        subprocess.run([os.path.join(BUILD, "autoballoond"), "-C", "-c", tmp_path / "conf"],
                       check=True)
    for bad in "a b", "x'y", "../x", "", "-x":
        assert run("setup", kind, "--", bad).returncode == 2, bad


def test_setup_of_qemu_is_what_qemu_takes(tmp_path):
    """The printed options, on a QEMU without a guest."""
    text = run("setup", "qemu", "web").stdout
    options = [word for line in text.splitlines() if line.startswith("-")
               for word in line.replace("/run/autoballoon/guests", str(tmp_path)).split(" ", 1)]
    process = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-M", "pc",
                                "-accel", "tcg,tb-size=8", "-m", "64", "-S", *options],
                               stderr=subprocess.PIPE, text=True)
    try:
        with Daemon(tmp_path, {"daemon": {"socket-directories": str(tmp_path)}}) as daemon:
            daemon.wait(lambda: daemon.guest("web") and daemon.guest("web")["connected"])
            assert daemon.guest("web")["reporting_offered"]
    finally:
        process.kill()
        process.wait()


def test_watch_prints_status_again(tmp_path, fleet):
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        watch = subprocess.Popen([CTL, "-s", daemon.control, "watch"], stdout=subprocess.PIPE,
                                 text=True)
        lines = [watch.stdout.readline() for _ in range(6)]
        assert sum(line.startswith("web ") for line in lines) == 2
        watch.kill()
        watch.wait()


def test_answers_do_not_mislead(tmp_path, fleet):
    """JSON wherever -j is taken, no success of what was not done, a word for a guest that goes."""
    qemu = fleet.add("web")
    with Daemon(tmp_path, {"policy": {"stuck-after": "600s"}}) as daemon:
        daemon.wait_ready("web")
        for words in (("hold", "web", "1000M"), ("inject", "low"), ("set", "web", "900M"),
                      ("metrics",), ("min", "web", "300M"), ("enable", "--all"), ("doctor",),
                      ("why", "web"), ("reserve", "0"), ("forget", "web"), ("plan",)):
            assert json.loads(daemon.ctl("-j", *words, check=False).stdout)["ok"], words
        qemu.follow = False
        waiting = subprocess.Popen([CTL, "-s", daemon.control, "set", "web", "800M", "--wait"],
                                   stderr=subprocess.PIPE, text=True)
        qemu.wait_target(800 * MIB)
        os.unlink(qemu.path)
        qemu.drop()
        assert waiting.wait(10) == 1 and "the guest has gone" in waiting.stderr.read()
        waiting.stderr.close()
    other = fleet.add("db")
    with Daemon(tmp_path, arguments=["--dry-run"]) as daemon:
        daemon.wait_ready("db")
        done = daemon.ctl("set", "db", "700M", "--wait", check=False)
        assert done.returncode == 1 and "dry run" in done.stderr
        assert not other.targets


def test_options_of_other_commands_are_refused():
    for words in (("status", "--wait"), ("hold", "web", "--count", "2"), ("doctor", "--all")):
        done = run(*words)
        assert done.returncode == 2 and "has no option" in done.stderr

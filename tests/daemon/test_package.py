"""The Debian package in a booted Debian: installed, stopped, upgraded, removed."""

import json
import os
import re
import subprocess

import pytest

import paths
from autoballoon_common import MIB, TOOL
from guest import Guest

pytestmark = pytest.mark.long

GUESTS = "/run/autoballoon/guests"
# A QEMU of another user, who is in the package's group.
FAKE = """
import sys, time
sys.path.insert(0, "/srv/test")
from fake_qemu import Fleet
with Fleet(sys.argv[1]) as fleet:
    fleet.add("web")
    while True:
        time.sleep(1)
"""
# How long until a guest whose socket has come is managed: statistics are in.
WAIT = """
import json, os, subprocess, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
start = time.monotonic()
def managed():
    done = subprocess.run(["autoballoonctl", "-j", "status"], capture_output=True, text=True)
    guests = json.loads(done.stdout)["guests"] if done.returncode == 0 else []
    return any(g["name"] == "web" and g["free"] is not None for g in guests)
while not managed() and time.monotonic() < start + 60:
    time.sleep(0.1)
print(time.monotonic() - start)
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A tar file with the package, a newer one of it, and the fake."""
    place = tmp_path_factory.mktemp("package")
    folder = place / "deb"
    done = subprocess.run(["make", "-s", "-C", paths.TOP, "deb-tools", f"DEB={folder}"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    old, = folder.glob("autoballoon_*.deb")
    tree = place / "tree"
    subprocess.run(["dpkg-deb", "-R", old, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, place / "new.deb"], check=True,
                   capture_output=True)
    (place / "fake.py").write_text(FAKE)
    (place / "wait.py").write_text(WAIT)
    os.link(old, place / "old.deb") if os.stat(old).st_dev == os.stat(place).st_dev else \
        subprocess.run(["cp", old, place / "old.deb"], check=True)
    subprocess.run(["tar", "-cf", place / "disk", "-C", place, "old.deb", "new.deb", "fake.py",
                    "wait.py", "-C", os.path.join(TOOL, "tests"), "fake_qemu.py"], check=True)
    return str(place / "disk")


@pytest.fixture(scope="module")
def guest(disk):
    with_disk = Guest("overlay", name="ab-package", memory=1024, smp=2, root="debian",
                      drives=[disk], tb_size=128, accel="tcg")
    with_disk.start()
    yield with_disk
    with_disk.stop()


def status(guest):
    return json.loads(guest.sh("autoballoonctl -j status"))


def web(guest):
    return next(g for g in status(guest)["guests"] if g["name"] == "web")


def is_active(guest):
    return guest.sh("systemctl is-active autoballoond || :").strip()


def wait_web(guest):
    """Seconds until the guest is managed."""
    return float(guest.sh(f"python3 /srv/test/wait.py {GUESTS}/web.qmp", 120))


def test_life_of_the_package(guest):
    guest.sh("mkdir /srv/test && tar -xf /dev/vdb -C /srv/test")

    # Installed, it runs, and finds a QEMU of another user.
    print(guest.sh("dpkg -i /srv/test/old.deb 2>&1", 180))
    assert is_active(guest) == "active", guest.sh("systemctl status autoballoond || :")
    assert guest.sh("systemctl is-enabled autoballoond").strip() == "enabled"
    assert guest.sh("stat -c '%a %U %G' " + GUESTS).split() == ["3770", "autoballoon", "autoballoon"]
    guest.sh("systemd-run -q --unit=fake -p User=nobody -p Group=autoballoon "
             f"python3 /srv/test/fake.py {GUESTS}")
    took = wait_web(guest)
    print(f"managed after {took:.1f} s")
    assert took <= 5, f"{took:.1f} s"
    socket = guest.sh(f"stat -c '%i %U' {GUESTS}/web.qmp")
    assert socket.split()[1] == "nobody"

    # It holds what is said, and is confined.
    guest.sh("autoballoonctl hold web 700M")
    guest.wait_for(lambda: web(guest)["actual"] == 700 * MIB, 30, "700 MiB")
    text = guest.sh("systemd-analyze security --no-pager autoballoond", 120)
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text)[1])
    print(f"exposure {exposure}")
    assert exposure <= 2.0

    # Stopped: sockets and state stay. Started: it goes on.
    guest.sh("systemctl stop autoballoond")
    assert guest.sh(f"stat -c '%i %U' {GUESTS}/web.qmp") == socket
    for path in "/run/autoballoon/state", "/var/lib/autoballoon/state":
        assert "name=web" in guest.sh(f"cat {path}")
    guest.sh("systemctl start autoballoond")
    wait_web(guest)
    assert web(guest)["hold"] == web(guest)["actual"] == 700 * MIB

    # Upgraded while it runs: a new process, the same guests.
    before = guest.sh("systemctl show -P MainPID autoballoond")
    print(guest.sh("dpkg -i /srv/test/new.deb 2>&1", 180))
    assert is_active(guest) == "active"
    assert guest.sh("systemctl show -P MainPID autoballoond") != before
    wait_web(guest)
    assert guest.sh(f"stat -c '%i %U' {GUESTS}/web.qmp") == socket
    assert web(guest)["hold"] == web(guest)["actual"] == 700 * MIB

    # Removed: the QEMU does not notice. Purged: nothing of the daemon is left.
    print(guest.sh("dpkg -r autoballoon 2>&1", 180))
    assert is_active(guest) != "active"
    assert guest.sh("systemctl is-active fake").strip() == "active"
    assert guest.sh(f"stat -c '%i %U' {GUESTS}/web.qmp") == socket
    assert guest.exists("/etc/autoballoon.conf") and guest.exists("/var/lib/autoballoon/state")
    guest.sh("dpkg -P autoballoon 2>&1", 180)
    assert not guest.exists("/etc/autoballoon.conf")
    assert not guest.exists("/var/lib/autoballoon")
    assert not guest.bad_dmesg()

"""Fixtures of the daemon's tests: real guests with a QMP socket for the daemon, host cgroups."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

import memcg
from autoballoon_common import TOOL
from guest import Guest

sys.path.insert(0, os.path.join(TOOL, "tests"))

from daemon import Daemon  # noqa: E402

QEMU = "qemu-system-x86_64"


@pytest.fixture(scope="session")
def programs():
    """Both programs, built."""
    done = subprocess.run(["make", "-s", "-C", TOOL, "all"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def place(programs):
    """A directory with a short name, for a socket's path must be short."""
    path = tempfile.mkdtemp(prefix="ab-")
    os.mkdir(os.path.join(path, "guests"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def qmp_options(place, name):
    return ["-chardev", f"socket,id=ab,path={place}/guests/{name}.qmp,server=on,wait=off",
            "-mon", "chardev=ab,mode=control"]


@pytest.fixture
def boot(place, request):
    """boot(name, memory=MiB, balloon=...) -> a running guest that the daemon can reach."""
    guests = []

    def boot(name, memory=256, balloon="deflate-on-oom=on", extra=(), **options):
        guest = Guest(options.pop("kernel", "overlay"), name=f"ab-{name}", memory=memory, smp=1,
                      balloon=balloon, tb_size=32, accel="tcg",
                      extra=[*qmp_options(place, name), *extra], **options)
        guests.append(guest)
        guest.daemon_name = f"ab-{name}"
        return guest.start()

    yield boot
    bad = [line for guest in guests for line in guest.bad_dmesg()]
    for guest in guests:
        guest.stop()
    assert not bad, f"kernel log has: {bad[0]}"


@pytest.fixture
def bare(place):
    """bare(name, *options): QEMU without a kernel, so without a balloon driver."""
    processes = []

    def start(name, *options):
        process = subprocess.Popen(
            [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel",
             "tcg,tb-size=32", "-M", "pc", "-m", "256", "-name", name,
             *qmp_options(place, name), *options], stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def run(place):
    """run(settings) -> a running daemon."""
    daemons = []

    def run(settings=None, arguments=()):
        daemon = Daemon(place, settings, arguments).start()
        daemons.append(daemon)
        return daemon

    yield run
    for daemon in daemons:
        log = daemon.log()
        status = daemon.stop()
        print(log[-8000:])
        assert status == 0


@pytest.fixture
def group(monkeypatch, request):
    """A memory cgroup that guests booted from now on are in, each in one of its own.

    .path is its directory, .twin the same group in the cgroup2 hierarchy, where
    its memory.pressure is; the same directory if memory is managed there.
    """
    class Group:
        pass

    parent = memcg._v1_parent()
    if not parent:
        pytest.fail("needs the memory controller of cgroup v1, or this test's v2 twin")
    unified = [mount for mount, _ in memcg._mounts("cgroup2")]
    if not unified:
        pytest.fail("no cgroup2 hierarchy is mounted: no memory.pressure of a cgroup")
    name = f"autoballoon-{re.sub(r'[^a-z0-9]+', '-', request.node.name)}-{os.getpid()}"
    group = Group()
    group.path = os.path.join(parent, name)
    group.twin = os.path.join(unified[0], name)
    os.mkdir(group.path)
    os.mkdir(group.twin)
    monkeypatch.setattr(memcg, "_v1_parent", lambda: group.path)

    def add(pid):
        with open(os.path.join(group.twin, "cgroup.procs"), "w") as f:
            f.write(str(pid))

    def write(name, value):
        with open(os.path.join(group.path, name), "w") as f:
            f.write(str(value))

    def read(name):
        with open(os.path.join(group.path, name)) as f:
            return f.read()

    def stall_us():
        with open(os.path.join(group.twin, "memory.pressure")) as f:
            return int(re.search(r"some .*total=(\d+)", f.read()).group(1))

    group.add, group.write, group.read, group.stall_us = add, write, read, stall_us
    yield group
    # Guests are stopped by now; what they charged may take a moment to go.
    for path in (group.path, group.twin):
        deadline = time.monotonic() + 10
        while True:
            try:
                os.rmdir(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

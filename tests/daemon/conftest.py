"""Fixtures of the daemon's tests: real guests with a QMP socket for the daemon, host cgroups."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

import memcg
import paths
import qemu
from autoballoon_common import TOOL
from guest import Guest

sys.path.insert(0, os.path.join(TOOL, "tests"))

from daemon import Daemon, monitor  # noqa: E402


@pytest.fixture(scope="session")
def programs():
    """Both programs, built."""
    done = subprocess.run(["make", "-s", "-C", TOOL, "all"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def place(programs):
    """A directory with a short name, because a socket's path must be short."""
    path = tempfile.mkdtemp(prefix="ab-")
    os.mkdir(os.path.join(path, "guests"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def boot(place, request):
    """boot(name, memory=MiB, balloon=...) -> a running guest that the daemon can reach."""
    guests = []

    def boot(name, memory=256, balloon="deflate-on-oom=on", extra=(), **options):
        guest = Guest(options.pop("kernel", "overlay"), name=f"ab-{name}", memory=memory, smp=1,
                      balloon=balloon, tb_size=32, accel="tcg",
                      extra=[*monitor(place, name), *extra], **options)
        guests.append(guest)
        guest.daemon_name = f"ab-{name}"
        return guest.start()

    yield boot
    bad = [line for guest in guests for line in guest.bad_dmesg()]
    for guest in guests:
        guest.stop()
    assert not bad, f"kernel log has: {bad[0]}"


@pytest.fixture
def stock(request):
    """Builds the kernel that a test's parameter names, if it is not one that all tests have."""
    kernel = request.param
    if kernel not in paths.VARIANTS:
        builder = os.path.join(paths.TOOLS, "build-kernel")
        done = subprocess.run([builder, kernel], capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return kernel


@pytest.fixture
def bare(place):
    """bare(name, *options): QEMU without a kernel, so without a balloon driver."""
    processes = []

    def start(name, *options):
        process = subprocess.Popen(
            [qemu.program(), "-nodefaults", "-no-user-config", "-display", "none", "-accel",
             "tcg,tb-size=32", "-M", "pc", "-m", "256", "-name", name,
             *monitor(place, name), *options], stdin=subprocess.DEVNULL,
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
def group(request):
    """A small host for the guests that are booted with within=group."""
    shared = memcg.SharedCgroup("ab-" + re.sub(r"[^a-z0-9]+", "-", request.node.name))
    yield shared
    # Guests are stopped by now; what they charged may take a moment to go.
    shared.remove()

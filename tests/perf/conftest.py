"""What the tests of the perf scripts share: the scripts, and a guest with perf."""

import importlib.util
import os
import subprocess
import sys
import types

import pytest

import paths
import perfimage
from guest import Guest

SCRIPTS = perfimage.SCRIPTS

sys.path.insert(0, SCRIPTS)


@pytest.fixture
def script():
    """script(NAME) is the module of a script, as it is loaded outside of perf."""
    def load(name):
        path = os.path.join(SCRIPTS, f"{name}.py")
        spec = importlib.util.spec_from_file_location(name.replace("-", "_"), path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return load


@pytest.fixture
def options():
    """options(...): what a script's Report takes, with its defaults."""
    def make(**more):
        return types.SimpleNamespace(**{"json": True, "page_size": 4096, "rows": 10,
                                        "columns": 64, "interval": 1.0, "count": 0,
                                        "device": None, **more})
    return make


@pytest.fixture(scope="session")
def exec_path(tmp_path_factory):
    """A directory for PERF_EXEC_PATH with the scripts, installed as anyone would."""
    top = tmp_path_factory.mktemp("perf")
    subprocess.run(["make", "-s", "-C", SCRIPTS, "install", f"DESTDIR={top}",
                    "PERF_EXEC_PATH=/core"], check=True)
    return str(top / "core")


@pytest.fixture(scope="session")
def host_perf(exec_path):
    """host_perf(ARGUMENTS...): runs perf on the host with the scripts; returns its output."""
    perf = perfimage.find_perf()
    environment = {**os.environ, "PERF_EXEC_PATH": exec_path,
                   "PATH": f"{os.path.dirname(perf)}:{os.environ['PATH']}",
                   "MPLCONFIGDIR": os.path.join(paths.BUILD, "matplotlib"),
                   "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments):
        done = subprocess.run([perf, *arguments], capture_output=True, text=True,
                              env=environment, check=False, timeout=120)
        assert done.returncode == 0, f"perf {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    return run


@pytest.fixture(scope="module")
def guest():
    """A guest with perf's image; guest.perf(COMMAND) runs perf in it."""
    image = perfimage.build()
    guest = Guest("overlay", name="test-perf", memory=768, drives=[(image, "readonly=on")],
                  balloon="free-page-reporting=on,deflate-on-oom=on")
    with guest:
        guest.sh("mount -o ro /dev/vda /mnt")
        yield guest
        bad = guest.bad_dmesg()
    assert not bad, f"kernel log has: {bad[0]} ({guest.console_log})"

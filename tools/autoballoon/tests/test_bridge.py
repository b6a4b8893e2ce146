"""autoballoon-libvirt without a libvirtd; tests/daemon/test_libvirt.py has one."""

import os
import subprocess
import time

import pytest

from daemon import BUILD

HELPER = os.path.join(BUILD, "autoballoon-libvirt")

pytestmark = pytest.mark.skipif(not os.path.exists(HELPER), reason="built without libvirt-dev")


def start(place):
    return subprocess.Popen([HELPER, "-c", f"qemu+unix:///session?socket={place}/none", "-D",
                             str(place / "sockets")], stderr=subprocess.PIPE, text=True)


def test_it_waits_for_libvirtd_and_has_its_directory_alone(tmp_path):
    first = start(tmp_path)
    try:
        lines = [first.stderr.readline() for _ in range(2)]
        assert any("event=started" in line for line in lines)
        assert any("event=no-libvirt" in line for line in lines)
        second = start(tmp_path)
        _, text = second.communicate(timeout=20)
        assert second.returncode == 1 and "another one uses it" in text
    finally:
        first.terminate()
        start_ms = time.monotonic()
        assert first.wait(10) == 0
        assert time.monotonic() - start_ms < 2
    assert first.stderr.read() == ""    # the reason is told once


@pytest.mark.parametrize("words, text", [(("-D", "x"), "absolute"), (("--none",), "unrecognized"),
                                         (("word",), "Too many")])
def test_wrong_usage(words, text):
    done = subprocess.run([HELPER, *words], capture_output=True, text=True)
    assert done.returncode == 64 and text in done.stderr

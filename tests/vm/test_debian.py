"""A real guest: Debian with systemd on ext4, whose metadata and page cache lie everywhere."""

import base64
import os

import pytest

import debianroot
import memcg
import paths

pytestmark = [pytest.mark.long, pytest.mark.kernels("overlay"),
              pytest.mark.machine(memory=1024, root="debian", tb_size=128)]


def test_it_boots(guest):
    """All of its units are up, and what it writes does not reach the image."""
    assert guest.sh("systemctl is-system-running || :").strip() == "running", guest.sh(
        "systemctl --failed --no-legend")
    assert "/ ext4 rw" in guest.sh("cat /proc/mounts")
    image = os.stat(debianroot.IMAGE)
    assert not guest.exists("/srv/mark")
    guest.sh("echo >/srv/mark; sync")
    assert os.stat(debianroot.IMAGE).st_mtime_ns == image.st_mtime_ns


def test_small_host_of_cgroup2(guest, allow_dmesg):
    """What tests and the bench use to make a host small works where cgroup2 has the memory."""
    check = os.path.join(paths.TOP, "tests", "tools", "small_host.py")
    for path in check, memcg.__file__, os.path.join(paths.TOOLS, "errors.py"):
        with open(path, "rb") as f:
            text = base64.b64encode(f.read()).decode()
        guest.sh(f"echo {text} | base64 -d >/srv/{os.path.basename(path)}")
    allow_dmesg.append("oom-killer|Call Trace|Out of memory|out of memory")
    assert guest.sh("python3 /srv/small_host.py").strip() == "version 2"

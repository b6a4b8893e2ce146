"""A real guest: Debian with systemd on ext4, whose metadata and page cache lie everywhere."""

import os

import pytest

import debianroot

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

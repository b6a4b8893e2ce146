"""Disks for guests."""

import subprocess

from guest import MIB


def ext4_disk(directory, mib):
    """Makes an empty disk with ext4; returns its path."""
    disk = directory / "disk"
    with open(disk, "wb") as f:
        f.truncate(mib * MIB)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", disk], check=True)
    return str(disk)

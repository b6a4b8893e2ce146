"""Chooses QEMU's accelerator by trying, because a /dev/kvm that opens may still not run a kernel.

ACCEL=kvm or ACCEL=tcg in the environment decides instead.
"""

import json
import os
import subprocess
import tempfile

import paths
import qemu
from errors import HostError

PROBE_SECONDS = 10
CACHE = os.path.join(paths.BUILD, "vm", "accel.json")


def choose(image):
    """"kvm" when a guest with this bzImage runs under it, else "tcg"."""
    asked = os.environ.get("ACCEL")
    if asked:
        if asked not in ("kvm", "tcg"):
            raise HostError(f"ACCEL={asked}: must be kvm or tcg")
        return asked
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    machine = paths.first_line("/proc/sys/kernel/random/boot_id")
    known = _cached(machine)
    if not known:
        known = "kvm" if _kvm_boots(image) else "tcg"
        paths.made_dir(os.path.dirname(CACHE))
        with open(CACHE, "w") as f:
            json.dump({"machine": machine, "accel": known}, f)
    return known


def _cached(machine):
    try:
        with open(CACHE) as f:
            cache = json.load(f)
        return cache["accel"] if cache["machine"] == machine else None
    except (OSError, ValueError, KeyError):
        return None


def _kvm_boots(image):
    """Whether a kernel without a root gets as far as its panic in time."""
    with tempfile.NamedTemporaryFile() as console:
        command = [qemu.program(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-accel", "kvm", "-cpu", "host", "-m", "256", "-kernel", image,
                   "-append", "console=ttyS0 panic=-1", "-serial", f"file:{console.name}"]
        try:
            subprocess.run(command, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return False
        return b"Kernel panic" in console.read()

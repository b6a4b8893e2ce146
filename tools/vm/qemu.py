"""Which QEMU runs the guests: the machine's own, or what QEMU= in the environment says.

QEMU=11 is one that tools/vm/fetch-qemu leaves in build/qemu; anything else is a
program by its path or name.
"""

import os
import re
import shutil
import subprocess

import paths
from errors import HostError

STOCK = "qemu-system-x86_64"
NEWER = ("10", "11")  # what make test-long runs the short set on, too
FETCH = os.path.join(paths.TOOLS, "fetch-qemu")


def _fetched(major):
    return os.path.join(paths.BUILD, "qemu", major, STOCK)


def _is_fetched(name):
    return re.fullmatch(r"\d+", name) is not None


def program(name=None):
    """The path of a QEMU by its name; without one that of the environment, or the machine's."""
    name = name or os.environ.get("QEMU") or STOCK
    if _is_fetched(name):
        if not os.path.exists(_fetched(name)):
            raise HostError(f"no QEMU {name} here: run {os.path.relpath(FETCH)} {name}")
        return _fetched(name)
    path = shutil.which(name)
    if path:
        return path
    raise HostError(f"no {name}: run tools/vm/setup run" if name == STOCK else
                    f"QEMU={name}: no such program; a path, or a number such as "
                    f"{' or '.join(NEWER)}")


def ready(name=None):
    """The same, but one that is not here yet is fetched."""
    name = name or os.environ.get("QEMU") or STOCK
    if _is_fetched(name) and subprocess.run([FETCH, name], check=False).returncode:
        raise HostError(f"QEMU {name} is not available (see above)")
    return program(name)


def version():
    """What the QEMU in use calls itself."""
    done = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] or "unknown"

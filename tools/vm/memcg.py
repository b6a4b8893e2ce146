"""A memory cgroup for QEMU alone, version 1 or 2, to read what the host is charged.

The charge is what counts as returned memory: a piece of a transparent huge page
that is discarded leaves the process (RSS falls) while the whole page stays
allocated.  File cache that is not shared memory is left out, for the host may
drop it at will.
"""

import os
import time

from errors import HostError

PREFIX = "page-reporting-"


def _mounts(kind):
    """(mount point, options) of the mounted file systems of a type."""
    with open("/proc/self/mounts") as f:
        rows = [line.split() for line in f]
    return [(row[1], row[3].split(",")) for row in rows if row[2] == kind]


def _own_path(controller):
    """This process's path in a hierarchy: a v1 controller's, or "" for version 2."""
    with open("/proc/self/cgroup") as f:
        for line in f:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return "/"


def _v1_parent():
    for mount, options in _mounts("cgroup"):
        if "memory" in options:
            own = mount + _own_path("memory")
            return own if os.path.isdir(own) else mount
    return None


def _v2_parent():
    """The nearest directory above us that gives its children a memory controller."""
    for mount, _ in _mounts("cgroup2"):
        path = os.path.normpath(mount + _own_path(""))
        while os.path.isdir(path) and path.startswith(mount):
            with open(os.path.join(path, "cgroup.subtree_control")) as f:
                if "memory" in f.read().split():
                    return path
            path = os.path.dirname(path)
    return None


def _remove_dead(parent):
    """Removes groups that a killed run left behind; the name ends in its owner's pid."""
    for name in os.listdir(parent):
        owner = name.rsplit("-", 1)[-1]
        if name.startswith(PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            try:
                os.rmdir(os.path.join(parent, name))
            except OSError:
                pass


class MemoryCgroup:
    def __init__(self, name):
        parent = _v1_parent()
        self.version = 1 if parent else 2
        parent = parent or _v2_parent()
        if not parent:
            raise HostError("no memory cgroup: neither a v1 memory hierarchy nor a v2 one with "
                            "the memory controller enabled is mounted")
        self.path = os.path.join(parent, f"{PREFIX}{name}-{os.getpid()}")
        try:
            _remove_dead(parent)
            os.mkdir(self.path)
        except OSError as error:
            raise HostError(f"cannot make a memory cgroup in {parent}: {error.strerror}; "
                            "run as root") from error
        usage, self._cache = (("memory.usage_in_bytes", "cache") if self.version == 1
                              else ("memory.current", "file"))
        self.procs = os.path.join(self.path, "cgroup.procs")
        self._usage = os.path.join(self.path, usage)
        self._stat = os.path.join(self.path, "memory.stat")

    def charge(self):
        """Bytes the host is charged for the group, less file cache that is not shmem."""
        with open(self._usage) as f:
            usage = int(f.read())
        with open(self._stat) as f:
            stat = dict(line.split() for line in f)
        return usage - max(0, int(stat[self._cache]) - int(stat["shmem"]))

    def remove(self, timeout=10):
        """Removes the group, whose processes must have ended."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

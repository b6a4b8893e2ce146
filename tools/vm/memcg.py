"""Memory cgroups, version 1 or 2: for QEMU alone, to read what the host is charged, or for
several guests that share too little.

The charge is what counts as returned memory: a piece of a transparent huge page
that is discarded leaves the process (RSS falls) while the whole page stays
allocated.  File cache that is not shared memory is left out, because the host may
drop it at will.
"""

import os
import re
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
                for path, _, _ in os.walk(os.path.join(parent, name), topdown=False):
                    os.rmdir(path)
            except OSError:
                pass


def joining(procs, *command):
    """A command that runs another one in a group: that joins before it takes any memory."""
    return ["sh", "-c", 'for file in $1; do echo $$ >"$file" || exit; done; shift; exec "$@"',
            "sh", " ".join(procs), *command]


def _parent():
    """(version, directory) for a new group."""
    parent = _v1_parent()
    version = 1 if parent else 2
    parent = parent or _v2_parent()
    if not parent:
        raise HostError("no memory cgroup: neither a v1 memory hierarchy nor a v2 one with "
                        "the memory controller enabled is mounted")
    return version, parent


def _made(path):
    try:
        _remove_dead(os.path.dirname(path))
        os.mkdir(path)
    except OSError as error:
        raise HostError(f"cannot make a memory cgroup in {os.path.dirname(path)}: "
                        f"{error.strerror}; run as root") from error
    return path


def _remove(path, timeout=10):
    """Removes a group, whose processes must have ended."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class MemoryCgroup:
    """A group for one QEMU.  within: the SharedCgroup that it is a part of.

    procs: the files to write a process's id to
    """

    def __init__(self, name, within=None):
        self.version, parent = (within.version, within.path) if within else _parent()
        self.path = _made(os.path.join(parent, f"{PREFIX}{name}-{os.getpid()}"))
        usage, self._cache = (("memory.usage_in_bytes", "cache") if self.version == 1
                              else ("memory.current", "file"))
        self.procs = [os.path.join(self.path, "cgroup.procs")]
        if within and within.pressure != within.path:
            self.procs.append(os.path.join(within.pressure, "cgroup.procs"))
        self._usage = os.path.join(self.path, usage)
        self._stat = os.path.join(self.path, "memory.stat")

    def charge(self):
        """Bytes the host is charged for the group, less file cache that is not shmem."""
        with open(self._usage) as f:
            usage = int(f.read())
        with open(self._stat) as f:
            stat = dict(line.split() for line in f)
        return usage - max(0, int(stat[self._cache]) - int(stat["shmem"]))

    def remove(self):
        """Removes the group, whose processes must have ended."""
        _remove(self.path)


class SharedCgroup:
    """A small host: a memory cgroup with a limit for several guests, each in a group below it.

    path      its directory, where the memory controller is
    pressure  the same group's directory in the cgroup2 hierarchy, where memory.pressure is;
              path, if that hierarchy has the memory controller
    procs     the files to write the id of a process to that is not a guest's
    """

    def __init__(self, name):
        self.version, parent = _parent()
        name = f"{PREFIX}{name}-{os.getpid()}"
        self.path = self.pressure = _made(os.path.join(parent, name))
        self._below = []
        if self.version == 1:
            unified = [mount for mount, _ in _mounts("cgroup2")]
            if not unified:
                os.rmdir(self.path)
                raise HostError("no cgroup2 hierarchy is mounted: no memory.pressure of a cgroup")
            self.pressure = _made(os.path.join(unified[0], name))
            self.procs = [os.path.join(path, "cgroup.procs")
                          for path in (self.path, self.pressure)]
        else:
            # One with groups below it has no processes of its own.
            self._write("cgroup.subtree_control", "+memory")
            self._below = [_made(os.path.join(self.path, "others"))]
            self.procs = [os.path.join(self._below[0], "cgroup.procs")]

    def _file(self, v1, v2):
        return v1 if self.version == 1 else v2

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def _read(self, name):
        with open(os.path.join(self.path, name)) as f:
            return f.read()

    def usage(self):
        """Bytes charged to all in it, file cache included: what the limit counts."""
        return int(self._read(self._file("memory.usage_in_bytes", "memory.current")))

    def limit(self, size):
        """Sets the limit in bytes."""
        self._write(self._file("memory.limit_in_bytes", "memory.max"), size)

    def forbid_swap(self):
        self._write(self._file("memory.swappiness", "memory.swap.max"), 0)

    def swapped(self):
        """Bytes of its processes that are in the host's swap."""
        if self.version == 2:
            return int(self._read("memory.swap.current"))
        stat = dict(line.split() for line in self._read("memory.stat").splitlines())
        return int(stat.get("total_swap", 0))

    def kills(self):
        """Processes that the host's OOM killer has killed in it, or in a guest's group still
        there: version 1 counts each in its own group only."""
        name, parts = "memory.events", [""]
        if self.version == 1:
            name, parts = "memory.oom_control", ["", *next(os.walk(self.path))[1]]
        events = [line.split() for part in parts
                  for line in self._read(os.path.join(part, name)).splitlines()]
        return sum(int(count) for event, count in events if event == "oom_kill")

    def stall_us(self):
        """How long any of its tasks has waited for memory, us."""
        with open(os.path.join(self.pressure, "memory.pressure")) as f:
            return int(re.search(r"some .*total=(\d+)", f.read()).group(1))

    def remove(self):
        """Removes it; what ran in it must have ended, and the guests' groups be gone."""
        for path in dict.fromkeys((*self._below, self.path, self.pressure)):
            _remove(path)

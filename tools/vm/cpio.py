"""Writes a reproducible newc cpio archive, the kernel's initramfs format.

Members are sorted, owned by root and dated 1970, so that equal contents give
equal bytes and no privilege is needed, not even for device nodes.
"""

import os
import stat


class Archive:
    def __init__(self):
        self._members = {}  # path without leading slash: (mode, rdev, data)

    def _add(self, path, mode, data=b"", rdev=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self._members:
            self.directory(parent)
        self._members[path] = (mode, rdev, data)

    def directory(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data)

    def symlink(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, rdev=(major, minor))

    def has(self, path):
        return path.strip("/") in self._members

    def copy(self, source, path, mode=None):
        """Takes a file of the host in under another path."""
        with open(source, "rb") as f:
            self.file(path, f.read(), mode or stat.S_IMODE(os.stat(source).st_mode))

    def pack(self):
        """Returns the archive.  It is not compressed: an emulated processor unpacks slowly."""
        out = []
        for inode, path in enumerate(sorted(self._members), 1):
            mode, rdev, data = self._members[path]
            out.append(_entry(inode, mode, rdev, path, data))
        out.append(_entry(0, 0, (0, 0), "TRAILER!!!", b""))
        return b"".join(out)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)


def _entry(inode, mode, rdev, path, data):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, rdev[0], rdev[1], len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(data)

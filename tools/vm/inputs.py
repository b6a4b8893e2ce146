"""What guest images are made of: programs, their libraries, and whether they changed."""

import hashlib
import os
import re
import shutil
import subprocess
import threading

import paths


class RootError(Exception):
    """A root for guests cannot be built; the message is for the user."""


def tool(name, group="run"):
    """The path of a program; group: of tools/vm/setup, which installs it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise RootError(f"{name} is missing: run tools/vm/setup {group}")
    return os.path.realpath(path)


def libraries(*programs):
    """The shared libraries of programs and their loader, by the paths they are looked for."""
    listing = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", listing)))


def fingerprint(files):
    """Differs when one of the files does, by name, size or time."""
    digest = hashlib.sha256()
    for path in files:
        status = os.stat(path)
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def write(path, data):
    """Writes a file as a whole or not at all."""
    # Others, and other threads, may build at the same time.
    new = f"{path}.{os.getpid()}.{threading.get_ident()}"
    with open(new, "wb") as f:
        f.write(data)
    os.replace(new, path)


def up_to_date(target, stamp):
    """Was the target made of what has this fingerprint?"""
    path = target + ".stamp"
    return (os.path.exists(target) and os.path.exists(path)
            and paths.first_line(path) == stamp)


def made(target, stamp):
    """Notes what the target was made of, and says so."""
    write(target + ".stamp", stamp.encode() + b"\n")
    print(f"guest: {os.path.relpath(target, paths.TOP)}, "
          f"{os.path.getsize(target) / 2**20:.1f} MiB")

"""Builds build/guest/perf.img: perf with its Python, and our scripts for it.

An ext4 image for a virtio disk, to be mounted read-only; /enter in it runs a command
in there.  It is made of what is installed on the host: Debian's perf, its libraries
and the standard library of the Python that it embeds.  mke2fs fills it without a
loop mount, so that neither root nor the host's kernel is needed.
"""

import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile

import inputs
import paths
from inputs import RootError

IMAGE = os.path.join(paths.GUEST, "perf.img")
SCRIPTS = os.path.join(paths.TOP, "tools", "perf-scripts")
ENTER = os.path.join(paths.TOOLS, "enter")
SPARE = 8 << 20  # bytes beyond what is in it
# Of Python's standard library, what no script for perf needs.
LEFT_OUT = re.compile(r"(asyncio|config-.*|curses|dbm|dist-packages|distutils|ensurepip|idlelib|"
                      r"lib2to3|multiprocessing|pydoc_data|site-packages|sqlite3|test|tests|"
                      r"tkinter|turtledemo|unittest|venv|wsgiref|xmlrpc|__pycache__|"
                      r".*\.pyc|(_tkinter|_sqlite3|_g?dbm|_curses.*|_ssl|_hashlib|_test.*|nis|"
                      r"readline)\.cpython-.*)$")


def find_perf():
    """perf itself: /usr/bin/perf may be a script that looks for the running kernel's."""
    inputs.tool("perf", "test")
    for path in ("/usr/bin/perf", *sorted(glob.glob("/usr/bin/perf_*"), reverse=True)):
        if os.path.exists(path):
            with open(path, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    return path
    raise RootError("no perf program in /usr/bin: run tools/vm/setup test")


def _python(libraries):
    """The interpreter of the version that perf embeds."""
    for library in libraries:
        match = re.search(r"libpython(3\.\d+)", library)
        if match:  # not one that PATH finds: Debian's, with the library beside it
            return inputs.tool(f"/usr/bin/python{match.group(1)}", "test")
    raise RootError("this perf cannot run Python scripts")


def _tree(top):
    """The files below a directory that belong into the image."""
    found = []
    for directory, dirs, names in os.walk(top):
        dirs[:] = sorted(name for name in dirs if not LEFT_OUT.match(name))
        found += [os.path.join(directory, name) for name in sorted(names)
                  if not LEFT_OUT.match(name)]
    return found


def _copy(path, root, name=None):
    target = os.path.join(root, (name or path).lstrip("/"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(path, target)


def build():
    """Brings the image up to date and returns its path."""
    paths.made_dir(paths.GUEST)
    with open(IMAGE + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build()


def _build():
    perf = find_perf()
    python = _python(inputs.libraries(perf))
    busybox = inputs.tool("busybox")
    mke2fs = inputs.tool("mke2fs", "test")
    core = subprocess.run([perf, "--exec-path"], capture_output=True, text=True,
                          check=True).stdout.strip()
    stdlib = os.path.join("/usr/lib", os.path.basename(python))
    modules = _tree(stdlib)
    libraries = inputs.libraries(perf, python, *(m for m in modules if m.endswith(".so")))
    host = [perf, python, busybox, *libraries, *modules, *_tree(os.path.join(core, "scripts"))]
    stamp = inputs.fingerprint([__file__, inputs.__file__, ENTER, mke2fs, *_tree(SCRIPTS), *host])
    if inputs.up_to_date(IMAGE, stamp):
        return IMAGE

    with tempfile.TemporaryDirectory(dir=paths.GUEST) as root:
        os.chmod(root, 0o755)
        for directory in ("bin", "dev", "proc", "sys", "tmp"):
            os.mkdir(os.path.join(root, directory))
        for path in host:
            _copy(path, root)
        _copy(busybox, root, "bin/busybox")
        _copy(perf, root, "usr/bin/perf")
        _copy(ENTER, root, "enter")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True,
                                     check=True).stdout.split():
            if applet != "busybox":
                os.symlink("busybox", os.path.join(root, "bin", applet))
        os.symlink(os.path.basename(python), os.path.join(root, "usr/bin/python3"))
        _run("make", "-s", "-C", SCRIPTS, "install", f"DESTDIR={root}", f"PERF_EXEC_PATH={core}")
        # Compiling them in an emulated guest, each time, takes seconds.
        _run(python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
             "-s", root, root + stdlib, os.path.join(root + core, "scripts/python/pagereporting"))
        _make_image(root, mke2fs)
    inputs.made(IMAGE, stamp)
    return IMAGE


def _make_image(root, mke2fs):
    size = SPARE + sum(-(-os.lstat(os.path.join(directory, name)).st_size // 4096) * 4096
                       for directory, dirs, names in os.walk(root) for name in dirs + names)
    size = int(size * 1.1)  # inodes and block maps
    new = f"{IMAGE}.{os.getpid()}"
    try:
        with open(new, "wb") as f:
            f.truncate(size)
        _run(mke2fs, "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-b", "4096",
             "-E", "root_owner=0:0", "-L", "perf", "-d", root, new)
        os.replace(new, IMAGE)
    finally:
        if os.path.exists(new):
            os.unlink(new)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RootError(f"{IMAGE}: {os.path.basename(command[0])} failed: "
                        f"{words[-1] if words else done.returncode}")

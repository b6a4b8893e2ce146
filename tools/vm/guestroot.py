"""Builds the guest's root: an initramfs of busybox, stress-ng, our programs and /init.

build/guest/initramfs.cpio.gz serves every kernel.  A kernel that has modules
gets a copy of it with its modules appended, for the kernel unpacks one gzip'd
archive after the other.
"""

import glob
import os
import subprocess

import cpio
import inputs
import paths
from inputs import RootError, libraries

INITRAMFS = os.path.join(paths.GUEST, "initramfs.cpio.gz")
MAX_BYTES = 25 << 20
CC = ["gcc", "-O2", "-Wall", "-Wextra", "-static", "-s"]


def _programs():
    """Each program's name and sources."""
    single = [os.path.join(paths.TOOLS, "agent.c")] + sorted(
        glob.glob(os.path.join(paths.GUEST_PROGRAMS, "*.c")))
    programs = {os.path.splitext(os.path.basename(source))[0]: [source] for source in single}
    programs["page-reporting"] = sorted(glob.glob(os.path.join(paths.GUEST_TOOL, "*.c")))
    return programs


def _compile(name, sources):
    """Compiles one program unless it is newer than all it is made of."""
    program = os.path.join(paths.made_dir(paths.GUEST, "bin"), name)
    headers = glob.glob(os.path.join(os.path.dirname(sources[0]), "*.h"))
    parts = [*sources, __file__, *headers]
    if (os.path.exists(program)
            and os.path.getmtime(program) > max(os.path.getmtime(part) for part in parts)):
        return program
    print(f"guest: compiling {name}")
    done = subprocess.run(CC + ["-o", program, *sources, "-lpthread"], capture_output=True, text=True)
    if done.returncode:
        raise RootError(f"cannot compile {name}:\n{done.stderr}")
    if done.stderr:
        print(done.stderr, end="")
    return program


def _finish(target, stamp, data):
    inputs.write(target, data)
    inputs.made(target, stamp)


def build():
    """Brings the initramfs up to date and returns its path."""
    busybox = inputs.tool("busybox")
    stress_ng = inputs.tool("stress-ng")
    needed = libraries(stress_ng)
    programs = [_compile(name, sources) for name, sources in _programs().items()]
    init = os.path.join(paths.TOOLS, "init")
    stamp = inputs.fingerprint([busybox, stress_ng, init, __file__, inputs.__file__, cpio.__file__]
                               + needed + programs)
    if inputs.up_to_date(INITRAMFS, stamp):
        return INITRAMFS

    root = cpio.Archive()
    for directory in ("dev", "proc", "sys", "run", "root", "mnt", "var", "usr/sbin", "sbin"):
        root.directory(directory)
    root.directory("tmp", 0o1777)
    root.char_device("dev/console", 5, 1)
    root.char_device("dev/null", 1, 3, 0o666)
    root.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    root.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    root.copy(init, "init", 0o755)
    root.copy(busybox, "bin/busybox", 0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True,
                                 check=True).stdout.split():
        if applet != "busybox":
            root.symlink(f"bin/{applet}", "busybox")
    root.copy(stress_ng, "usr/bin/stress-ng", 0o755)
    for library in needed:
        root.copy(library, library, 0o755)
    for program in programs:
        root.copy(program, f"usr/bin/{os.path.basename(program)}", 0o755)
    data = root.pack()
    if len(data) > MAX_BYTES:
        raise RootError(f"initramfs is {len(data) >> 20} MiB, more than {MAX_BYTES >> 20}")
    _finish(INITRAMFS, stamp, data)
    return INITRAMFS


def for_kernel(image):
    """The initramfs for a bzImage: with /lib/modules/*.ko where it has some beside it."""
    files = sorted(glob.glob(os.path.join(os.path.dirname(image), "modules", "*.ko")))
    if not files:
        return INITRAMFS
    folder, variant = os.path.split(os.path.dirname(image))
    target = os.path.join(paths.GUEST,
                          f"initramfs-{os.path.basename(folder)}-{variant}.cpio.gz")
    stamp = inputs.fingerprint([INITRAMFS] + files)
    if not inputs.up_to_date(target, stamp):
        archive = cpio.Archive()
        for name in files:
            archive.copy(name, os.path.join("lib/modules", os.path.basename(name)), 0o644)
        with open(INITRAMFS, "rb") as f:
            _finish(target, stamp, f.read() + archive.pack())
    return target

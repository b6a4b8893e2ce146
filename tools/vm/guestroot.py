"""Builds the guest's root: an initramfs of busybox, stress-ng, our programs and /init.

build/guest/initramfs.cpio serves every kernel for x86-64, those of other machines
have one of theirs, without stress-ng.  A kernel that has modules gets a copy of it
with its modules appended: the kernel unpacks one archive after the other.
"""

import glob
import os
import subprocess

import arch
import cpio
import inputs
import paths
from inputs import RootError, libraries

MAX_BYTES = 64 << 20
CFLAGS = ["-O2", "-Wall", "-Wextra", "-static", "-s"]
FETCH_PROGRAM = os.path.join(paths.TOOLS, "fetch-program")
HOST = arch.ARCHS[arch.HOST]


def _of(machine, name):
    """A file's name for a machine: the host's has the short one."""
    return f"{name}-{machine.debian}" if machine.debian else name


def _initramfs(machine):
    return os.path.join(paths.GUEST, _of(machine, "initramfs") + ".cpio")


def _programs():
    """Each program's name and sources."""
    single = [os.path.join(paths.TOOLS, "agent.c")] + sorted(
        glob.glob(os.path.join(paths.GUEST_PROGRAMS, "*.c")))
    programs = {os.path.splitext(os.path.basename(source))[0]: [source] for source in single}
    programs["page-reporting"] = sorted(glob.glob(os.path.join(paths.GUEST_TOOL, "*.c")))
    return programs


def _compile(machine, name, sources):
    """Compiles one program unless it is newer than all it is made of."""
    program = os.path.join(paths.made_dir(paths.GUEST, _of(machine, "bin")), name)
    headers = glob.glob(os.path.join(os.path.dirname(sources[0]), "*.h"))
    parts = [*sources, __file__, *headers]
    if (os.path.exists(program)
            and os.path.getmtime(program) > max(os.path.getmtime(part) for part in parts)):
        return program
    print(f"guest: compiling {name}" + (f" for {machine.debian}" if machine.debian else ""))
    compiler = inputs.tool(machine.compiler, "arch" if machine.debian else "run")
    done = subprocess.run([compiler, *CFLAGS, "-o", program, *sources, "-lpthread"],
                          capture_output=True, text=True)
    if done.returncode:
        raise RootError(f"cannot compile {name}:\n{done.stderr}")
    if done.stderr:
        print(done.stderr, end="")
    return program


def _finish(target, stamp, data):
    inputs.write(target, data)
    inputs.made(target, stamp)


def _fetched(machine, package, path):
    """A program of Debian's for another machine, as tools/vm/fetch-program leaves it."""
    program = os.path.join(paths.BUILD, "foreign", machine.debian, package, path)
    if not os.path.exists(program) and subprocess.run(
            [FETCH_PROGRAM, machine.debian, package], check=False).returncode:
        raise RootError(f"no {package} for {machine.debian} (see above)")
    return program


def build(machine=HOST):
    """Brings the initramfs of a machine up to date and returns its path."""
    target = _initramfs(machine)
    native = inputs.tool("busybox")
    busybox, copied = native, []
    if machine.debian:
        busybox = _fetched(machine, "busybox-static", "bin/busybox")
    else:
        stress_ng = inputs.tool("stress-ng")
        copied = [(stress_ng, "usr/bin/stress-ng"),
                  *((library, library) for library in libraries(stress_ng))]
    programs = [_compile(machine, name, sources) for name, sources in _programs().items()]
    init = os.path.join(paths.TOOLS, "init")
    stamp = inputs.fingerprint([native, busybox, init, __file__, inputs.__file__, cpio.__file__]
                               + [source for source, _ in copied] + programs)
    if inputs.up_to_date(target, stamp):
        return target

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
    # Another machine's does not run here: Debian has the same ones on all.
    for applet in subprocess.run([native, "--list"], capture_output=True, text=True,
                                 check=True).stdout.split():
        if applet != "busybox":
            root.symlink(f"bin/{applet}", "busybox")
    for source, path in copied:
        root.copy(source, path, 0o755)
    for program in programs:
        root.copy(program, f"usr/bin/{os.path.basename(program)}", 0o755)
    data = root.pack()
    if len(data) > MAX_BYTES:
        raise RootError(f"initramfs is {len(data) >> 20} MiB, more than {MAX_BYTES >> 20}")
    _finish(target, stamp, data)
    return target


def for_kernel(image, machine=HOST):
    """The initramfs for a kernel's image: with /lib/modules/*.ko where it has some beside it."""
    common = _initramfs(machine)
    modules = os.path.join(os.path.dirname(image), "modules")
    # And the list of those that init is to load.
    files = sorted(glob.glob(os.path.join(modules, "*.ko")) +
                   glob.glob(os.path.join(modules, "load")))
    if not files:
        return common
    folder, variant = os.path.split(os.path.dirname(image))
    target = os.path.join(paths.GUEST,
                          f"initramfs-{os.path.basename(folder)}-{variant}.cpio")
    stamp = inputs.fingerprint([common] + files)
    if not inputs.up_to_date(target, stamp):
        archive = cpio.Archive()
        for name in files:
            archive.copy(name, os.path.join("lib/modules", os.path.basename(name)), 0o644)
        with open(common, "rb") as f:
            _finish(target, stamp, f.read() + archive.pack())
    return target

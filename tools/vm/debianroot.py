"""Builds build/guest/debian.img: Debian 12 on ext4, a guest that does real work.

debootstrap makes the system of the packages below, from the mirror that apt uses
here; that needs the network and some minutes, and is kept as a tar file until the
recipe changes.  mke2fs makes the image of it without a loop mount.  A guest never
writes to the image: QEMU keeps what it writes elsewhere (Guest(root="debian")).

The command agent and the tests' programs are not in the image: the initramfs
brings them (init).  So a program that changes costs no new image.

with_packages() makes another one, with packages installed by apt.  The agent is in it, for
its kernel may be one that boots without an initramfs.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

import guestroot
import inputs
import paths
from inputs import RootError

IMAGE = os.path.join(paths.GUEST, "debian.img")
BASE = os.path.join(paths.GUEST, "debian.tar")
LOG = os.path.join(paths.BUILD, "log", "debian.log")

SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "udev", "dbus", "kmod", "procps", "e2fsprogs", "postgresql-15",
            "gcc", "libc6-dev", "make", "python3", "stress-ng")
# Removed once everything is set up: documents, lists, and what PostgreSQL
# compiles queries with, which is larger than all the rest of it.
TRIMMED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
           "usr/share/i18n", "usr/share/lintian", "usr/share/X11", "var/lib/apt/lists",
           "var/cache/apt", "var/cache/debconf", "var/log/bootstrap.log", "debootstrap",
           "usr/sbin/policy-rc.d", "etc/dpkg/dpkg.cfg.d/speed",
           "usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
           "usr/lib/postgresql/15/lib/bitcode", "usr/lib/postgresql/15/lib/llvmjit.so")
SIZE = 6 << 30  # bytes that the guest sees; what is not written takes no space

# While it is set up no service may start, and nothing needs to reach the disk.
WHILE_SETTING_UP = {
    "usr/sbin/policy-rc.d": (0o755, "#!/bin/sh\nexit 101\n"),
    "etc/dpkg/dpkg.cfg.d/speed": (0o644, "force-unsafe-io\n"),
}

# Units that load modules, into a kernel that has none.
LOADERS = ("systemd-modules-load.service", "modprobe@.service", "kmod-static-nodes.service")
# Units that serve a console that nobody sits at, or work by the clock.
MASKED = ("getty@.service", "serial-getty@.service", "getty-static.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
          "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "systemd-tmpfiles-clean.timer", "systemd-pcrphase.service",
          "systemd-pcrphase-sysinit.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service", "systemd-binfmt.service",
          "proc-sys-fs-binfmt_misc.automount", "systemd-pstore.service",
          "systemd-random-seed.service")
# Started by who wants it, not at boot.
DISABLED = ("etc/systemd/system/multi-user.target.wants/postgresql.service",)

UNITS = "etc/systemd/system/"
FILES = {
    "etc/hostname": (0o644, "guest\n"),
    "etc/fstab": (0o644, ""),
    # Without one, each boot would be a first one, with all that systemd does then.
    "etc/machine-id": (0o444, "0123456789abcdef0123456789abcdef\n"),
    "etc/systemd/system.conf.d/guest.conf": (0o644, "[Manager]\nShowStatus=no\n"),
    # The agent begins once everything else is up.
    UNITS + "guest.target": (0o644, """\
[Unit]
Description=Guest that takes commands
Requires=multi-user.target
After=multi-user.target
AllowIsolate=yes
"""),
    UNITS + "guest-agent.service": (0o644, """\
[Unit]
Description=Command agent
After=multi-user.target

[Service]
ExecStart=/usr/local/bin/agent /dev/ttyS1
Environment=HOME=/root
OOMScoreAdjust=-1000
LimitMEMLOCK=infinity
TasksMax=infinity
"""),
    "etc/postgresql/15/main/pg_hba.conf": (0o640, "local all all trust\n"),
    "etc/postgresql/15/main/conf.d/guest.conf": (0o644, """\
listen_addresses = ''
jit = off
"""),
}
LINKS = {
    UNITS + "default.target": "guest.target",
    UNITS + "guest.target.wants/guest-agent.service": "../guest-agent.service",
    **{UNITS + unit: "/dev/null" for unit in MASKED},
}
WITHOUT_LOADERS = {UNITS + unit: "/dev/null" for unit in LOADERS}


def build():
    """Brings the image up to date and returns its path."""
    paths.made_dir(paths.GUEST)
    with open(IMAGE + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        links = {**LINKS, **WITHOUT_LOADERS}
        stamp = _stamp(_base_stamp(), DISABLED, FILES, links, SIZE)
        if inputs.up_to_date(IMAGE, stamp):
            return IMAGE
        _ready_base()
        _make_image(IMAGE, BASE, links)
        inputs.made(IMAGE, stamp)
        return IMAGE


def with_packages(name, archive, files):
    """Brings build/guest/NAME.img up to date and returns its path and that of its kernel.

    archive: names of Debian's packages, which need the network the first time only; files:
    packages of others, one of them a kernel, that ask for no more than those.
    """
    image = os.path.join(paths.GUEST, f"{name}.img")
    kernel = os.path.join(paths.GUEST, f"{name}.vmlinuz")
    guestroot.build()
    agent = os.path.join(paths.GUEST, "bin", "agent")
    with open(IMAGE + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _stamp(_base_stamp(), archive, [_digest(path) for path in (__file__, agent, *files)])
        if inputs.up_to_date(image, stamp) and os.path.exists(kernel):
            return image, kernel
        _ready_base()

        def install(root):
            _install_files(root, files)
            shutil.copy(agent, os.path.join(root, "usr/local/bin"))
            installed, = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))
            shutil.copy(installed, kernel)

        _make_image(image, _with_archive(name, archive), LINKS, install)
        inputs.made(image, stamp)
        return image, kernel


def _digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _base_stamp():
    return _stamp(SUITE, PACKAGES, WHILE_SETTING_UP, TRIMMED)


def _ready_base():
    """The system as debootstrap makes it."""
    if os.geteuid():
        raise RootError("a Debian root needs root to be built")
    paths.made_dir(os.path.dirname(LOG))
    open(LOG, "w").close()
    stamp = _base_stamp()
    if not inputs.up_to_date(BASE, stamp):
        _make_base()
        inputs.made(BASE, stamp)


def _stamp(*recipe):
    return hashlib.sha256(repr(recipe).encode()).hexdigest()


def _run(*command, **options):
    with open(LOG, "a") as log:
        log.write(f"+ {' '.join(command)}\n")
        log.flush()
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False,
                          **options).returncode:
            raise RootError(f"{os.path.basename(command[0])} failed while Debian's root was made: "
                            f"see {os.path.relpath(LOG, paths.TOP)}")


def _ask_apt(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def _mirror():
    """Where apt gets this suite from."""
    found = _ask_apt("apt-get", "indextargets", "--format", "$(REPO_URI)",
                     "Created-By: Packages", "Origin: Debian", f"Codename: {SUITE}",
                     "Component: main")
    if not found:
        raise RootError(f"apt has no lists of Debian's {SUITE} here: add it to the apt sources "
                        "and run apt-get update")
    return found[0]


def _environment():
    """For debootstrap, with the proxy that apt goes through."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                   "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": "/tmp"}
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name in os.environ:
            environment[name] = os.environ[name]
    for scheme in ("http", "https"):
        proxy = _ask_apt("apt-config", "shell", "proxy", f"Acquire::{scheme}::Proxy")
        if proxy:
            environment[f"{scheme}_proxy"] = proxy[0].removeprefix("proxy=").strip("'")
    return environment


def _make_base():
    debootstrap = inputs.tool("debootstrap")
    print(f"guest: Debian {SUITE} by debootstrap, some minutes", flush=True)
    environment = _environment()
    with tempfile.TemporaryDirectory(dir=paths.GUEST) as work:
        root = os.path.join(work, "root")
        _run(debootstrap, "--foreign", "--variant=minbase", "--merged-usr",
             f"--include={','.join(PACKAGES)}", SUITE, root, _mirror(), env=environment)
        _write_files(root, WHILE_SETTING_UP)
        _run_in(root, "/debootstrap/debootstrap", "--second-stage", env=environment)
        _trim(root)
        _pack(root, BASE)


def _pack(root, tar):
    new = tar + ".new"
    _run("tar", "-C", root, "--numeric-owner", "--one-file-system", "-cf", new, ".")
    os.replace(new, tar)


def _unpack(tar, root):
    os.mkdir(root)
    _run("tar", "-C", root, "--numeric-owner", "-xpf", tar)


def _run_in(root, *command, env):
    """Runs a command in a root, with mounts and processes of its own, which end with it."""
    _run("unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", root, *command, env=env)


def _trim(root):
    for path in TRIMMED:
        path = os.path.join(root, path)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def _apt(root, script, *arguments):
    """Runs a script in which $apt is the root's own apt-get."""
    _write_files(root, WHILE_SETTING_UP)
    for path in "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/cache/debconf":
        os.makedirs(os.path.join(root, path), exist_ok=True)
    _run_in(root, "sh", "-ec", "mount -t proc proc /proc; "
            "apt='apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "
            "-o APT::Sandbox::User=root'; " + script,
            "apt", *arguments, env=_environment())
    _trim(root)


def _with_archive(name, archive):
    """A tar file of the base with more of Debian's packages."""
    tar = os.path.join(paths.GUEST, f"{name}.tar")
    stamp = _stamp(_base_stamp(), archive)
    if inputs.up_to_date(tar, stamp):
        return tar
    print(f"guest: apt installs {', '.join(archive)}", flush=True)
    with tempfile.TemporaryDirectory(dir=paths.GUEST) as work:
        root = os.path.join(work, "root")
        _unpack(BASE, root)
        _write_files(root, {"etc/apt/sources.list": (0o644, f"deb {_mirror()} {SUITE} main\n")})
        names = os.path.join(root, "etc", "resolv.conf")
        if os.path.exists("/etc/resolv.conf"):
            shutil.copy("/etc/resolv.conf", names)
        _apt(root, '$apt update; $apt install "$@"', *archive)
        if os.path.exists(names):
            os.unlink(names)
        _pack(root, tar)
    inputs.made(tar, stamp)
    return tar


def _install_files(root, files):
    there = os.path.join(root, "packages")
    os.mkdir(there)
    for path in files:
        shutil.copy(path, there)
    _apt(root, "$apt install /packages/*.deb")
    shutil.rmtree(there)


def _write_files(root, files):
    for path, (mode, text) in files.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        owner = os.stat(path) if os.path.exists(path) else None  # PostgreSQL's are its own
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        if owner:
            os.chown(path, owner.st_uid, owner.st_gid)


def _make_image(image, tar, links, change=lambda root: None):
    """Makes an image of a packed root, our files and links, and what change() does to it."""
    mke2fs = inputs.tool("mke2fs")
    with tempfile.TemporaryDirectory(dir=paths.GUEST) as work:
        root = os.path.join(work, "root")
        _unpack(tar, root)
        change(root)
        for path in DISABLED:
            os.unlink(os.path.join(root, path))
        _write_files(root, FILES)
        for path, target in links.items():
            path = os.path.join(root, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(target, path)
        new = os.path.join(work, "image")
        with open(new, "wb") as f:
            f.truncate(SIZE)
        # As Debian makes them, but all at once: nothing is left for a kernel to do later.
        _run(mke2fs, "-q", "-F", "-t", "ext4", "-L", "debian", "-d", root,
             "-E", "lazy_itable_init=0,lazy_journal_init=0", new)
        os.replace(new, image)

"""autoballoond with the domains of a real libvirtd: a user's own one, in a directory of the test."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import guestroot
import paths
from autoballoon_common import MIB

PROGRAMS = ("libvirtd", "virsh", "setpriv")
HELPER = os.environ.get("AUTOBALLOON_LIBVIRT", os.path.join(paths.BUILD, "autoballoon", "release",
                                                            "autoballoon-libvirt"))
USER = "nobody"     # as root, libvirtd would be the system's
NAMES = ("vm0", "vm1", "vm2")
RAM = 256 * MIB

pytestmark = [pytest.mark.long, pytest.mark.alone]

DOMAIN = """
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd><cmdline>console=ttyS0 no_timer_check panic=-1</cmdline></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='{place}/{name}.log'/></serial>
    <memballoon model='virtio' autodeflate='on'><stats period='10'/></memballoon>
  </devices>
</domain>
"""


class Libvirt:
    """A libvirtd of its own for USER."""

    def __init__(self, place):
        self.place = place
        self.process = None
        self.environment = {**os.environ, "HOME": place, "XDG_RUNTIME_DIR": f"{place}/run",
                            **{f"XDG_{name}_HOME": f"{place}/{name.lower()}"
                               for name in ("CONFIG", "CACHE", "DATA")}}
        self.uri = f"qemu+unix:///session?socket={place}/run/libvirt/libvirt-sock"
        for name in ("", "/run"):
            os.makedirs(place + name, exist_ok=True)
            os.chown(place + name, pwd.getpwnam(USER).pw_uid, -1)

    def as_user(self, *command):
        return ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", *command]

    def start(self):
        with open(f"{self.place}/libvirtd.log", "a") as log:
            self.process = subprocess.Popen(self.as_user("libvirtd", "--timeout", "600"),
                                            env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.virsh("list", check=False).returncode:
            assert time.monotonic() < deadline and self.process.poll() is None, self.log()
            time.sleep(0.1)

    def log(self):
        with open(f"{self.place}/libvirtd.log") as f:
            return f.read()[-3000:]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def virsh(self, *words, check=True):
        return subprocess.run(self.as_user("virsh", "-q", "-c", self.uri, *words), text=True,
                              env=self.environment, capture_output=True, check=check, timeout=60)

    def size(self, name):
        lines = self.virsh("dommemstat", name).stdout.splitlines()
        return int(dict(line.split() for line in lines)["actual"]) << 10

    def create(self, name, kernel, initrd):
        path = f"{self.place}/{name}.xml"
        with open(path, "w") as f:
            f.write(DOMAIN.format(name=name, kernel=kernel, initrd=initrd, place=self.place))
        self.virsh("create", path)


@pytest.fixture
def libvirt():
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {missing[0]} here: tools/vm/setup test installs libvirt")
    place = tempfile.mkdtemp(prefix="ab-")
    os.chmod(place, 0o755)
    libvirt = Libvirt(place)
    try:
        libvirt.start()
        yield libvirt
        if libvirt.process.poll() is not None:
            libvirt.start()
        for name in libvirt.virsh("list", "--name").stdout.split():
            libvirt.virsh("destroy", name)
    finally:
        libvirt.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def domains(libvirt):
    """Three domains that boot the guest kernel."""
    image = paths.kernel_image("overlay")
    kernel, initrd = f"{libvirt.place}/kernel", f"{libvirt.place}/initrd"
    shutil.copy(image, kernel)
    shutil.copy(guestroot.for_kernel(image), initrd)
    for path in kernel, initrd:
        os.chmod(path, 0o644)
    for name in NAMES:
        libvirt.create(name, kernel, initrd)
    return libvirt


@pytest.fixture
def helper(programs, domains):
    environment = {**os.environ, "XDG_RUNTIME_DIR": f"{domains.place}/run"}
    # Of one that was killed, and a domain that has ended since.
    stale = f"{domains.place}/sockets/6ba7b810-9dad-11d1-80b4-00c04fd430c8.sock"
    os.mkdir(os.path.dirname(stale))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    with open(f"{domains.place}/helper.log", "w") as log:
        process = subprocess.Popen([HELPER, "-c", domains.uri, "-D", f"{domains.place}/sockets"],
                                   env=environment, stderr=log)
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    with open(f"{domains.place}/helper.log") as log:
        print(log.read())
    assert os.listdir(f"{domains.place}/sockets") == ["lock"]


def test_domains_are_balanced(helper, domains, run):
    """They give under pressure, keep to virsh setmem, and outlast a libvirtd that restarts."""
    libvirt = domains
    daemon = run({"daemon": {"libvirt-sockets": f"{libvirt.place}/sockets/*.sock"},
                  "policy": {"amounts": "wiki-2013-06", "give-after": "2s", "give-step": "100",
                             "give-interval": "1s", "foreign-pause": "5s", "boot-pause": "1s"}})
    daemon.wait_ready(*NAMES, timeout=120)
    for name in NAMES:
        guest = daemon.guest(name)
        assert guest["transport"] == "libvirt" and guest["ram"] == RAM
        # Of the process in libvirt's file, which is looked at now and then.
        daemon.wait(lambda: daemon.guest(name)["rss"] > 64 * MIB, 40, f"memory of {name}")

    def sizes():
        return [libvirt.size(name) for name in NAMES]

    def take():
        """Pressure, until each has given; one whose statistics are late is not asked at once."""
        full = sizes()
        before = {name: daemon.guest(name)["takes"] for name in NAMES}
        deadline = time.monotonic() + 60
        while waiting := [n for n in NAMES if daemon.guest(n)["takes"] == before[n]]:
            assert time.monotonic() < deadline, f"{waiting} did not give"
            daemon.wait(lambda: daemon.guest(waiting[0])["why"] == "none", 30, "a guest at rest")
            daemon.ctl("inject", "medium", check=False)
        daemon.wait(lambda: all(s < f for s, f in zip(sizes(), full)) or
                    all(daemon.guest(name)["gives"] for name in NAMES), 40, "takes")

    take()
    daemon.wait(lambda: sizes() == [RAM] * 3, 60, "full size after the pressure")

    # Somebody else's size is a ceiling: it gets back to that and no further.
    libvirt.virsh("setmem", "vm0", "200M", "--live")
    daemon.wait(lambda: daemon.guest("vm0")["why"] == "foreign", 20, "foreign")
    daemon.wait(lambda: daemon.guest("vm0")["why"] == "none", 20, "end of the pause")
    take()
    daemon.wait(lambda: sizes() == [200 * MIB, RAM, RAM], 60, "sizes as they were set")

    # libvirtd goes: nothing is lost, and what was taken is still known.
    daemon.ctl("set", "vm1", "230M")
    daemon.wait(lambda: libvirt.size("vm1") == 230 * MIB, 20, "size that was set")
    libvirt.stop()
    daemon.wait(lambda: all(daemon.guest(name)["why"] == "stale-stats" for name in NAMES), 60,
                "old statistics")
    libvirt.start()
    daemon.wait(lambda: all(daemon.guest(name)["why"] == "none" for name in NAMES), 60,
                "fresh statistics")
    assert sizes() == [200 * MIB, 230 * MIB, RAM]
    assert daemon.guest("vm1")["manual"] and not daemon.events("set-overruled")
    assert not daemon.events("gone") and len(daemon.events("connected")) == len(NAMES)
    take()
    daemon.wait(lambda: sizes() == [200 * MIB, 230 * MIB, RAM], 60, "the same sizes")

    # One that hangs holds up itself alone.
    pid = daemon.guest("vm2")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        daemon.wait(lambda: daemon.guest("vm2")["why"] == "stale-stats", 60, "a domain that hangs")
        before = {name: daemon.guest(name)["stats_age_ms"] for name in ("vm0", "vm1")}
        assert max(before.values()) < 15000, before
        assert all(daemon.guest(name)["why"] == "none" for name in before)
    finally:
        os.kill(pid, signal.SIGCONT)
    daemon.wait(lambda: daemon.guest("vm2")["why"] == "none", 90, "the domain again")

    # A domain that ends is gone.
    libvirt.virsh("destroy", "vm2")
    daemon.wait(lambda: daemon.guest("vm2") is None, 20, "end of a domain")

    # Without the daemon statistics come as often as the domain says, and sizes stay.
    def period():
        return re.search(r"<stats period='(\d+)'", libvirt.virsh("dumpxml", "vm0").stdout)[1]
    assert period() in ("1", "5")
    assert daemon.stop() == 0
    deadline = time.monotonic() + 20
    while period() != "10":
        assert time.monotonic() < deadline, period()
        time.sleep(0.1)
    assert libvirt.size("vm0") == 200 * MIB

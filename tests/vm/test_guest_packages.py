"""The packages of `make deb` in Debian 12: installed by apt, its kernel booted from there.

The system is that of root="debian" with Debian's podman beside them.  The kernel is the one
that apt has put into /boot, and boots without an initramfs.
"""

import json
import os
import re
import subprocess
import time

import pytest

import debianroot
import paths
from conftest import Held
from guest import MIB, Guest
from test_reporting import comes_back

pytestmark = pytest.mark.long

# netavark, which makes podman's networks, goes through iptables.
ARCHIVE = ("podman", "crun", "netavark", "aardvark-dns", "iptables", "apparmor", "busybox-static",
           "linux-perf")
OURS = ("linux-image-*", "page-reporting", "page-reporting-perf")


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with all of them."""
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run(["make", "-s", "-C", paths.TOP, "deb", "KERNEL=6.12",
                           f"DEB={folder}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return folder


def test_lintian_has_no_error(packages):
    """Of those that the kernel's own makefiles make."""
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error",
                           *packages.glob("linux-*.deb")], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0


@pytest.fixture(scope="module")
def guest(packages):
    files = [next(packages.glob(f"{name}_*.deb")) for name in OURS]
    image, kernel = debianroot.with_packages("debian-packages", ARCHIVE, files)
    with Guest(kernel, name="test-packages", memory=1024, root=image, tb_size=128) as guest:
        yield guest
        assert not guest.bad_dmesg(allowed=["Memory cgroup out of memory", "oom-kill|Call Trace",
                                            "invoked oom-killer"])


def test_it_boots_without_an_initramfs(guest):
    assert "-initrd" not in guest.command_line()
    release = guest.sh("uname -r").strip()
    assert release.endswith("-reporting")
    assert f"linux-image-{release}: " in guest.sh(f"dpkg -S /boot/vmlinuz-{release}")
    guest.sh(f"zcat /proc/config.gz | cmp - /boot/config-{release}")
    assert guest.sh("systemctl is-system-running --wait || :", 300).strip() == "running", guest.sh(
        "systemctl --failed --no-legend")
    assert guest.read("/sys/devices/system/memory/auto_online_blocks") == "online"


def test_its_modules_fit(guest):
    """Those of the file systems that are no part of the kernel itself."""
    for name in "xfs", "btrfs":
        guest.sh(f"modprobe {name} && grep -w {name} /proc/filesystems")


def test_the_tool_finds_nothing_wrong(guest):
    assert guest.sh("dpkg -S $(command -v page-reporting)").startswith("page-reporting: ")
    told = json.loads(guest.sh("page-reporting status --json"))
    assert told["device"]["ready"] and told["device"]["features"]["free-page-reporting"]
    assert not any(reason["all"] for reason in told["not_reported"]), told["not_reported"]
    assert told["counters"]["reported_bytes_total"] > 0
    print(guest.sh("page-reporting doctor", 120))
    assert "page-reporting-top" in guest.sh("perf script -l 2>&1", 120)


def test_a_burst_comes_back(guest):
    before, begun = guest.settle(), time.time()
    guest.sh("stress-ng --vm 1 --vm-bytes 500M --vm-keep -t 5 -q", 120)
    high = max(sample.charge for sample in guest.samples(begun))
    assert high > before + 400 * MIB
    guest.wait_for(lambda: guest.charge() < before + 50 * MIB, 60, "the burst comes back")


def podman(guest, arguments, timeout=180):
    return guest.sh(f"podman {arguments}", timeout)


@pytest.fixture(scope="module")
def container(guest):
    """The name of a container's image, made of busybox: no registry is asked."""
    guest.sh("mkdir -p /srv/root/bin /srv/root/www && cd /srv/root && cp /bin/busybox bin/ && "
             "for name in sh cat dd grep httpd sleep; do ln -sf busybox bin/$name; done && "
             "echo hello >www/index.html && tar -cf /srv/root.tar .")
    podman(guest, "import -q /srv/root.tar localhost/busybox")
    return "localhost/busybox"


def test_a_container_has_a_root_and_a_limit_of_its_own(guest, container):
    assert podman(guest, "info -f '{{.Store.GraphDriverName}}'").strip() == "overlay"
    told = podman(guest, f"run --rm --memory 64m {container} sh -c "
                         "'grep -w / /proc/mounts; cat /sys/fs/cgroup/memory.max; echo $$'")
    mount, limit, pid = told.splitlines()
    assert mount.startswith("overlay / overlay rw") and int(limit) == 64 * MIB and pid == "1"
    # More than it may have: it is killed, and nobody else.
    job = guest.spawn(f"podman run --rm --memory 64m --memory-swap 64m {container} "
                      "dd if=/dev/zero of=/dev/null bs=200M count=1", 180)
    assert job.wait() == 137, job.errors


def test_containers_have_a_network(guest, container):
    """A bridge with address translation in netfilter, and a port of the guest's."""
    podman(guest, f"run -d --name web -p 8080:80 {container} httpd -f -h /www")
    try:
        address = podman(guest, "inspect -f '{{.NetworkSettings.IPAddress}}' web").strip()
        assert re.fullmatch(r"10\.88\.\d+\.\d+", address)
        for place in f"{address}:80", "127.0.0.1:8080":
            assert guest.sh(f"busybox wget -q -O - http://{place}/").strip() == "hello"
        assert "nf_tables" in guest.sh("iptables -V")
        assert "NETAVARK" in guest.sh("iptables -t nat -S")
    finally:
        podman(guest, "rm -f -t 0 web")


def test_what_a_container_had_comes_back(guest, container):
    before, begun = guest.settle(), time.time()
    podman(guest, f"run --rm --shm-size 400m {container} sh -c "
                  "'dd if=/dev/zero of=/dev/shm/x bs=1M count=300 2>/dev/null'")
    high = max(sample.charge for sample in guest.samples(begun))
    assert high > before + 200 * MIB
    guest.wait_for(lambda: guest.charge() < before + 60 * MIB, 90, "its memory comes back")


def test_the_kernel_for_microvms(packages):
    """vmlinux, as Firecracker takes it: without BIOS, with devices of virtio-mmio alone."""
    vmlinux, = packages.glob("vmlinux-*")
    with Guest(str(vmlinux), name="test-packages-microvm", memory=1024,
               machine="microvm,acpi=off,pit=on,pic=on,rtc=on",
               extra=["-global", "virtio-mmio.force-legacy=false"]) as guest:
        assert guest.sh("uname -r").strip() == vmlinux.name.removeprefix("vmlinux-")
        assert not guest.exists("/sys/bus/pci/devices/*")
        comes_back(guest, Held(guest, 500), 500, 0.9)
        assert not guest.bad_dmesg()

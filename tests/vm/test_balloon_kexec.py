"""A kernel that starts another one, with much in the balloon and much reported."""

import os

import pytest

import guestroot
from guest import MIB, Guest
from test_balloon import resize

BALLOON = "/sys/bus/virtio/drivers/virtio_balloon/virtio*/balloon/"
BOTH = "free-page-reporting=on,deflate-on-oom=on"
pytestmark = [pytest.mark.long, pytest.mark.kernels("overlay")]


@pytest.fixture
def kexec(kernel, tmp_path):
    """kexec(cmdline) boots a guest that has its own kernel and initramfs in /tmp."""
    guests = []

    def boot(name, memory=2048, **more):
        guest = Guest(kernel, name=f"test-kexec-{name}", memory=memory, balloon=BOTH,
                      restartable=True, **more)
        drives, sizes = [], []
        for source in (guest.image, guestroot.for_kernel(guest.image)):
            sizes.append(os.path.getsize(source))
            disk = tmp_path / f"disk{len(drives)}"
            with open(source, "rb") as f:
                content = f.read()
            # A raw image ends at a sector.
            disk.write_bytes(content + bytes(-len(content) % 512))
            drives.append((str(disk), "readonly=on"))
        guest._drives = drives
        guests.append(guest)
        guest.start()
        for disk, file, size in zip("ab", ("kernel", "initramfs"), sizes):
            guest.sh(f"head -c {size} /dev/vd{disk} >/tmp/{file}")
        return guest

    yield boot
    for guest in guests:
        guest.stop()


def held(guest):
    return guest.read_int(BALLOON + "actual_bytes")


def freed_and_reported(guest, mib):
    job = guest.spawn(f"exec hold --mib {mib}")
    guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
    job.kill()
    job.wait()
    guest.quiet()


def test_kexec(kexec):
    """Each kernel finds its memory, follows the target, and reports what it frees."""
    guest = kexec("again")
    settled = None
    for _ in range(3):
        freed_and_reported(guest, 800)
        resize(guest, 2048 - 600)
        boots = guest.channel.boots
        guest.spawn("reexec /tmp/kernel /tmp/initramfs \"$(cat /proc/cmdline)\"")
        guest.wait_restart(boots)
        guest.wait_for(lambda: held(guest) == 600 * MIB, 60, "the balloon inflates again")
        guest.settle()
        settled = settled or guest.charge()
        assert guest.charge() < settled + 100 * MIB
        resize(guest, 2048)
        freed_and_reported(guest, 300)
        assert not guest.bad_dmesg(), guest.bad_dmesg()
        for disk, file in zip("ab", ("kernel", "initramfs")):
            guest.sh(f"cat /dev/vd{disk} >/tmp/{file}")


def test_dump(kexec):
    """The capture kernel leaves the balloon alone, and its dump backs no free memory."""
    # The capture kernel reads page by page, which takes minutes for a larger guest.
    guest = kexec("crash", memory=768, cmdline="crashkernel=256M")
    freed_and_reported(guest, 250)
    resize(guest, 768 - 150)
    guest.sh("reexec --on-crash /tmp/kernel /tmp/initramfs "
             "\"$(cat /proc/cmdline | sed s/crashkernel=256M//) nr_cpus=1 reset_devices\"")
    guest.settle()
    before = guest.charge()
    boots = guest.channel.boots
    guest.spawn("echo c >/proc/sysrq-trigger")
    guest.wait_restart(boots)
    assert "no balloon in a crash capture kernel" in guest.console()
    size = int(guest.sh("dd if=/proc/vmcore bs=1M 2>/dev/null | wc -c", timeout=500))
    assert size > (768 - 256 - 50) * MIB
    # The capture kernel itself needs memory.
    print(f"charge {before // MIB} -> {guest.charge() // MIB} MiB, dump {size // MIB} MiB")
    assert guest.charge() < before + 150 * MIB

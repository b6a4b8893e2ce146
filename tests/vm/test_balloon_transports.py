"""The balloon and reporting on each transport that QEMU has for them."""

import pytest

from guest import Guest
from test_balloon import resize

LONG = pytest.mark.long
BOTH = "free-page-reporting=on,deflate-on-oom=on"
DRIVER = "/sys/bus/virtio/drivers/virtio_balloon"

# What differs from the usual, and bits of the features that tell that it does.  QEMU's
# balloon on PCI has no MSI-X vectors, so the interrupts are shared ones everywhere.
TRANSPORTS = {
    # Most in one guest, because they do not exclude each other.
    "packed, no event_idx": ("packed=on,event_idx=off,indirect_desc=off", {34: 1, 29: 0, 32: 1}),
    "packed": ("packed=on", {34: 1, 29: 1}),
    "legacy": ("disable-modern=on,disable-legacy=off", {32: 0}),
    "transitional": ("disable-modern=off,disable-legacy=off", {32: 1}),
    "no event_idx": ("event_idx=off", {29: 0}),
    "hints": ("free-page-hint=on,packed=on", {34: 1, 3: 1}),
}


@LONG  # each boots a guest of its own
@pytest.mark.kernels("overlay")
@pytest.mark.parametrize("name", TRANSPORTS)
def test_transport(kernel, name):
    options, bits = TRANSPORTS[name]
    with Guest(kernel, name=f"test-transport-{kernel}-" + name.replace(", ", "-").replace(" ", "-"),
               memory=1024, balloon=f"{BOTH},{options}") as guest:
        works(guest, bits)


def works(guest, bits):
    features = guest.sh(f"cat {DRIVER}/virtio*/features").strip()
    assert {bit: int(features[bit]) for bit in bits} == bits, features
    held = guest.spawn("exec hold --mib 400")
    guest.wait_for(lambda: "holding" in held.output, 60, "memory is held")
    held.kill()
    held.wait()
    guest.poll_stats(1)
    guest.wait_for(lambda: (guest.balloon_stats() or {}).get("stat-total-memory", 0) > 0, 30,
                   "statistics")
    resize(guest, 500)
    name = guest.sh(f"cd {DRIVER}; ls -d virtio[0-9]*").strip()
    guest.write(f"{DRIVER}/unbind", name)
    guest.write(f"{DRIVER}/bind", name)
    resize(guest, 700)
    resize(guest, 1024)
    assert not guest.bad_dmesg()


@LONG
@pytest.mark.kernels("overlay")
def test_behind_a_root_port(kernel):
    with Guest(kernel, name=f"test-transport-root-port-{kernel}", memory=1024,
               balloon=None,
               extra=["-device", "pcie-root-port,id=port0,slot=7", "-device",
                      f"virtio-balloon-pci,id=balloon0,bus=port0,{BOTH}"]) as guest:
        works(guest, {32: 1})


@LONG
@pytest.mark.kernels("overlay")
def test_microvm(kernel):
    """No PCI: virtio-mmio.  Under TCG such a machine has a clock only without ACPI."""
    with Guest(kernel, name=f"test-transport-microvm-{kernel}", memory=1024,
               machine="microvm,acpi=off,pit=on,pic=on,rtc=on",
               balloon=BOTH, extra=["-global", "virtio-mmio.force-legacy=false"]) as guest:
        works(guest, {32: 1})


@LONG
@pytest.mark.kernels("overlay", "upstream")
def test_behind_an_iommu(kernel):
    """The balloon is about physical pages: the driver refuses, QEMU insists, all else works."""
    with Guest(kernel, name=f"test-transport-iommu-{kernel}", memory=1024,
               balloon=BOTH + ",iommu_platform=on,disable-legacy=on",
               extra=["-device", "virtio-iommu-pci"]) as guest:
        print(guest.sh("dmesg | grep -i 'iommu\\|virtio'"))
        assert not guest.sh(f"ls -d {DRIVER}/virtio[0-9]* 2>/dev/null; :").strip()
        guest.sh("hold --mib 200 & sleep 1; kill $!")
        assert not guest.bad_dmesg()

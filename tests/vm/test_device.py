"""The balloon device comes and goes, and changes its mind, under load."""

import signal
import time

import pytest

from guest import MIB
from test_reporting import comes_back

KERNELS = pytest.mark.kernels("overlay", "debug", "upstream")
DRIVER = "/sys/bus/virtio/drivers/virtio_balloon"


def device(guest):
    """The balloon's name on the virtio bus."""
    return guest.sh(f"cd {DRIVER}; ls -d virtio[0-9]*").strip()


@pytest.mark.stock
@KERNELS
def test_unbind_and_bind_under_load(guest, hold):
    load = guest.spawn("patterns --mib 300 --seconds 0 --jobs 2 --quiet-ms 100", 300)
    name = device(guest)
    total = guest.meminfo()["MemTotal"]
    for _ in range(3):
        guest.set_balloon(900 * MIB)  # the inflation is caught half-way
        guest.write(f"{DRIVER}/unbind", name)
        unbound = time.time()
        time.sleep(1)
        assert not guest.discards(unbound + 0.2), "discards without a driver"
        assert abs(guest.meminfo()["MemTotal"] - total) < MIB, "pages left in the balloon"
        guest.set_balloon(guest.memory)
        guest.write(f"{DRIVER}/bind", name)
    load.kill(signal.SIGTERM)
    load.check(60)
    comes_back(guest, hold(300), 300)

@pytest.mark.stock

def test_remove_and_rescan(guest, hold):
    slot = guest.sh(f"basename $(readlink -f $(readlink -f {DRIVER}/virtio[0-9]*)/..)").strip()
    guest.write(f"/sys/bus/pci/devices/{slot}/remove", 1)
    start = time.time()
    hold(300).free()
    time.sleep(4)
    assert not guest.discards(start), "discards without a device"
    guest.write("/sys/bus/pci/rescan", 1)
    comes_back(guest, hold(300), 300)

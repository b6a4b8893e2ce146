"""The driver as a module: loaded, unloaded with pages in the balloon, loaded again.

The kernel has the driver built in, so that one is kept from starting and the same
sources are built as a module of another name.
"""

import os
import re
import shutil
import signal
import subprocess

import pytest

import paths
from guest import MIB, Guest

# As the series' patches have left it.
DRIVER = os.path.join(paths.BUILD, "src", paths.SERIES, "overlay", "drivers", "virtio",
                      "virtio_balloon")
NAME = "balloon_module"


@pytest.fixture(scope="module")
def module():
    """Path of the module; it is built in the folder of the kernel that it fits."""
    folder = os.path.join(paths.BUILD, NAME)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(DRIVER, "Makefile")) as f:
        objects = [name for kind, names in re.findall(r"^(virtio_balloon-.*) [:+]= (.*)$",
                                                      f.read(), re.M)
                   for name in names.split() if "KUNIT" not in kind]
    for name in os.listdir(DRIVER):
        if name.endswith(".h") or name[:-1] + "o" in objects:
            shutil.copy(os.path.join(DRIVER, name), folder)
    with open(os.path.join(folder, "Makefile"), "w") as f:
        # Another name than that of the initcall which must not run.
        f.write(f"obj-m := {NAME}.o\n{NAME}-y := {' '.join(objects)}\n"
                f"ccflags-y := -Dvb_driver={NAME}_driver "
                "$(addprefix -include ,$(wildcard $(srctree)/mm/page_reporting/compat.h))\n")
    build = subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), "overlay", f"M={folder}",
                            "modules"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, check=False)
    assert build.returncode == 0, build.stdout
    return os.path.join(folder, f"{NAME}.ko")


def relieves(guest):
    """It sees pressure as the driver in the kernel does, and gives way."""
    figure = f"/sys/bus/virtio/drivers/{NAME}/virtio*/balloon/pressure_bytes"
    assert guest.read_int(figure) == 0
    job = guest.spawn("exec hold --mib 600")
    guest.wait_for(lambda: "holding" in job.output or not job.running, 60, "memory is taken")
    assert job.running, job.errors or job.status
    assert guest.read_int(figure) > 100 * MIB
    job.kill(signal.SIGTERM)
    job.check(60)


def test_load_unload_and_load_again(module, tmp_path):
    size = os.path.getsize(module)
    disk = tmp_path / "module"
    shutil.copy(module, disk)
    os.truncate(disk, (size + 511) // 512 * 512)
    with Guest("overlay", name="test-module", memory=1024, drives=[(str(disk), "readonly=on")],
               balloon="free-page-reporting=on,deflate-on-oom=on",
               cmdline="initcall_blacklist=vb_driver_init") as guest:
        guest.sh(f"head -c {size} /dev/vda >/{NAME}.ko")
        assert not guest.exists("/sys/bus/virtio/drivers/virtio_balloon")
        # What a CPU keeps of what is freed is not counted as free.
        guest.write("/proc/sys/vm/percpu_pagelist_high_fraction", 100000)
        before = guest.meminfo()["MemFree"]
        for _ in range(2):
            guest.sh(f"insmod /{NAME}.ko")
            guest.set_balloon(500 * MIB)
            guest.wait_for(lambda: guest.balloon_actual() == 500 * MIB, 60, "the balloon inflates")
            assert guest.meminfo()["MemFree"] < before - 400 * MIB
            relieves(guest)
            guest.sh(f"rmmod {NAME}")
            guest.wait_for(lambda: guest.meminfo()["MemFree"] > before - 32 * MIB, 30,
                           "the guest has its memory back")
            assert guest.balloon_actual() == 1024 * MIB
        assert not guest.bad_dmesg()

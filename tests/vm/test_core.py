"""The engine without evacuation: it builds, boots and reports."""

import os
import subprocess

import pytest

import paths
from guest import MIB, Guest

VM = "/proc/sys/vm/page_reporting_"
COUNTERS = "/sys/kernel/mm/page_reporting/"


@pytest.mark.long
def test_engine_without_evacuation():
    subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), "core"], check=True)
    image = os.path.join(paths.kernel_dir("core"), "bzImage")
    with Guest(image, name="test-core", memory=1024) as guest:
        assert not guest.exists(VM + "evacuate")
        assert "evacuate" not in guest.sh(f"ls {COUNTERS}")
        job = guest.spawn("exec hold --mib 500")
        guest.wait_for(lambda: "holding" in job.output, 60, "memory is held")
        high = guest.charge()
        job.kill(15)
        guest.wait_for(lambda: high - guest.charge() > 450 * MIB, 20, "memory is back")
        guest.write(VM + "flush", 5000, 30)
        guest.write(VM + "order", 0)
        guest.write(VM + "flush", "5000 2", 30)
        assert guest.read_int(COUNTERS + "resyncs") == 1
        assert not guest.bad_dmesg()

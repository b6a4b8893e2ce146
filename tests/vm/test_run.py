"""make run with the small kernel of a first run: it boots, and all of the job works on it."""

import os
import subprocess

import pytest

import paths
from guest import Guest


@pytest.mark.long
def test_first_run():
    done = subprocess.run([os.path.join(paths.TOOLS, "run"), "--kernel", paths.SMALL,
                           "--mem", "1G", "--fill", "600M",
                           "--sysctl", "vm.page_reporting_evacuate=1"],
                          capture_output=True, text=True, timeout=3600, check=False,
                          cwd=paths.TOP)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    page, = [line for line in done.stdout.splitlines() if line.startswith("Page: ")]
    with open(os.path.join(paths.TOP, page.split()[1])) as f:
        assert f"-{paths.SMALL} (run)" in f.read()
    # Without ACPI it has to find them otherwise.
    with Guest(paths.SMALL, name="test-small", memory=512, smp=2) as guest:
        assert guest.sh("nproc").strip() == "2"

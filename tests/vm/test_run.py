"""make run with the small kernel of a first run: it boots, and all of the job works on it.

And make compare: three kernels in one page.
"""

import os
import re
import subprocess
import sys

import pytest

import contenders
import paths
from guest import Guest

sys.path.insert(0, os.path.join(paths.TOP, "tests", "tools"))

import wholepage  # noqa: E402


def page_of(output):
    line, = [line for line in output.splitlines() if line.startswith("Page: ")]
    with open(os.path.join(paths.TOP, line.split()[1])) as f:
        text = f.read()
    wholepage.assert_whole(text)
    return text


@pytest.mark.long
def test_first_run():
    done = subprocess.run([os.path.join(paths.TOOLS, "run"), "--kernel", paths.SMALL,
                           "--mem", "1G", "--fill", "600M",
                           "--sysctl", "vm.page_reporting_evacuate=1"],
                          capture_output=True, text=True, timeout=3600, check=False,
                          cwd=paths.TOP)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert f"-{paths.SMALL} (run)" in page_of(done.stdout)
    # Without ACPI it has to find them otherwise.
    with Guest(paths.SMALL, name="test-small", memory=512, smp=2) as guest:
        assert guest.sh("nproc").strip() == "2"


@pytest.mark.long
def test_three_kernels_in_one_page():
    """What differs is to be seen in it: the times, and what upstream leaves in pieces."""
    done = subprocess.run([os.path.join(paths.TOOLS, "run"), "--compare", "--mem", "1G",
                           "--fill", "600M"], capture_output=True, text=True, timeout=7200,
                          check=False, cwd=paths.TOP)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found = wholepage.data_of(page_of(done.stdout))
    charge, maps = [svg.decode() for svg in found["image/svg+xml"]]
    rows = found["text/csv"][0].decode().splitlines()
    for number, one in enumerate(contenders.ALL):
        assert f"<!-- {one.name}: " in charge and f'id="freed-{number}"' in charge
        assert f'id="map-{number}-every-other-one-removed"' in maps
        assert sum(one.name in row for row in rows) > 500
    left, = [line for line in done.stdout.splitlines() if "charged 30 s later" in line]
    ours, *others = map(int, re.findall(r"(\d+) MiB", left))
    assert len(others) == 2 and all(ours < other / 4 for other in others), left

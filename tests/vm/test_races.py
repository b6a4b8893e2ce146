"""KCSAN: no data race in what is ours, while all of it runs at once."""

import os
import re
import signal
import subprocess
import time

import pytest

import paths
from checking import OBJECTS, OVERLAY
from guest import MIB, Guest
from test_balloon import resize
from test_evacuate import pieces_come_back

FPR = "/proc/sys/vm/page_reporting_"
ORDER = "/sys/module/page_reporting/parameters/page_reporting_order"
# Each step by itself, over and over: users change their minds while memory comes and goes.
TROUBLE = "; ".join((
    "while :",
    f"do for ms in 0 50 700; do echo $ms >{FPR}delay_ms; sleep 0.1",
    "done", f"for order in 0 4 9; do echo $order >{ORDER}; sleep 0.2",
    "done", f"echo '5000 1' >{FPR}flush", f"echo '5000 2' >{FPR}flush",
    f"echo 1 >{FPR}pause", f"echo 0 >{FPR}pause",
    "cat /sys/kernel/mm/page_reporting/* >/dev/null", "done"))
SECONDS = 60


def our_functions(name):
    """Of the objects of a kernel in another configuration."""
    found = set()
    for place in OBJECTS:
        folder = os.path.join(OVERLAY, f"obj-{name}", place)
        for directory, _, files in os.walk(folder):
            for file in files:
                if file.endswith(".o"):
                    output = subprocess.run(["nm", os.path.join(directory, file)], text=True,
                                            capture_output=True, check=True).stdout
                    found.update(re.findall(r" [tT] (\w+)", output))
    return found


def races(log):
    """The reports in a kernel's log, and the functions that each names first."""
    for report in re.findall(r"BUG: KCSAN: .*?(?=={60})", log, re.S):
        line = report.splitlines()[0]
        yield set(re.findall(r"[\w.]+", line.partition(" in ")[2])), report


def test_a_race_is_found_in_a_log():
    log = ("[ 1.0] BUG: KCSAN: data-race in fpr_a / b.isra.0\n[ 1.0] read to 0x1 of 8 bytes\n"
           f"[ 1.0] {'=' * 66}\n")
    (functions, report), = races(log)
    assert functions == {"fpr_a", "b.isra.0"} and "8 bytes" in report


@pytest.mark.long
def test_no_data_race():
    subprocess.run([os.path.join(paths.TOOLS, "build-kernel"), "kcsan"], check=True)
    ours = our_functions("kcsan")
    assert {"fpr_unit_look", "__page_reporting_freed"} <= ours
    guest = Guest(os.path.join(paths.kernel_dir("kcsan"), "bzImage"), name="test-kcsan",
                  memory=1024, smp=2)
    guest.patience = 3  # it looks at each access
    with guest:
        guest.sh("mount -t debugfs debug /sys/kernel/debug || true")
        guest.write("/sys/module/kcsan/parameters/skip_watch", 300)  # looks more often
        guest.write("/sys/kernel/debug/kcsan", "on")
        pieces_come_back(guest, seconds=120)
        patterns = guest.spawn("exec patterns --mib 300 --seconds 0 --jobs 3 --quiet-ms 50")
        trouble = guest.spawn(TROUBLE)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for mib in 900, 1024:
                resize(guest, mib)
        trouble.kill(signal.SIGKILL)
        assert patterns.running, patterns.output
        patterns.kill(signal.SIGTERM)
        print(patterns.check(120))
        guest.write(f"{FPR}pause", 0)
        found = list(races(guest.console()))
        print(len(found), "races in all", guest.read("/sys/kernel/debug/kcsan"))
        mine = [report for functions, report in found
                if {function.partition(".")[0] for function in functions} & ours]
        assert not mine, f"{len(mine)} races, the first:\n{mine[0]}"
        assert not guest.bad_dmesg(allowed=["BUG: KCSAN", "Call Trace"])
        # It does look: a kernel as large has some.
        assert guest.exists("/sys/kernel/debug/kcsan")
        assert int(re.search(r"^setup_watchpoints: (\d+)$", guest.read("/sys/kernel/debug/kcsan"),
                             re.M)[1]) > 0
        assert guest.balloon_actual() == 1024 * MIB

"""Suspend and hibernation: nothing is reported meanwhile, nothing lost, and it goes on after."""

import os
import signal
import time

import pytest

import paths
from guest import MIB
from test_reporting import comes_back

KERNELS = pytest.mark.kernels("overlay", "debug", "upstream", long=["debug"])
POWER = "/sys/power"




def sleep_and_wake(guest, hold, script, wake=lambda: None, timeout=120):
    """Goes to sleep under load, with data to keep; all must be well after it."""
    load = guest.spawn("patterns --mib 200 --seconds 0 --quiet-ms 200", 600)
    hold(300).free()  # there is something to report while it falls asleep
    job = guest.spawn(script, timeout)
    wake()
    job.check(timeout)
    load.kill(signal.SIGTERM)
    assert "checked" in load.check(60)
    comes_back(guest, hold(300), 300)


@KERNELS
@pytest.mark.parametrize("level", ["devices", "platform"])
def test_suspend_without_sleep(guest, hold, level):
    sleep_and_wake(guest, hold, f"""
        echo 1 >/sys/module/suspend/parameters/pm_test_delay
        echo s2idle >{POWER}/mem_sleep
        echo {level} >{POWER}/pm_test
        echo mem >{POWER}/state; status=$?
        echo none >{POWER}/pm_test
        exit $status""")


def test_suspend_to_idle(guest, hold):
    """A byte on its serial line wakes it."""
    mark = guest.console_mark()

    def wake():
        guest.wait_for(lambda: "freezable tasks completed" in guest.console(mark), 60, "it sleeps")
        time.sleep(0.3)
        asleep = time.time()
        time.sleep(2)
        assert not guest.discards(asleep), "discards while it sleeps"
        guest.channel.send(b"\n")

    sleep_and_wake(guest, hold, f"""
        echo enabled >/sys/class/tty/ttyS1/power/wakeup
        echo s2idle >{POWER}/mem_sleep
        echo mem >{POWER}/state""", wake)


@KERNELS
def test_suspend_to_ram(guest, hold):
    """The machine is off except for its memory; the host wakes it."""
    seen = len(guest.qmp.events)

    def wake():
        guest.qmp.wait_event("SUSPEND", 60, seen)
        asleep = time.time()
        time.sleep(2)
        assert not guest.discards(asleep), "discards while it sleeps"
        guest.qmp.command("system_wakeup")

    sleep_and_wake(guest, hold, f"echo deep >{POWER}/mem_sleep; echo mem >{POWER}/state", wake)


@pytest.mark.long
@pytest.mark.parametrize("level", ["devices"])
def test_hibernation_without_an_image(guest, hold, level):
    sleep_and_wake(guest, hold, f"""
        echo {level} >{POWER}/pm_test
        echo disk >{POWER}/state; status=$?
        echo none >{POWER}/pm_test
        exit $status""")


# Tests may run in several processes at a time.
SWAP = os.path.join(paths.BUILD, "vm", f"test-swap-{os.getpid()}.img")
SWAP_MACHINE = {"memory": 1024, "restartable": True, "cmdline": "resume=/dev/vda",
                "drives": [(SWAP, "cache=unsafe")]}


@pytest.fixture
def swap():
    """A sparse disk."""
    paths.made_dir(paths.BUILD, "vm")
    with open(SWAP, "wb") as f:
        f.truncate(1 << 30)
    yield SWAP
    os.unlink(SWAP)


def to_disk(mode):
    """Hibernates with an image on disk; mode reboot really restarts the machine between."""
    return f"""
        mkswap /dev/vda >/dev/null && swapon /dev/vda || exit
        echo {mode} >{POWER}/disk
        echo disk >{POWER}/state"""


def hibernate(guest, hold, mode):
    mark = guest.console_mark()
    sleep_and_wake(guest, hold, to_disk(mode), timeout=300)
    assert "hibernation exit" in guest.console(mark)


@pytest.mark.fresh
@pytest.mark.machine(**SWAP_MACHINE)
# Linux 6.1 cannot test the resume from a disk that it swaps to: it is in use.
@pytest.mark.parametrize("mode", ["reboot", *([] if paths.SERIES == "6.1" else
                                              [pytest.param("test_resume", marks=pytest.mark.long)])])
def test_hibernation(swap, guest, hold, mode):
    hibernate(guest, hold, mode)


@pytest.mark.long
@pytest.mark.fresh
@pytest.mark.machine(**SWAP_MACHINE)
def test_hibernation_of_an_idle_guest(swap, guest, hold):
    """With nothing to report; what memory is freed while the image is made is not forgotten."""
    hold(100).free()
    guest.quiet()
    guest.spawn(to_disk("reboot"), 300).check(300)
    comes_back(guest, hold(300), 300)


@pytest.mark.long
@pytest.mark.kernels("debug")
@pytest.mark.fresh
@pytest.mark.machine(**SWAP_MACHINE)
def test_hibernation_of_a_debug_kernel(swap, guest, hold):
    hibernate(guest, hold, "reboot")

"""The knobs: what they take, what they refuse, and that they act."""

import time

import pytest

from discards import total
from guest import MIB, CommandError

pytestmark = pytest.mark.kernels("overlay", "debug")

VM = "/proc/sys/vm/page_reporting_"
PARAMETERS = "/sys/module/page_reporting/parameters/page_reporting_"


@pytest.mark.parametrize("knob, good, bad", [
    (VM + "order", (0, 4, 9), ("-1", "10", "x")),
    (VM + "delay_ms", (0, 1, 600000), ("-1", "600001", "x")),
    (VM + "threshold_kbytes", (0, 1 << 20), ("-1", "4294967296", "x")),
    (PARAMETERS + "order", (0, 4, 9), ("-1", "10", "x")),
    (PARAMETERS + "delay_ms", (0, 1, 600000), ("-1", "600001", "x")),
])
def test_range(guest, setting, allow_dmesg, knob, good, bad):
    setting(knob, guest.read(knob))
    for value in good:
        guest.write(knob, value)
        assert guest.read_int(knob) == value
    for value in bad:
        with pytest.raises(CommandError, match="Invalid|range|too large"):
            guest.write(knob, value)
        assert guest.read_int(knob) == good[-1], f"{value} was refused and yet taken"


@pytest.mark.parametrize("name", ["order", "delay_ms"])
def test_sysctl_and_parameter_are_one(guest, setting, name):
    setting(VM + name, 7)
    assert guest.read_int(PARAMETERS + name) == 7
    guest.write(PARAMETERS + name, 8)
    assert guest.read_int(VM + name) == 8


@pytest.mark.kernels("overlay")
@pytest.mark.machine(cmdline="page_reporting.page_reporting_order=8 "
                             "page_reporting.page_reporting_delay_ms=300")
def test_command_line(guest):
    assert guest.read_int(VM + "order") == 8
    assert guest.read_int(VM + "delay_ms") == 300


@pytest.mark.kernels("overlay")
def test_memory_is_not_reported_before_its_delay(guest, setting, hold):
    setting(VM + "delay_ms", 6000)
    held = hold(300)
    start = time.time()
    held.free()
    freed = time.time()
    guest.wait_for(lambda: total(guest.discards(start)) > 250 * MIB, 60, "discards")
    early = [d for d in guest.discards(start) if d.time < freed + 5 and d.length >= 8 * MIB]
    assert not early, f"after {early[0].time - freed:.1f} s" if early else None


@pytest.mark.kernels("overlay")
def test_memory_used_again_within_the_delay_is_not_reported(guest, setting, hold):
    setting(VM + "delay_ms", 5000)
    hold(300).free()
    guest.quiet(6)
    start = time.time()
    for _ in range(4):
        held = hold(300)
        time.sleep(1)
        held.free()
    assert time.time() - start > 4
    assert total(guest.discards(start)) < 60 * MIB


@pytest.mark.kernels("overlay")
def test_a_lower_delay_acts_at_once(guest, setting, hold):
    setting(VM + "delay_ms", 600000)
    hold(300).free()
    time.sleep(2)
    start = time.time()
    guest.write(VM + "delay_ms", 0)
    guest.wait_for(lambda: total(guest.discards(start)) > 200 * MIB, 10, "discards at once")

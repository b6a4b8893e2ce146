"""The daemon's own tests: unit tests, fake QEMUs, sanitizers, fuzzing, static checks."""

import re
import subprocess

import pytest

from autoballoon_common import TOOL


def make(target, timeout, *variables):
    done = subprocess.run(["make", "-C", TOOL, target, *variables], capture_output=True,
                          text=True, timeout=timeout)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def test_unit_and_fake_qemu(record_case):
    output = make("test", 900)
    for name in re.findall(r"\[       OK \] (\w+)", output):
        record_case(name)
    assert re.search(r"\d+ passed", output) and " failed" not in output


@pytest.mark.long
def test_under_sanitizers(record_case):
    output = make("asan", 1800)
    assert re.search(r"\d+ passed", output) and " failed" not in output


def test_fuzz():
    assert " runs" in make("fuzz", 300, "FUZZ_SECONDS=10")


@pytest.mark.long
def test_fuzz_long():
    assert " runs" in make("fuzz", 600, "FUZZ_SECONDS=300")


def test_static_checks():
    make("check", 300)

"""The daemon's own tests: unit tests, fake QEMUs, sanitizers, fuzzing, static checks."""

import glob
import os
import re
import shutil
import subprocess

import pytest

import paths
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
    assert re.search(r"\d+ passed", output) and not re.search(r"\d+ failed", output)


@pytest.mark.long
def test_under_sanitizers(record_case):
    output = make("asan", 1800)
    assert re.search(r"\d+ passed", output) and not re.search(r"\d+ failed", output)


@pytest.mark.long
@pytest.mark.alone
def test_an_hour_with_many_guests():
    """The engine with a thousand, the daemon with a hundred."""
    output = make("hour", 1200)
    print(*re.findall(r"an hour with .*", output), output[-500:], sep="\n")
    assert "an hour with 1000 guests" in output and "1 passed" in output


def test_fuzz():
    """Nine fuzzers, three seconds each, two at a time."""
    assert make("fuzz", 600, "FUZZ_SECONDS=3").count(" runs") == 9


@pytest.mark.long
def test_fuzz_long():
    """The same for five minutes each, 23 in all."""
    assert make("fuzz", 3000, "FUZZ_SECONDS=300").count(" runs") == 9


@pytest.mark.long
def test_under_valgrind():
    """The unit tests but the engine's, and the daemon with a guest of each kind."""
    assert "1 passed" in make("valgrind", 1200)


@pytest.mark.long   # make check has the same
def test_static_checks():
    make("check", 300)


def test_install(tmp_path):
    make("install", 300, f"DESTDIR={tmp_path}", "PREFIX=/usr", "SYSCONFDIR=/etc")
    daemon, control = (str(tmp_path / name) for name in ("usr/sbin/autoballoond",
                                                         "usr/bin/autoballoonctl"))
    for program in daemon, control:
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
        assert "Usage:" in done.stdout
    for page in "man8/autoballoond.8", "man1/autoballoonctl.1":
        assert (tmp_path / "usr/share/man" / page).exists()
    subprocess.run([daemon, "--check-config", "-c", tmp_path / "etc/autoballoon.conf"], check=True)
    unit = tmp_path / "usr/lib/systemd/system/autoballoond.service"
    text = unit.read_text()
    assert "ExecStart=/usr/sbin/autoballoond\n" in text
    assert "@" not in re.sub(r"SystemCallFilter=.*", "", text), "nothing is left to fill in"
    if shutil.which("systemd-analyze"):
        # It looks for the programs where the unit says they are.
        unit.write_text(text.replace("/usr/sbin/", f"{tmp_path}/usr/sbin/"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True,
                              capture_output=True, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
        ours = [line for line in done.stderr.splitlines() if "autoballoond.service" in line]
        assert not ours, ours[0]


def test_promises_have_their_tests():
    """Each test that the page names exists, in a list of what runs where it is C."""
    known = set()
    for place in os.path.join(TOOL, "tests"), os.path.dirname(__file__):
        for path in glob.glob(os.path.join(place, "test_*")):
            with open(path) as f:
                known |= set(re.findall(r"^def (test_\w+)|unit_test\w*\((test_\w+)", f.read(), re.M))
    known = {name for pair in known for name in pair}
    with open(os.path.join(paths.TOP, "docs", "host-promises.md")) as f:
        named = set(re.findall(r"`(test_\w+)`", f.read()))
    assert len(named) > 50 and not named - known, named - known


@pytest.fixture
def defaults(programs):
    """(section, option, value) of everything, as the daemon prints it."""
    daemon = os.path.join(paths.BUILD, "autoballoon", "release", "autoballoond")
    output = subprocess.run([daemon, "-p", "-c", "/dev/null"], capture_output=True, text=True,
                            check=True).stdout
    section, rows = None, []
    for line in output.splitlines():
        if line.startswith("["):
            section = line
        else:
            key, _, value = line.partition(" = ")
            rows.append((section, key, value))
    return rows


def test_example_shows_the_defaults(defaults):
    """What the example does not comment out is what the daemon does without it."""
    section, rows = None, 0
    with open(os.path.join(TOOL, "conf", "autoballoon.conf")) as f:
        for line in f:
            if line.startswith("["):
                section = line.strip()
            elif " = " in line and not line.startswith("#"):
                key, _, value = line.strip().partition(" = ")
                assert (section, key, value) in defaults
                rows += 1
    assert rows > 5


def test_every_option_is_documented(defaults):
    """The manual has each option and its default as the daemon prints them."""
    with open(os.path.join(TOOL, "man", "autoballoond.8")) as f:
        manual = dict(re.findall(r"^\.It Ic (\S+) No = ?(?:Pa )?(.*)$", f.read(), re.M))
    multiple = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    assert len(defaults) > 50
    for _, key, value in defaults:
        assert key in manual, f"{key} is not in the manual"
        documented = manual[key]
        if re.fullmatch(r"\d+[KMG]", documented):
            documented = str(int(documented[:-1]) * multiple[documented[-1]])
        assert documented == value, f"{key}: {manual[key]} in the manual, {value} in fact"

"""Completion of autoballoonctl in bash."""

import os
import re
import subprocess

import pytest

from daemon import BUILD, TOP, Daemon

FILE = os.path.join(TOP, "tools", "autoballoon", "completion", "autoballoonctl")


def complete(*words, path=""):
    line = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["bash", "-c", f". '{FILE}'; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
         "_autoballoonctl; printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_it_knows_what_the_program_knows():
    """Commands and options are those of --help."""
    text = subprocess.run([os.path.join(BUILD, "autoballoonctl"), "--help"], capture_output=True,
                          text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", text, re.M)
    assert len(commands) > 15 and set(complete("autoballoonctl", "")) == set(commands)
    options = set(re.findall(r"(--[a-z]+)", text)) - {"--usage"}
    assert set(complete("autoballoonctl", "-")) == options


@pytest.mark.parametrize("words, expected", [
    (("st",), ["status"]), (("inject", ""), ["low", "medium", "critical"]),
    (("-s", "/x", "plan", "m"), ["medium"]), (("setup", "fire"), ["firecracker"]),
    (("set", "web", ""), ["auto"]), (("status", ""), [])])
def test_words(words, expected):
    assert complete("autoballoonctl", *words) == expected


def test_guests(tmp_path, fleet):
    fleet.add("web")
    fleet.add("db")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web", "db")
        os.mkdir(tmp_path / "bin")
        with open(tmp_path / "bin" / "autoballoonctl", "w") as f:
            f.write(f"#!/bin/sh\nexec {BUILD}/autoballoonctl -s {daemon.control} \"$@\"\n")
        os.chmod(tmp_path / "bin" / "autoballoonctl", 0o755)
        assert sorted(complete("autoballoonctl", "hold", "", path=tmp_path / "bin")) == ["db", "web"]

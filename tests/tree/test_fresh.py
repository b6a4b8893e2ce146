"""A visitor's first minutes: a fresh Debian, git clone, make run."""

import os
import subprocess

import pytest

import paths


@pytest.mark.full
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_fresh_debian(release, summary):
    done = subprocess.run([os.path.join(paths.TOP, "tests", "fresh"), release],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "came back" in done.stdout
    summary("fresh Debian", done.stdout.splitlines()[-1].removeprefix("fresh: "))


def test_other_releases_are_refused():
    done = subprocess.run([os.path.join(paths.TOP, "tests", "fresh"), "sid"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "trixie" in done.stderr

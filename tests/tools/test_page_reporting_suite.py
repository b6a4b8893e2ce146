"""The guest tool's own tests, which need no guest: made-up trees, sanitizers, static checks."""

import os
import re
import subprocess

import pytest

import paths


def make(target, *variables):
    done = subprocess.run(["make", "-C", paths.GUEST_TOOL, target, *variables], capture_output=True,
                          text=True, timeout=600, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def test_made_up_trees_and_static_checks():
    assert re.search(r"\d+ passed", make("check"))


@pytest.mark.long
def test_under_sanitizers():
    assert re.search(r"\d+ passed", make("asan"))


@pytest.mark.long
def test_builds_with_another_c_library():
    """Alpine's is musl, which has no argp: a static program, which does all that ours does."""
    place = os.path.join(paths.BUILD, "page-reporting-musl")  # where others may run it, too
    musl = ("CC=musl-gcc", "VARIANT=static", f"BUILD={place}", "CFLAGS=-O2 -Werror")
    assert re.search(r"\d+ passed", make("test", *musl))
    tool = f"{place}/static/page-reporting"
    assert os.path.getsize(tool) < 200 << 10
    headers = subprocess.run(["readelf", "-lW", tool], capture_output=True, text=True, check=True)
    assert "LOAD" in headers.stdout and "INTERP" not in headers.stdout
    for name in os.listdir(paths.GUEST_TOOL):
        if name.endswith((".c", ".h")):
            with open(os.path.join(paths.GUEST_TOOL, name)) as f:
                assert not re.search(r"<(argp|error|obstack|execinfo|fts|printf)\.h>", f.read())


def test_install(tmp_path):
    for prefix in ("/usr/local", "/opt/other"):
        done = subprocess.run(["make", "-C", paths.GUEST_TOOL, "install", f"DESTDIR={tmp_path}",
                               f"PREFIX={prefix}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert os.access(f"{tmp_path}{prefix}/sbin/page-reporting", os.X_OK)
        assert os.path.exists(f"{tmp_path}{prefix}/share/man/man8/page-reporting.8")

""".ci/run: what failed gets a second try, and is named if it needed one."""

import os
import shutil
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
A, B = "tests/vm/test_x.py::test_a[overlay]", "tests/vm/test_x.py::test_b"


def script(path, names, passed, status):
    failed = "failed:\n" + "".join(f"  {name}\n" for name in names) if names else ""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nmkdir -p build/log; : >build/log/test-failures.log\n"
                    f"echo \"$*\" >>tried\ncat <<'END'\nmatrix:\n  q35: ran\n"
                    f"{failed}{passed} passed, {len(names)} failed\nEND\nexit {status}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("first, second, tried, late, last, status", [
    ([], None, None, [], "9 passed, 0 failed", 0),
    ([A, B], [], [A, B], [A, B], "10 passed, 0 failed", 0),
    ([A, B], [B], [A, B], [A], "10 passed, 1 failed", 1),
    ([A, B], [A, B], [A, B], [], "10 passed, 2 failed", 1),
    ([f"{A}::case", f"{B}::case"], [f"{B}::case"], [A, B], [A], "10 passed, 1 failed", 1),
    ([A, "build::overlay-6.1"], None, None, [], "9 passed, 2 failed", 1),
], ids=("all-pass", "both-late", "one-late", "none-late", "cases", "no-kernel"))
def test_second_tries_are_named(tmp_path, first, second, tried, late, last, status):
    (tmp_path / ".ci").mkdir()
    shutil.copy(os.path.join(TOP, ".ci", "run"), tmp_path / ".ci")
    script(tmp_path / "bin" / "make", first, 9, int(bool(first)))
    if second is not None:
        script(tmp_path / "tests" / "run", second, 1, int(bool(second)))
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, env={
        **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == status, done.stderr
    assert lines[-1] == last
    calls = (tmp_path / "tried").read_text().splitlines()
    assert calls[0] == "test"
    assert calls[1:] == ([" ".join(["--no-build --jobs 1", *tried])] if tried else [])
    if late:
        at = lines.index("passed only at the second try:")
        assert lines[at + 1:-1] == [f"  {name}" for name in late]
    else:
        assert lines[-2] == "no test passed only at the second try"

"""A kernel that is up to date is not built again; whatever it is made of is noticed."""

import os
import shutil
import subprocess

import pytest

import paths

SOURCE = os.path.join(paths.BUILD, "src", paths.SERIES, "overlay")
STAMP = os.path.join(SOURCE, "obj", ".built")
# One worker at a time has the stamp.
pytestmark = pytest.mark.xdist_group("build-kernel")


@pytest.fixture(name="build")
def fixture_build(tmp_path):
    """Builds the overlay with a make that only fails, and leaves the stamp as it was."""
    builder = os.path.join(paths.TOOLS, "build-kernel")
    subprocess.run([builder, "overlay"], check=True, capture_output=True)
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\nexit 1\n")
    make.chmod(0o755)
    shutil.copy(STAMP, tmp_path / "stamp")

    def build(**environment):
        return subprocess.run([builder, "overlay"], text=True, capture_output=True, check=False,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
                                   **environment})
    yield build
    shutil.copy(tmp_path / "stamp", STAMP)


def test_what_is_built_is_not_built_again(build):
    done = build()
    assert done.returncode == 0, done.stderr
    assert "nothing has changed" in done.stdout


# A change of the tree has all its kernels looked at again by make, upstream's as well, which
# has the same file: not in each make test.
@pytest.mark.parametrize("change", ["compiler", pytest.param("content", marks=pytest.mark.long),
                                    pytest.param("gone and back", marks=pytest.mark.long)])
def test_what_it_is_made_of_is_noticed(build, tmp_path, change):
    readme, environment = os.path.join(SOURCE, "README"), {}
    if change == "content":
        os.utime(readme)
    elif change == "gone and back":
        # As old as it was.
        away = os.path.join(SOURCE, "obj", "README.away")
        os.rename(readme, away)
        os.rename(away, readme)
    else:
        gcc = tmp_path / "other-gcc"
        gcc.write_text("#!/bin/sh\necho another\n")
        gcc.chmod(0o755)
        environment["CC"] = str(gcc)
    done = build(**environment)
    assert done.returncode, done.stdout
    assert "building the overlay kernel failed" in done.stderr

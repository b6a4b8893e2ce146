"""The patch that make patch writes gives the overlay tree, however it is applied."""

import filecmp
import os
import re
import shutil
import subprocess

import pytest

import paths

SOURCE = os.path.join(paths.BUILD, "src", paths.SERIES)
UPSTREAM = os.path.join(SOURCE, "upstream")
OVERLAY = os.path.join(SOURCE, "overlay")


def run(*command, cwd, stdin=None):
    done = subprocess.run(command, cwd=cwd, stdin=stdin, text=True, capture_output=True,
                          check=False, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
                                            "GIT_CONFIG_NOSYSTEM": "1",
                                            "SOURCE_DATE_EPOCH": "1700000000"})
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def patch(tmp_path_factory):
    out = tmp_path_factory.mktemp("patch") / "all.patch"
    run(os.path.join(paths.TOOLS, "make-patch"), "-o", out, cwd=paths.TOP)
    return out


@pytest.fixture(scope="module")
def touched(patch):
    """The paths that the patch names."""
    found = re.findall(r"^diff --git a/(\S+) b/\1$", patch.read_text(), re.M)
    assert "mm/page_alloc.c" in found
    return found


@pytest.fixture
def source(tmp_path, touched):
    """An unpacked kernel source: those of its folders that the patch has to do with."""
    for folder in {os.path.dirname(path) for path in touched}:
        upstream = os.path.join(UPSTREAM, folder)
        if not os.path.isdir(upstream):
            continue
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(upstream):
            if entry.is_file(follow_symlinks=False):
                shutil.copyfile(entry.path, tmp_path / folder / entry.name)
    return tmp_path


def folder_files(top, folder):
    try:
        with os.scandir(os.path.join(top, folder)) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)
                    and not entry.name.startswith(".")}
    except FileNotFoundError:
        return set()


def assert_is_overlay(tree, touched):
    for folder in {os.path.dirname(path) for path in touched}:
        names = folder_files(OVERLAY, folder)
        assert folder_files(tree, folder) == names
        _, differ, broken = filecmp.cmpfiles(os.path.join(OVERLAY, folder), tree / folder, names,
                                             shallow=False)
        assert not differ and not broken, folder


def test_git_am(source, patch, touched):
    run("git", "init", "-q", cwd=source)
    for key, value in (("name", "Tester"), ("email", "tester@localhost")):
        run("git", "config", f"user.{key}", value, cwd=source)
    run("git", "add", "-f", ".", cwd=source)
    run("git", "commit", "-q", "-m", "upstream", cwd=source)
    run("git", "am", "-q", patch, cwd=source)
    assert_is_overlay(source, touched)
    assert "PATCH" not in run("git", "log", "-1", "--format=%s", cwd=source)
    assert run("git", "status", "--porcelain", cwd=source) == ""


def test_patch_p1(source, patch, touched):
    with open(patch) as f:
        run("patch", "-p1", "-F0", "-s", "--no-backup-if-mismatch", cwd=source, stdin=f)
    assert_is_overlay(source, touched)


def test_the_overlay_is_all_of_it(touched):
    """Every file of this project that belongs into the kernel is in the patch."""
    own = [os.path.relpath(os.path.join(directory, name), paths.TOP)
           for root in ("mm", "drivers", "include", "Documentation")
           for directory, _, names in os.walk(os.path.join(paths.TOP, root))
           for name in names if not name.startswith(".")]
    assert own and not set(own) - set(touched)


def test_same_files_same_patch(tmp_path, patch):
    again = tmp_path / "again.patch"
    run(os.path.join(paths.TOOLS, "make-patch"), "-o", again, cwd=paths.TOP)
    assert again.read_bytes() == patch.read_bytes()

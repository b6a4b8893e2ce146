"""The series that make series writes gives the overlay of the newest kernel; each prefix builds."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import paths
import steps
from guest import Guest, GuestError
from kernelchange import Failure
from ktap import BROKEN, cases

sys.path.insert(0, os.path.join(paths.TOP, "tests", "pure"))

import pure  # noqa: E402

NEWEST = paths.series_served()[-1]
SOURCE = os.path.join(paths.BUILD, "src", NEWEST)
UPSTREAM = os.path.join(SOURCE, "upstream")
OVERLAY = os.path.join(SOURCE, "overlay")
PREFIX = os.path.join(SOURCE, "prefix")
PREFIX_KERNEL = os.path.join(paths.BUILD, "kernel", NEWEST, "prefix", "bzImage")
PREFIX_KERNELS = os.path.join(paths.BUILD, "kernel", NEWEST, "prefixes")
MAKE_SERIES = os.path.join(paths.TOOLS, "make-series")
# Of the kernel's own: they use the interfaces of both.
NEIGHBOURS = ("drivers/hv/hv_balloon.c", "drivers/virtio/virtio_balloon.c")
# One worker makes the patches, once.
pytestmark = pytest.mark.xdist_group("series")
OURS = r"(?:mm/page_reporting|drivers/virtio/virtio_balloon/|include/(?:linux|trace/events)/" \
       r"(?:page_reporting|virtio_balloon)\.h)"


def run(*command, cwd=paths.TOP, series=NEWEST):
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False,
                          env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
                               "GIT_CONFIG_NOSYSTEM": "1", "SERIES": series,
                               "SOURCE_DATE_EPOCH": "1700000000"})
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The patches' paths in their order, the cover letter first."""
    out = tmp_path_factory.mktemp("series")
    run(MAKE_SERIES, "-o", out)
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def touched(series):
    found = {path for patch in series
             for path in re.findall(r"^diff --git a/(\S+) b/\1$", patch.read_text(), re.M)}
    assert "mm/page_alloc.c" in found
    return sorted(found)


def read(top, path):
    try:
        with open(os.path.join(top, path), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def test_git_am_gives_the_overlay(series, touched, tmp_path):
    for path in touched:
        if os.path.exists(os.path.join(UPSTREAM, path)):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(os.path.join(UPSTREAM, path), tmp_path / path)
    run("git", "init", "-q", cwd=tmp_path)
    for key, value in (("name", "Tester"), ("email", "tester@localhost")):
        run("git", "config", f"user.{key}", value, cwd=tmp_path)
    run("git", "add", "-f", ".", cwd=tmp_path)
    run("git", "commit", "-q", "-m", "upstream", cwd=tmp_path)
    run("git", "am", "-q", *series[1:], cwd=tmp_path)
    assert [path for path in touched if read(tmp_path, path) != read(OVERLAY, path)] == []
    assert run("git", "status", "--porcelain", cwd=tmp_path) == ""
    subjects = run("git", "log", "--format=%s", cwd=tmp_path).splitlines()[:-1]
    assert len(subjects) == len(series) - 1
    assert [subject for subject in subjects
            if len(subject) > 75 or not re.match(r"[\w/, :]+: [a-z]", subject)] == []


def test_the_overlay_is_all_of_it(touched):
    assert not set(steps.own_files()) - set(touched)


def test_the_cover_letter_has_the_figures(series):
    text = series[0].read_text()
    with open(os.path.join(paths.TOP, "docs", "figures.md")) as f:
        row = re.search(r"^\| half of it after \| (.*?) \| (.*?) \|", f.read(), re.M)
    assert re.search(rf"^  half of it after +{row[1]} +{row[2]}$", text, re.M)
    assert "***" not in text and "@figures" not in text


def test_same_files_same_series(series, tmp_path):
    run(MAKE_SERIES, "-o", tmp_path)
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == \
        [(path.name, path.read_bytes()) for path in series]


def test_another_kernel_is_refused(tmp_path):
    done = subprocess.run([MAKE_SERIES, "-o", tmp_path], env={**os.environ, "SERIES": "6.1"},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and NEWEST in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture
def edit_step(tmp_path, monkeypatch):
    """Replaces words in a copy of a step, which is read from then on."""
    copy = tmp_path / "series"
    shutil.copytree(steps.STEPS, copy)
    monkeypatch.setattr(steps, "STEPS", str(copy))

    def edit(name, old, new):
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new))
    return edit


@pytest.mark.parametrize("old, new, says", [
    ("file mm/page_reporting/map.[ch] ", "file ", "in no step.*mm/page_reporting/map.c"),
    ("map.[ch]", "mop.[ch]", "04-map: there is no mm/page_reporting/mop"),
    ("map.[ch]", "map.[ch] mm/page_reporting/state.c", "state.c is in two steps"),
    ("%%", "%%\npart mm/swapfile.c\n\t+x", "04-map: a part of mm/swapfile.c"),
    ("%%", "%%\npart mm/page_reporting/map.c\n\t+x", "04-map: a part of .*/map.c"),
    ("%%", "%%\npart mm/page_reporting/pace.c\n\t+no such line", "pace.c has no such lines"),
    ("%%", "%%\npatch 0099-none.patch", "04-map: there is no patches/"),
    ("%%", "%%\nremove mm/none.c", "04-map: Linux .* has no mm/none.c"),
    ("%%", "", "04-map: no line %%"),
    ("%%", "%%\nfiles mm/x", "04-map: what is this"),
])
def test_what_does_not_fit_is_refused(series, edit_step, old, new, says):
    edit_step("04-map", old, new)
    with pytest.raises(Failure, match=says):
        list(steps.Tree(NEWEST, UPSTREAM, OVERLAY).states())


def test_parts_are_taken_away_again():
    after = "a\nkeep 1\nnew\nb\nkeep 2\nnew\n#if X\nany\nlines\n#endif\nz\n"
    without = steps.take_away([" ...", "+new"], after, "here")
    assert without == "a\nkeep 1\nb\nkeep 2\n#if X\nany\nlines\n#endif\nz\n"
    assert steps.take_away(["+#if X", "+...", "+#endif", "-old"], without, "here") == \
        "a\nkeep 1\nb\nkeep 2\nold\nz\n"


def test_objects_of_later_steps_are_left_out():
    text = "# of a.o\nx-y := a.o b.o \\\n\tc.o\nx-$(CONFIG_C) += c.o\nobj-y += x.o\n"
    assert steps.without_objects(text, "mm", {"mm/b.c", "mm/c.c"}) == \
        "# of a.o\nx-y := a.o\nobj-y += x.o\n"


def objects_of(number, changed):
    """What of the kernel a patch may break: its objects, ours, and those of neighbours."""
    found = [folder for folder in ("mm/page_reporting/", "drivers/virtio/virtio_balloon/")
             if os.path.isdir(os.path.join(PREFIX, folder))]
    found += [path[:-1] + "o" for path in (*changed, *NEIGHBOURS)
              if path.endswith(".c") and os.path.exists(os.path.join(PREFIX, path))
              and not path.startswith(tuple(found))]
    return sorted(set(found))


def kernel_of(patch):
    """Where the kernel that a patch and those before it give is kept."""
    return os.path.join(PREFIX_KERNELS, patch.name.replace(".patch", ".bzImage"))


def suites_of(state):
    """The names of the KUnit suites in the files that a step leaves."""
    return {name for path, text in state.items() if path.endswith("_kunit.c")
            for name in re.findall(r'^\t\.name = "(\w+)",$', text or "", re.M)}


@pytest.mark.long
def test_every_prefix_builds(series, record_case):
    """As a kernel with the tests in it, its own files without a warning; policies on the host."""
    build = (os.path.join(paths.TOOLS, "build-kernel"), f"prefix-{NEWEST}")
    shutil.rmtree(PREFIX_KERNELS, ignore_errors=True)
    os.makedirs(PREFIX_KERNELS)
    for number, patch in enumerate(series[1:], 1):
        changed = re.findall(r"^diff --git a/(\S+) b/\1$", patch.read_text(), re.M)
        error = None
        try:
            run(MAKE_SERIES, "--tree", str(number))
            output = run(*build, "W=1", *objects_of(number, changed))
            warnings = [line for line in output.splitlines()
                        if re.match(rf"(?:\.\./)*{OURS}.*\b(?:warning|error):", line)]
            assert not warnings, "\n".join(warnings)
            run(*build)
            shutil.copyfile(PREFIX_KERNEL, kernel_of(patch))
            failed = {name: why for name, why in pure.run(PREFIX).items() if why}
            assert not failed, failed
        except (AssertionError, pure.BuildError) as problem:
            error = str(problem)
        print(f"{patch.name}: {error or 'builds'}", flush=True)
        record_case(patch.name, error)
    assert [path for path in steps.own_files() if read(PREFIX, path) != read(OVERLAY, path)] == []


@pytest.mark.long
def test_every_prefix_passes_its_suites(series, record_case):
    """In a guest without a balloon, on the kernels that the test before this one has built."""
    states = steps.Tree(NEWEST, UPSTREAM, OVERLAY).states()
    for patch, (_, state) in zip(series[1:], states, strict=True):
        error = None
        try:
            assert os.path.exists(kernel_of(patch)), "test_every_prefix_builds left no kernel"
            with Guest(kernel_of(patch), name="test-prefix", memory=1024, balloon=None,
                       cmdline="kunit.enable=1 kunit.autorun=1") as guest:
                found = cases(guest.console())
                failed = {name: why for name, why in found if why}
                assert not failed, failed
                assert {name.split(".")[0] for name, _ in found} == suites_of(state)
                assert not guest.bad_dmesg(0, [BROKEN])
        except (AssertionError, GuestError) as problem:
            error = str(problem)
        print(f"{patch.name}: {error or 'passes'}", flush=True)
        record_case(patch.name, error)

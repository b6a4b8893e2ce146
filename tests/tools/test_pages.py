"""The pages that are shown to visitors: whole in themselves, with what they promise in them."""

import os
import re
import subprocess

import pytest

import contenders
import memorymap
import paths
import picture
import runpage
import story as stories
from discards import Discard
from sampler import Sample
from wholepage import assert_whole, data_of

MIB = 1 << 20
RUN = os.path.join(paths.TOOLS, "run")


def curve(seconds, high, low, begun):
    """The charge over time: high, then falling to low within so many seconds."""
    def charge(tick):
        falls = min(1, max(0, 1 - tick / 20 / seconds))
        return int(low + (high - low) * falls) + tick % 2

    return [Sample(begun + t / 20, charge(t) * MIB, 900 * MIB, t) for t in range(-60, 1200)]


def made_story(one, seconds, left=0, back=1200):
    free = [512] * 700 + [300] * 100 + [0] * 224
    there = memorymap.made(free, [0] * 600 + [512] * 424)
    return stories.Story(
        one.name, f"6.12-{one.kernel}", 2, "image", "700", "log",
        curve(seconds, 1400, 1400 - back, 1000.0), 1000.0, 1040.0, 190 * MIB, 1400 * MIB,
        1200 * MIB, back * MIB, (1400 - back) * MIB, [Discard(1001, "ram", 0, 2 * MIB, 0)] * 9,
        {moment: there for moment in picture.MOMENTS}, 1030.0, 300 * MIB, left * MIB)


@pytest.fixture(scope="module")
def told():
    return [made_story(contenders.OURS, 1), made_story(contenders.UPSTREAM, 10, left=290),
            made_story(contenders.TUNED, 3, left=295, back=1100)]


def test_story_knows_when_it_was_back(told):
    ours, upstream, tuned = told
    assert ours.time_back(0.95) == pytest.approx(0.95, abs=0.06)
    assert upstream.time_back(0.5) == pytest.approx(5, abs=0.06)
    assert tuned.time_back(0.95) is None and tuned.share == pytest.approx(11 / 12)


def test_charge_of_all_in_one_picture(told):
    """Each kernel by its name, and what happened written to its line."""
    svg = picture.side_by_side(told).decode()
    for number, one in enumerate(contenders.ALL):
        assert svg.count(f"<!-- {one.name}: ") == 2
        for act in ("freed", "pieces"):
            line = re.search(rf'<g id="{act}-{number}">\s*<path d="([^"]+)"', svg)
            assert line and line[1].count("L ") > 300
    upstream = contenders.UPSTREAM.name
    for words in ("ours: 95 % back after 1.0 s", f"{upstream}: 95 % back after 9.5 s",
                  "upstream 7.3, 250 ms: 92 % back in the end", "9.5 s",
                  f"{upstream}: 290 MiB still charged", "the host is charged (MiB)"):
        assert f"<!-- {words} -->" in svg, words


def test_maps_before_and_after(told):
    svg = picture.maps(told).decode()
    for words in (*picture.MOMENTS.values(), *memorymap.STATES.values()):
        assert f"<!-- {words} -->" in svg, words
    for number in range(len(told)):
        assert svg.count(f'<g id="map-{number}-') == len(picture.MOMENTS)
    assert svg.count("<image ") == len(told) * len(picture.MOMENTS)
    assert picture.maps(told).decode() == svg  # equal figures, equal bytes


def test_page_of_one_run(told):
    png = picture.memory_over_time("title", told[0].samples, told[0].freed_at, [(0, "freed")])
    page = runpage.render("A guest frees <1200> MiB", "It came back.", True,
                          (runpage.Picture(png, "png", "charge"),
                           runpage.Picture(picture.maps(told[:1]), "svg", "maps")),
                          (("1200 MiB", "the guest freed"),), (("QEMU", "7.2"),),
                          numbers=("x.csv", b"a,b\n"))
    assert_whole(page)
    assert "&lt;1200&gt;" in page and "missed" not in page.split("</style>")[1]
    found = data_of(page)
    assert found["image/png"] == [png] and found["text/csv"] == [b"a,b\n"]
    assert len(found["image/svg+xml"]) == 1


@pytest.mark.parametrize("free, present, kind", [
    (0, 512, "#"), (0, 0, "#"), (1, 512, "+"), (511, 0, "+"), (512, 512, "-"), (512, 257, "-"),
    (512, 256, "."), (512, 0, ".")])
def test_state_of_a_unit(free, present, kind):
    assert memorymap.state(free, present) == kind


def test_bytes_of_a_map():
    found = memorymap.made([512, 512, 100, 0], [512, 0, 512, 512])
    assert found == ("-.+#", 100 * 4096, 2 * MIB + 100 * 4096)
    # Pieces can be given back, too.
    assert memorymap.made([100], [412]).kept == 0
    assert memorymap.rows("#" * 1024) == ["#" * 32] * 32
    lines = memorymap.rows("#" * 1000)
    assert "".join(lines) == "#" * 1000 and len(lines[0]) == 32


def test_bad_input_gets_one_line():
    for arguments in (["--compare", "--kernel", "overlay"], ["--compare", "--sysctl", "a.b=1"],
                      ["--fill", "3G"], ["--kernel", "none"]):
        done = subprocess.run([RUN, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr

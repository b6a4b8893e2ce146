"""Draws the benchmark's pictures, each as the bytes of an SVG."""

import io
import math
import os

import contenders
import memorymap
import paths

os.environ.setdefault("MPLCONFIGDIR", os.path.join(paths.BUILD, "matplotlib"))

import matplotlib  # noqa: E402

matplotlib.use("Agg")

from matplotlib import pyplot, ticker  # noqa: E402

pyplot.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.grid": True,
                        "grid.alpha": 0.3, "savefig.dpi": 110, "svg.hashsalt": "page"})

COLOURS = {"upstream": contenders.COLOURS[contenders.UPSTREAM.name],
           "overlay": contenders.COLOURS[contenders.OURS.name]}
BEST = contenders.TUNED.name
OTHERS = ("#2e7d5b", "#7d4f8f", "#77767b")


def _colour(setup, number):
    return COLOURS.get(setup) or contenders.COLOURS.get(setup, OTHERS[number % len(OTHERS)])


def _drawn(figure, fitted=False):
    data = io.BytesIO()
    if not fitted:
        figure.tight_layout()
    figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return data.getvalue()


def _outcome(measures):
    """Of a run that measured it: when 95 % were back, in words."""
    if "t95" not in measures:
        return ""
    time = measures["t95"]
    return ": 95 % never back" if math.isinf(time) else f": 95 % back after {time:.1f} s"


def over_time(title, measured):
    """Charge over time, one line for each setup that has a series, its outcome beside it.

    The lines are those of each setup's last run, and so is what is said of them.
    """
    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for number, (setup, runs) in enumerate(measured.items()):
        last = runs[-1]
        points = last["series"]["charged"]
        line, = axes.plot([x for x, _ in points], [y for _, y in points],
                          label=setup + _outcome(last), gid=f"charged-{number}",
                          color=_colour(setup, number),
                          linewidth=1.2 + 1.2 * (setup in (*COLOURS, BEST)))
        mark = last.get("t95", math.inf)
        # Where times count from another moment than the picture's, it would be elsewhere.
        if last.get("zero") == "freed" and points[0][0] <= mark <= points[-1][0]:
            y = min(points, key=lambda point: abs(point[0] - mark))[1]
            axes.plot([mark], [y], "o", color=line.get_color(), markersize=7)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("host is charged (MiB)")
    axes.set_title(title, loc="left")
    axes.legend(framealpha=1)
    return _drawn(figure)


def points(title, measured, x_label, y_label):
    """Points joined by lines: series of {line: [(x, y), ...]}, a line style each."""
    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for number, (setup, runs) in enumerate(measured.items()):
        for style, (line, found) in zip(("-o", "--s", ":^"), runs[-1]["series"].items()):
            axes.plot([x for x, _ in found], [y for _, y in found], style,
                      color=_colour(setup, number), label=f"{setup}, {line}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title, loc="left")
    axes.legend(framealpha=1)
    return _drawn(figure)


def ratios(results):
    """All rows that have a ratio and a target, on a logarithmic scale."""
    shown = [r for r in results if r.ratio and r.row.target][::-1]
    if not shown:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.34 * len(shown)))
    axes.barh([r.name for r in shown], [r.ratio - 1 for r in shown], left=1,
              color=[COLOURS["overlay"] if r.met else COLOURS["upstream"] for r in shown])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", which="both", labelsize=9)
    axes.set_xlabel("overlay / upstream: left of 1 is less (blue: its target is met)")
    axes.set_title("Every row with a target", loc="left")
    return _drawn(figure)


def maps(measured):
    """The maps of memory of each setup's last run: {setup: runs}, with "maps" in each."""
    return _drawn(memorymap.figure(pyplot, {
        setup: {moment: memorymap.Map(*found) for moment, found in runs[-1]["maps"].items()}
        for setup, runs in measured.items()}), fitted=True)

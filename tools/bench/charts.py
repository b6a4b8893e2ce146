"""Draws the benchmark's pictures, each as the bytes of a PNG."""

import io
import os

import paths

os.environ.setdefault("MPLCONFIGDIR", os.path.join(paths.BUILD, "matplotlib"))

import matplotlib  # noqa: E402

matplotlib.use("Agg")

from matplotlib import pyplot, ticker  # noqa: E402

pyplot.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.grid": True,
                        "grid.alpha": 0.3, "savefig.dpi": 110})

# Upstream first, the overlay second, in colours that the colour-blind can tell.
COLOURS = {"upstream": "#9a3412", "overlay": "#1a5fb4"}
OTHERS = ("#c28e0e", "#2e7d5b", "#7d4f8f")


def _colour(setup, number):
    return COLOURS.get(setup, OTHERS[number % len(OTHERS)])


def _png(figure):
    data = io.BytesIO()
    figure.tight_layout()
    figure.savefig(data, format="png")
    pyplot.close(figure)
    return data.getvalue()


def over_time(title, measured):
    """Charge over time, one line for each setup that has a series."""
    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for number, (setup, runs) in enumerate(measured.items()):
        points = runs[-1]["series"]["charged"]
        axes.plot([x for x, _ in points], [y for _, y in points], label=setup,
                  color=_colour(setup, number), linewidth=1.2 + 1.2 * (setup in COLOURS))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("host is charged (MiB)")
    axes.set_title(title, loc="left")
    axes.legend(framealpha=1)
    return _png(figure)


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
    return _png(figure)


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
    return _png(figure)

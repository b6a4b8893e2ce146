"""Pictures, where there is a matplotlib."""

import sys

BLUE, GREY, RED, GREEN, YELLOW = "#1a5fb4", "#9a9996", "#c01c28", "#2e7d5b", "#e5a50a"


def save(report, figures, path):
    """Has a report draw its figures and writes them to a file."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        sys.exit("a picture needs matplotlib (Debian: python3-matplotlib)")
    pyplot.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.grid": True,
                            "grid.alpha": 0.3, "savefig.dpi": 110})
    figure = report.draw(figures, pyplot)
    try:
        figure.savefig(path, bbox_inches="tight")
    except (OSError, ValueError) as error:
        sys.exit(f"cannot write {path}: {error}")
    pyplot.close(figure)

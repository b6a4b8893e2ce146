"""Draws host memory over time."""

import os

import paths

os.environ.setdefault("MPLCONFIGDIR", os.path.join(paths.BUILD, "matplotlib"))

MIB = 1 << 20
BLUE, GREY, RED = "#1a5fb4", "#9a9996", "#c01c28"


def memory_over_time(path, title, samples, zero, marks=()):
    """Writes a PNG of what a guest costs its host.

    samples  as sampler.Sample, zero: the time.time() that becomes 0 s
    marks    (seconds, label) of vertical lines
    """
    import matplotlib  # slow: only when a picture is wanted
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 15, "axes.titlesize": 17})
    figure, axes = pyplot.subplots(figsize=(8, 8), dpi=120)
    seconds = [sample.time - zero for sample in samples]
    axes.plot(seconds, [sample.rss / MIB for sample in samples], color=GREY, linewidth=2,
              linestyle="--", label="QEMU's resident set (RSS)")
    axes.plot(seconds, [sample.charge / MIB for sample in samples], color=BLUE, linewidth=3,
              label="charged to QEMU's memory cgroup")
    top = max(max(sample.charge, sample.rss) for sample in samples) / MIB * 1.3
    for number, (at, label) in enumerate(marks):
        axes.axvline(at, color=RED, linewidth=1.5, linestyle=":")
        axes.annotate(label, (at, top * (0.80 - 0.06 * number)), xytext=(6, 0),
                      textcoords="offset points", color=RED)
    axes.set_ylim(0, top)
    axes.set_xlim(seconds[0], seconds[-1])
    axes.set_xlabel("time since the guest freed its memory (s)")
    axes.set_ylabel("host memory (MiB)")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", framealpha=1)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)

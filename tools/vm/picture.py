"""Draws host memory over time."""

import os

import paths

os.environ.setdefault("MPLCONFIGDIR", os.path.join(paths.BUILD, "matplotlib"))

MIB = 1 << 20
BLUE, GREY, RED = "#1a5fb4", "#9a9996", "#c01c28"


def memory_over_time(path, title, samples, zero, marks=()):
    """Writes a PNG of what a guest costs its host.

    samples  as sampler.Sample, zero: the time.time() that becomes 0 s
    marks    (seconds, label) of vertical lines, which the legend explains
    """
    import matplotlib  # slow: only when a picture is wanted
    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Letters that can still be read when a telephone shows the whole of it.
    pyplot.rcParams.update({"font.size": 16, "axes.titlesize": 17})
    figure, axes = pyplot.subplots(figsize=(7, 7), dpi=150)
    seconds = [sample.time - zero for sample in samples]
    axes.plot(seconds, [sample.rss / MIB for sample in samples], color=GREY, linewidth=2,
              linestyle="--", label="QEMU's resident set (RSS)")
    axes.plot(seconds, [sample.charge / MIB for sample in samples], color=BLUE, linewidth=3,
              label="charged to QEMU's memory cgroup")
    for at, _ in marks:
        axes.axvline(at, color=RED, linewidth=1.5, linestyle=":")
    if marks:  # words in the legend: beside their lines they would cross others
        axes.plot([], [], color=RED, linewidth=1.5, linestyle=":",
                  label=", ".join(label for _, label in marks))
    axes.set_ylim(0, max(max(sample.charge, sample.rss) for sample in samples) / MIB * 1.05)
    # What comes before the first mark is not what one looks for.
    axes.set_xlim(max(seconds[0], -max(10, seconds[-1])), seconds[-1])
    axes.set_xlabel("time since the guest freed its memory (s)")
    axes.set_ylabel("host memory (MiB)")
    axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=17)
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, 0.92), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.84))
    figure.savefig(path)
    pyplot.close(figure)

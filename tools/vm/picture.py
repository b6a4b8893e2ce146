"""Draws host memory over time, and maps of guests' memory, as PNG or SVG."""

import io
import os

import contenders
import memorymap
import paths
import sampler

os.environ.setdefault("MPLCONFIGDIR", os.path.join(paths.BUILD, "matplotlib"))

MIB = 1 << 20
BLUE, GREY, RED = "#1a5fb4", "#9a9996", "#c01c28"
POINTS = 500  # of a line: more cannot be seen
BEFORE = 2  # seconds shown before memory is freed
LONGEST = 30  # seconds shown after it
MOMENTS = {"booted": "after boot", "filled": "in use", "freed": "freed at once",
           "written": "files written", "removed": "every other one removed"}


def _pyplot(size):
    import matplotlib  # slow: only when a picture is wanted
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"font.size": size, "axes.titlesize": size + 1,
                            "svg.hashsalt": "page"})
    return pyplot


def _drawn(pyplot, figure, kind):
    """The bytes of a file of that kind, png or svg; equal figures give equal bytes."""
    data = io.BytesIO()
    figure.savefig(data, format=kind, dpi=150, **(
        {"metadata": {"Date": None, "Creator": None}} if kind == "svg" else {}))
    pyplot.close(figure)
    return data.getvalue()


def memory_over_time(title, samples, zero, marks=()):
    """A PNG of what a guest costs its host.

    samples  as sampler.Sample, zero: the time.time() that becomes 0 s
    marks    (seconds, label) of vertical lines, which the legend explains
    """
    # Letters that can still be read when a telephone shows the whole of it.
    pyplot = _pyplot(16)
    figure, axes = pyplot.subplots(figsize=(7, 7))
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
    return _drawn(pyplot, figure, "png")


def _line(axes, story, zero, last, what, gid):
    """The charge of one guest around a moment, with the outcome behind its name."""
    samples = sampler.between(story.samples, zero - BEFORE, zero + last)
    samples = samples[::max(1, len(samples) // POINTS)]
    line, = axes.plot([sample.time - zero for sample in samples],
                      [sample.charge / MIB for sample in samples],
                      color=contenders.COLOURS.get(story.name, GREY),
                      label=f"{story.name}: {what}", gid=gid,
                      linewidth=3 if story.name == contenders.OURS.name else 2)
    return line


def _dot(axes, line, at, text=""):
    """A mark on a line where what its words tell is to be seen."""
    axes.plot([at[0]], [at[1]], "o", color=line.get_color(), markersize=8)
    axes.annotate(text, at, xytext=(9, 9), textcoords="offset points", color=line.get_color(),
                  fontweight="bold")


def _freed_at_once(axes, stories):
    times = [story.time_back(0.95) for story in stories]
    last = min(LONGEST, max([20] + [time + 3 for time in times if time is not None]))
    for number, (story, time) in enumerate(zip(stories, times)):
        back = time is not None and time < last
        line = _line(axes, story, story.freed_at, last, f"95 % back after {time:.1f} s" if back
                     else f"{100 * story.share:.0f} % back in the end", f"freed-{number}")
        if back:
            _dot(axes, line, (time, (story.high - 0.95 * story.freed) / MIB), f"{time:.1f} s")
        else:
            _dot(axes, line, (line.get_xdata()[-1], line.get_ydata()[-1]))
    axes.set_xlim(-BEFORE, last)
    axes.set_title(f"{stories[0].freed / MIB:.0f} MiB freed at once", loc="left")


def _freed_in_pieces(axes, stories):
    for number, story in enumerate(stories):
        line = _line(axes, story, story.pieces_at, LONGEST,
                     f"{story.pieces_left / MIB:.0f} MiB still charged",
                     f"pieces-{number}")
        _dot(axes, line, (line.get_xdata()[-1], line.get_ydata()[-1]))
    axes.set_xlim(-BEFORE, LONGEST)
    axes.set_title(f"{stories[0].pieces_freed / MIB:.0f} MiB freed in pieces of 1 MiB", loc="left")


def side_by_side(stories, kind="svg"):
    """One picture of several kernels' stories: charge over time, with words at what matters."""
    pyplot = _pyplot(13)
    figure, axes = pyplot.subplots(1, 2, figsize=(13, 6.5), sharey=True)
    _freed_at_once(axes[0], stories)
    _freed_in_pieces(axes[1], stories)
    for one in axes:
        one.axvline(0, color=GREY, linestyle=":")
        one.set_xlabel("seconds since it was freed")
        one.grid(alpha=0.3)
    axes[0].set_ylabel("the host is charged (MiB)")
    # Room for the words, where no line crosses them.
    axes[0].set_ylim(0, 1.25 * axes[0].get_ylim()[1])
    for one in axes:
        one.legend(framealpha=1, loc="upper right", labelcolor="linecolor")
    figure.tight_layout()
    return _drawn(pyplot, figure, kind)


def maps(stories, kind="svg"):
    """The maps of memory of some stories, at each of their moments."""
    pyplot = _pyplot(12)
    figure = memorymap.figure(pyplot, {story.name: {
        MOMENTS[moment]: story.maps[moment] for moment in MOMENTS if moment in story.maps}
        for story in stories})
    return _drawn(pyplot, figure, kind)

"""Arithmetic and layout of the scripts' figures.  Pure: knows neither perf nor events."""

PERCENTILES = (50, 90, 99)
BAR = 40  # characters of the longest bar


def size(count):
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def duration(ms):
    """Milliseconds for people."""
    if ms < 1:
        return f"{ms * 1000:.0f} us"
    if ms < 1000:
        return f"{ms:.3g} ms"
    return f"{ms / 1000:.3g} s"


def count(number, thing):
    """A number of things."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def share(part, whole):
    """A part in percent, 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def percentile(values, percent):
    """The value below which so much of the weight lies; values: (value, weight), sorted."""
    goal = sum(weight for _, weight in values) * percent / 100
    seen = 0
    for value, weight in values:
        seen += weight
        if seen >= goal:
            return value
    return None


def distribution(values):
    """What there is to say of (value, weight) pairs, as for JSON; all None without any."""
    values = sorted(values)
    weight = sum(w for _, w in values)
    if not weight:
        return {"min": None, "mean": None, **{f"p{p}": None for p in PERCENTILES},
                "max": None, "histogram": []}
    return {"min": values[0][0],
            "mean": sum(v * w for v, w in values) / weight,
            **{f"p{p}": percentile(values, p) for p in PERCENTILES},
            "max": values[-1][0],
            "histogram": histogram(values)}


def histogram(values):
    """[from, to, weight] by powers of two, without holes; the first begins at 0."""
    weights = {}
    for value, weight in values:
        slot = max(0, int(value)).bit_length()
        weights[slot] = weights.get(slot, 0) + weight
    if not weights:
        return []
    return [[1 << slot - 1 if slot else 0, 1 << slot, weights.get(slot, 0)]
            for slot in range(min(weights), max(weights) + 1)]


def spread(low, high, weight, pieces=16):
    """(value, weight) pairs of something that lies evenly between two values."""
    if high <= low:
        return [(low, weight)]
    step = (high - low) / pieces
    return [(low + step * (n + 0.5), weight / pieces) for n in range(pieces)]


def bar(part, most, width=BAR):
    """A bar for a part; never empty for what is not zero."""
    if not part:
        return ""
    return "#" * max(1, round(width * part / most))


def histogram_lines(rows, value, weight):
    """Lines of a histogram(); value() and weight() make text of numbers."""
    most = max((row[2] for row in rows), default=0)
    return table([[value(low), "..", value(high), weight(count), bar(count, most)]
                  for low, high, count in rows])


def summary(found, value):
    """A line of a distribution()."""
    if found["mean"] is None:
        return "  nothing"
    return "  " + "  ".join(f"{name} {value(found[name])}"
                            for name in ("min", "mean", *(f"p{p}" for p in PERCENTILES), "max"))


def table(rows, left=()):
    """Lines with columns as wide as they need; right-justified but those in left and the last."""
    if not rows:
        return []
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    last = len(widths) - 1
    return ["  " + "  ".join(cell.ljust(width) if at in (*left, last) else cell.rjust(width)
                             for at, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]

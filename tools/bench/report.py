"""The benchmark's results as one text table and one JSON file."""

import json
import math


def figure(value):
    """A number as short as it may be read."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "never"
    if value == 0:
        return "0"
    digits = 3 if abs(value) < 0.995 else 2 if abs(value) < 9.95 else 1 if abs(value) < 99.5 else 0
    return f"{value:.{digits}f}"


def spread(summary):
    """Median and, of several values, their range."""
    if summary is None:
        return "-"
    text = figure(summary.median)
    if summary.count > 1:
        text += f" [{figure(summary.low)} .. {figure(summary.high)}]"
    return text


def ratio(result):
    if result.ratio is None:
        return "-"
    text = f"{result.ratio:.4f}" if 0.95 < result.ratio < 1.05 else f"{result.ratio:.3g}"
    if result.interval:
        text += f" [{result.interval.low:.3f} .. {result.interval.high:.3f}]"
    return text


def verdict(result):
    return {True: "met", False: "NOT MET", None: ""}[result.met]


def ratio_tuned(result):
    text = "-" if result.ratio_tuned is None else f"{result.ratio_tuned:.3g}"
    if result.met_at_best is not None:
        text += f" (<= {result.row.at_best:.3g}: {'met' if result.met_at_best else 'NOT MET'})"
    return text


HEADINGS = ("row", "what", "unit", "upstream", "overlay", "ratio", "7.3, 250 ms", "ratio",
            "target", "")


def cells(result):
    row = result.row
    return (result.name, row.title, row.unit, spread(result.upstream), spread(result.overlay),
            ratio(result), spread(result.tuned), ratio_tuned(result),
            str(row.target) if row.target else "", verdict(result))


def tally(results):
    """One line that says how it went."""
    verdicts = [verdict for result in results for verdict in (result.met, result.met_at_best)]
    met, missed = verdicts.count(True), verdicts.count(False)
    absent = sum(bool(result.problem) for result in results)
    return (f"{len(results)} rows: {met} targets met, {missed} not met, "
            f"{absent} rows without figures")


def _aligned(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def text(meta, results):
    """The whole report for a terminal."""
    lines = ["Free page reporting: upstream's kernel and the overlay, side by side", ""]
    lines += [f"{key + ':':12}{value}" for key, value in meta.items()]
    lines += ["", "Median [least .. greatest]; ratio: overlay / upstream, and overlay / upstream "
              "7.3 with page_reporting_delay_ms=250.", ""]
    measured = [result for result in results if not result.problem]
    if measured:
        lines += _aligned([HEADINGS] + [cells(result) for result in measured])
    others = [(result.name, result.row.unit, name, spread(summary))
              for result in measured for name, summary in result.others.items()]
    if others:
        lines += ["", "Upstream with other settings", ""]
        lines += _aligned([("row", "unit", "setting", "figure")] + others)
    problems = [f"{result.name}: {result.problem}" for result in results if result.problem]
    if problems:
        lines += ["", "Without figures", ""] + problems
    return "\n".join(lines + ["", tally(results), ""])


def text_series(meta, results, apart):
    """A table of our kernels of all series; apart: how far a row may differ unnoticed."""
    lines = ["Free page reporting: the overlay's kernels side by side", ""]
    lines += [f"{key + ':':12}{value}" for key, value in meta.items()]
    measured = [result for result in results if result.others]
    if measured:
        names = list(measured[0].others)
        lines += ["", "Median [least .. greatest]; the last column: greatest / least.", ""]
        lines += _aligned([("row", "what", "unit", *names, "")] + [
            (result.name, result.row.title, result.row.unit,
             *(spread(result.others.get(name)) for name in names),
             "-" if result.apart is None
             else f"{result.apart:.3g}{' APART' if result.apart > apart else ''}")
            for result in measured])
    problems = [f"{result.name}: {result.problem}" for result in results if result.problem]
    if problems:
        lines += ["", "Without figures", ""] + problems
    return "\n".join(lines + [""])


def _finite(value):
    """The same with null for infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def _row(result):
    return {
        "row": result.name, "what": result.row.title, "unit": result.row.unit,
        "upstream": result.upstream and result.upstream._asdict(),
        "overlay": result.overlay and result.overlay._asdict(),
        "tuned": result.tuned and result.tuned._asdict(),
        "others": {name: summary._asdict() for name, summary in result.others.items()},
        "ratio": result.ratio, "ratio_tuned": result.ratio_tuned,
        "interval": result.interval and result.interval._asdict(),
        "target": str(result.row.target) if result.row.target else None,
        "met": result.met, "met_at_best": result.met_at_best, "problem": result.problem,
    }


def as_json(meta, results, measured):
    """Everything, each run's figures included; measured: {scenario: {setup: [measures]}}."""
    return json.dumps(_finite({"meta": meta, "rows": [_row(result) for result in results],
                               "runs": measured}), indent=1) + "\n"

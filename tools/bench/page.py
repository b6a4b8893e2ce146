"""The benchmark's results as one HTML page that needs nothing beside it."""

import html

import charts
import report
import runpage

STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 14px }
th, td { border-bottom: 1px solid #ccc; padding: 0.3em 0.7em; text-align: left; vertical-align: top }
td.met { color: #1a5fb4 } td.missed { color: #9a3412; font-weight: bold }
img { max-width: 100%; display: block; margin: 1em 0 }
div.wide { overflow-x: auto }
@media (max-width: 600px) { body { margin: 1em 0; font-size: 15px } table { font-size: 13px } }
@media print { body { font-size: 10pt; margin: 0 } table { font-size: 8pt }
  img { max-width: 14cm } h2, tr, img { break-inside: avoid } h2 { break-after: avoid }
  div.wide { overflow: visible } }
code { background: #f3f3f3; padding: 0 0.2em }
"""


def _picture(svg, label):
    return f'<img alt="{html.escape(label)}" src="{runpage.inline(svg, "svg")}">'


def _table(headings, rows):
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    return f"<div class=\"wide\"><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _row(cells, met=None):
    kinds = [""] * (len(cells) - 1) + [{True: "met", False: "missed", None: ""}[met]]
    return "<tr>" + "".join(f'<td class="{kind}">{html.escape(cell)}</td>'
                            for cell, kind in zip(cells, kinds)) + "</tr>"


def _section(scenario, results, measured):
    parts = [f"<h2>{html.escape(scenario.title)}</h2>"]
    good = [result for result in results if not result.problem]
    if good:
        parts.append(_table(report.HEADINGS,
                            [_row(report.cells(result), result.met) for result in good]))
    others = [_row((result.name, name, report.spread(summary), result.row.unit))
              for result in good for name, summary in result.others.items()]
    if others:
        parts.append("<p>Upstream with other settings</p>"
                     + _table(("row", "setting", "figure", "unit"), others))
    parts += [f"<p>{html.escape(result.name)}: no figures: {html.escape(result.problem)}</p>"
              for result in results if result.problem]
    drawn = _having("series", measured)
    if drawn:
        axes = getattr(scenario, "axes", None)
        svg = (charts.points(scenario.title, drawn, *axes) if axes
               else charts.over_time(scenario.title, drawn))
        parts.append(_picture(svg, scenario.title))
    mapped = _having("maps", measured)
    if mapped:
        parts.append("<p>The guest's memory, a square for each 2 MiB: what the guest says is "
                     "free, put together with what the host has for it.</p>"
                     + _picture(charts.maps(mapped), f"maps of memory: {scenario.title}"))
    return "".join(parts)


def _having(what, measured):
    return {setup: runs for setup, runs in measured.items() if runs and what in runs[-1]}


def _first(scenarios, measured):
    """The one to be looked at first: memory is freed at once, with each kernel."""
    for scenario in scenarios:
        drawn = _having("series", measured.get(scenario.name, {}))
        if drawn and all(runs[-1].get("zero") == "freed" for runs in drawn.values()):
            return scenario
    return None


def render(meta, results, measured):
    """measured: {scenario: {setup: [measures]}} by the scenario's name."""
    scenarios = list(dict.fromkeys(result.scenario for result in results))
    first = _first(scenarios, measured)
    scenarios.sort(key=lambda scenario: scenario is not first)
    facts = "".join(_row((key, value)) for key, value in meta.items())
    overview = charts.ratios(results)
    return ("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            "<title>Free page reporting: benchmark</title>"
            f"<style>{STYLE}</style></head><body>"
            "<h1>Free page reporting: upstream's kernel and the overlay, side by side</h1>"
            f"<table>{facts}</table><p>{html.escape(report.tally(results))}. "
            "Figures are medians [least .. greatest].</p>"
            + (_picture(overview, "ratios") if overview else "")
            + "".join(_section(scenario, [r for r in results if r.scenario is scenario],
                               measured.get(scenario.name, {})) for scenario in scenarios)
            + "</body></html>\n")

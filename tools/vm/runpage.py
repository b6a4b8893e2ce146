"""The result of make run as one HTML page that needs nothing beside it.

For a telephone, a large screen and paper alike: one column, pictures as wide as there
is room, figures with units, and a sentence for each.
"""

import base64
import collections
import html

STYLE = """
body { font: 17px/1.5 sans-serif; max-width: 42em; margin: 0 auto; padding: 1em; color: #222;
       background: #fff }
body.wide { max-width: 62em }
h1 { font-size: 1.4em; line-height: 1.25 }
h2 { font-size: 1.15em; margin-top: 2em }
.result { font-size: 1.15em; border-left: 5px solid #1a5fb4; padding-left: 0.8em }
.missed { border-color: #c01c28 }
figure { margin: 1.5em 0 }
img { width: 100%; height: auto; display: block }
figcaption, .facts { font-size: 0.9em; color: #444 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: 0.4em 0.6em 0.4em 0; text-align: left;
         vertical-align: top; font-weight: normal }
th, td.figure { font-weight: bold }
td.figure { white-space: nowrap }
code { background: #f3f3f3; padding: 0 0.2em; overflow-wrap: anywhere }
@media print {
  @page { margin: 2cm }
  body, body.wide { font-size: 11pt; padding: 0; max-width: none }
  img { max-height: 10cm; width: auto; max-width: 100%; margin: 0 auto }
  figure, table, tr { break-inside: avoid }
}
"""

# data: bytes of a file of this kind, png or svg; caption: what one sees in it
Picture = collections.namedtuple("Picture", "data kind caption")
TYPES = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}


def inline(data, kind):
    """An address that has the data in itself."""
    return f"data:{TYPES[kind]};base64,{base64.b64encode(data).decode()}"


def _figure(picture):
    caption = html.escape(picture.caption)
    return (f'<figure><img alt="{caption}" src="{inline(picture.data, picture.kind)}">'
            f"<figcaption>{caption}</figcaption></figure>")


def _row(cells, kind="td", figures=()):
    return "<tr>" + "".join(
        f'<{kind}{" class=figure" if number in figures else ""}>{html.escape(cell)}</{kind}>'
        for number, cell in enumerate(cells)) + "</tr>"


def render(title, result, good, pictures, figures, facts, *, headings=(), numbers=None):
    """An HTML document.

    result    a sentence; good: whether it is what was wanted
    pictures  of Picture
    figures   rows: a figure with its unit and what it is; with headings, what it is first
    facts     (name, value) pairs of how it was measured
    numbers   (name, bytes) of a CSV that can be taken out of the page
    """
    columns = range(1, len(headings)) if headings else (0,)
    rows = (_row(headings, "th") if headings else "") + "".join(
        _row(row, figures=columns) for row in figures)
    download = "" if not numbers else (
        f'<p><a download="{html.escape(numbers[0])}" href="{inline(numbers[1], "csv")}">'
        "The numbers of the picture</a> (CSV, in this page).</p>")
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
            f'<body{" class=wide" if headings else ""}>'
            f"<h1>{html.escape(title)}</h1>"
            f'<p class="result{"" if good else " missed"}">{html.escape(result)}</p>'
            + _figure(pictures[0]) + f"<table>{rows}</table>"
            + "".join(_figure(picture) for picture in pictures[1:]) + download
            + '<h2>How it was measured</h2><table class="facts">'
            + "".join(_row(fact) for fact in facts) + "</table></body></html>\n")

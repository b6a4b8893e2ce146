"""The result of make run as one HTML page that needs nothing beside it.

For a telephone, a large screen and paper alike: one column, the picture as wide
as there is room, figures with units, and a sentence for each.
"""

import base64
import html

STYLE = """
body { font: 17px/1.5 sans-serif; max-width: 42em; margin: 0 auto; padding: 1em; color: #222;
       background: #fff }
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
td.figure { white-space: nowrap; font-weight: bold }
code { background: #f3f3f3; padding: 0 0.2em; overflow-wrap: anywhere }
@media print {
  @page { margin: 2cm }
  body { font-size: 11pt; padding: 0; max-width: none }
  img { max-height: 10cm; width: auto; max-width: 100%; margin: 0 auto }
  figure, table, tr { break-inside: avoid }
}
"""


def render(title, result, good, png, caption, figures, facts):
    """An HTML document.

    result   a sentence; good: whether it is what was wanted
    png      bytes of the picture; caption: what one sees in it
    figures  (figure with its unit, what it is) pairs
    facts    (name, value) pairs of how it was measured
    """
    def cells(kind, first, second):
        return f'<tr><{kind}>{html.escape(first)}</td><td>{html.escape(second)}</td></tr>'

    data = base64.b64encode(png).decode()
    rows = "".join(cells('td class="figure"', *pair) for pair in figures)
    setting = "".join(cells("td", *pair) for pair in facts)
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
            f"<h1>{html.escape(title)}</h1>"
            f'<p class="result{"" if good else " missed"}">{html.escape(result)}</p>'
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            f"<table>{rows}</table>"
            f'<h2>How it was measured</h2><table class="facts">{setting}</table>'
            "</body></html>\n")

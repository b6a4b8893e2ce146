"""Pages that are handed on: what is in them, and that nothing is missing."""

import base64
import re


def data_of(page):
    """{type: [bytes]} of what is in the page itself."""
    found = {}
    for kind, text in re.findall(r"data:([\w/+]+);base64,([\w+/=]+)", page):
        found.setdefault(kind, []).append(base64.b64decode(text))
    return found


def assert_whole(page):
    """It asks for nothing: not from the network, and not from files beside it."""
    rest = re.sub(r"data:[\w/+]+;base64,[\w+/=]+", "", page)
    assert not re.search(r"https?:|<script|<link|<iframe|@import|url\(", rest)
    assert not re.findall(r'(?:src|href)="(?!")', rest)
    assert rest.rstrip().endswith("</html>") and 'name="viewport"' in rest
    for svg in data_of(page).get("image/svg+xml", []):
        text = svg.decode()
        assert not re.search(r'href="(?!#|data:)|<script|url\((?!#)', text)

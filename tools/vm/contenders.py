"""The kernels that are shown beside each other: ours, upstream's, and upstream at its best."""

from dataclasses import dataclass

import paths


@dataclass(frozen=True)
class Contender:
    """A kernel and how it is used.  name is what pages and tables call it."""

    name: str
    kernel: str
    cmdline: str = ""


OURS = Contender("ours", "overlay")
UPSTREAM = Contender(f"upstream {paths.SERIES}", "upstream")
# The newest kernel, with the delay that its users set.
TUNED = Contender("upstream 7.3, 250 ms", "upstream-7.3",
                  "page_reporting.page_reporting_delay_ms=250")
ALL = (OURS, UPSTREAM, TUNED)

# In colours that the colour-blind can tell.
COLOURS = {OURS.name: "#1a5fb4", UPSTREAM.name: "#9a3412", TUNED.name: "#c28e0e"}

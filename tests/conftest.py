"""What all tests share: the way to the tools' modules, the choice of long tests, cases."""

import io
import os
import sys

import pytest
from _pytest._io import TerminalWriter

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools", "vm"))

import paths  # noqa: E402
import qemu  # noqa: E402

KERNELS = (*paths.VARIANTS, *(f"overlay-{series}" for series in paths.other_series()),
           *paths.FOREIGN, *paths.STOCK)


def pytest_addoption(parser, pluginmanager):
    if pluginmanager.is_blocked("terminal"):  # whose option the assertions' texts ask for
        parser.addoption("--verbose", dest="verbose", type=int, default=0)
    parser.addoption("--kernels", default=",".join(KERNELS),
                     help="run guest tests only on these kernels, comma-separated")
    parser.addoption("--qemus", default=",".join(qemu.NEWER),
                     help="run the short set on these QEMUs, too, comma-separated")
    parser.addoption("--long", action="store_true", help="the long tests instead of the others")
    parser.addoption("--full", action="store_true", help="the long tests and the whole matrix")
    parser.addoption("--alone", choices=("no", "only", "any"), default="any",
                     help="tests that need the machine for themselves")


def pytest_configure(config):
    if config.pluginmanager.is_blocked("terminal"):
        # Since pytest 8 the assertions' texts ask for its writer as well.
        writer = TerminalWriter(io.StringIO())
        config.get_terminal_writer = lambda: writer
    config.addinivalue_line("markers", "long: only for make test-long and test-full")
    config.addinivalue_line("markers", "full(quick=False): only for make test-full; quick: "
                            "for make test, too")
    config.addinivalue_line("markers", "alone: measures times, so nothing else may run")


def _wanted_for_its_length(item):
    option = item.config.getoption
    full = item.get_closest_marker("full")
    if full:
        return option("--full") or full.kwargs.get("quick", False) and not option("--long")
    return (item.get_closest_marker("long") is not None) == (option("--long") or option("--full"))


def _wanted(item):
    is_alone = item.get_closest_marker("alone") is not None
    return (_wanted_for_its_length(item)
            and item.config.getoption("--alone") in ("any", "only" if is_alone else "no"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if not _wanted(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def record_case(request):
    """record_case(name, error) counts a case found while a test runs, such as KUnit's.

    tests/run counts each of them; the test fails by itself if one of them did.
    """
    failed = []

    def record(name, error=None):
        request.node.user_properties.append(("case", (name, error)))
        if error:
            failed.append(name)

    yield record
    if failed:
        pytest.fail("failed: " + ", ".join(failed), pytrace=False)


@pytest.fixture
def summary(request):
    """summary(title, line) adds a line to what tests/run says at the end, below that title."""
    def add(title, line):
        request.node.user_properties.append(("summary", (title, line)))
        print(f"{title}: {line}")  # for a pytest without tests/run

    return add

"""What all tests share: the way to the tools' modules, the choice of long tests, cases."""

import os
import sys

import pytest

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
    parser.addoption("--alone", choices=("no", "only", "any"), default="any",
                     help="tests that need the machine for themselves")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only for make test-long")
    config.addinivalue_line("markers", "alone: measures times, so nothing else may run")


def _wanted(item):
    is_long = item.get_closest_marker("long") is not None
    is_alone = item.get_closest_marker("alone") is not None
    return (is_long == item.config.getoption("--long")
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

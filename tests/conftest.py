"""What all tests share: the way to the tools' modules, the choice of long tests, cases."""

import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tools", "vm"))

import paths  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--kernels", default=",".join(paths.VARIANTS),
                     help="run guest tests only on these kernels, comma-separated")
    parser.addoption("--long", action="store_true", help="the long tests instead of the others")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only for make test-long")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--long")
    left_out = [item for item in items if bool(item.get_closest_marker("long")) != wanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def record_case(request):
    """record_case(name, error) counts a case found while a test runs, such as KUnit's."""
    failed = []

    def record(name, error=None):
        tally = request.config.pluginmanager.get_plugin("tally")  # of tests/run
        if tally:
            tally.case(f"{request.node.nodeid}::{name}", error)
        elif error:
            failed.append(f"{name}: {error}")

    yield record
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)

"""What guest tests share: kernels as parameters, guests booted once for several tests.

Marks
  kernels(*names, long=())  the kernels a test runs on; overlay and upstream without
                   it.  On those in long it is a long test, and on upstream beside
                   others, too, unless it must fail there.
  better(long=False)  asserts what upstream cannot do: it must fail there, which is a long
                   test if so
  series           of the short set, which runs on the overlay of each kernel series, and
                   as a long test under newer QEMUs
  stock            what the balloon driver alone can do: on Debian's own kernels, too, with
                   the module that DKMS builds, as a long test
  machine(**)      arguments of Guest; tests of equal machines share one guest
  fresh            a guest of its own, neither used before nor after

A test ends with a look at the guest's kernel log, which must be clean but for
the patterns that the test appended to the allow_dmesg fixture.
"""

import json
import re
import signal

import pytest

import paths
import qemu
from guest import Guest

STANDARD = {"memory": 1024}
# A debug kernel boots slowly, the more so beside others: one machine for as much as possible.
STANDARD_DEBUG = {"memory": 1024, "max_memory": 2048, "cmdline": "movablecore=512M"}


def pytest_configure(config):
    for line in ("kernels(*names, long=()): the kernels a test runs on",
                 "better(long=False): must fail upstream",
                 "machine(**arguments): of Guest", "fresh: a guest of its own",
                 "series: of the short set for each kernel series",
                 "stock: with the module in Debian's own kernels, too"):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc):
    if "kernel" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("kernels")
    names = mark.args if mark else ("overlay", "upstream")
    marks = {name: pytest.mark.long for name in (mark.kwargs.get("long", ()) if mark else ())}
    if names != ("upstream",):
        marks["upstream"] = pytest.mark.long
    qemus = ()
    if metafunc.definition.get_closest_marker("series"):
        qemus = qemu.NEWER
        names = (*names, *(f"overlay-{series}" for series in paths.other_series()))
    if metafunc.definition.get_closest_marker("stock"):
        names = (*names, *paths.STOCK)
        marks.update(dict.fromkeys(paths.STOCK, pytest.mark.long))
    better = metafunc.definition.get_closest_marker("better")
    if better:
        names = dict.fromkeys((*names, "upstream"))
        # Anything else than a failed assertion is a fault of the test.
        fails = pytest.mark.xfail(strict=True, raises=AssertionError,
                                  reason="upstream does this too")
        marks["upstream"] = (fails, pytest.mark.long) if better.kwargs.get("long") else fails
    metafunc.parametrize("kernel", [
        *(pytest.param(name, marks=marks.get(name, ())) for name in names),
        *(pytest.param("overlay", marks=[pytest.mark.long, pytest.mark.machine(qemu=name)],
                       id=f"overlay-qemu{name}") for name in qemus)])


def _kernel(item):
    return item.callspec.params.get("kernel") if hasattr(item, "callspec") else None


def _machine(item):
    arguments = dict(STANDARD_DEBUG if _kernel(item) == "debug" else STANDARD)
    for mark in reversed(list(item.iter_markers("machine"))):
        arguments.update(mark.kwargs)
    return arguments


def _neighbours(item):
    """Equal for tests that can share a guest, so that they run one after the other."""
    kernel = _kernel(item)
    if not kernel:
        return item.nodeid.split("::")[0]
    if item.get_closest_marker("fresh"):
        return item.nodeid
    return f"{kernel} {json.dumps(_machine(item))}"


def _allowed(item):
    kernels, qemus = (item.config.getoption(name).split(",") for name in ("--kernels", "--qemus"))
    return _kernel(item) is None or (_kernel(item) in kernels
                                     and _machine(item).get("qemu") in (None, *qemus))


@pytest.hookimpl(tryfirst=True)  # before xdist takes the groups
def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if not _allowed(item)]
    config.hook.pytest_deselected(items=left_out)
    groups = {}  # the first of each comes when it comes, its neighbours right after it
    for item in items:
        if item not in left_out:
            group = _neighbours(item)
            item.add_marker(pytest.mark.xdist_group(group))
            groups.setdefault(group, []).append(item)
    # Debug kernels are slow: what they are begun with does not keep the others at the end.
    items[:] = [item for group in sorted(groups.values(), key=lambda group:
                                         _kernel(group[0]) != "debug") for item in group]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed or call.excinfo:
        item.went_wrong = True


class Pool:
    """Keeps one guest running for tests in a row that want the same."""

    def __init__(self):
        self._key = None
        self._guest = None

    def take(self, kernel, machine, fresh, name):
        """Returns a guest and whether it was booted for this call."""
        key = (kernel, json.dumps(machine))
        if self._guest and self._guest.alive and key == self._key and not fresh:
            return self._guest, False
        self.drop()
        self._guest = Guest(kernel, name=name, **machine).start()
        self._key = key
        return self._guest, True

    def drop(self):
        if self._guest:
            self._guest.stop()
        self._guest = self._key = None


@pytest.fixture(scope="session")
def pool():
    pool = Pool()
    yield pool
    pool.drop()


@pytest.fixture
def kernel(request):
    return request.param


@pytest.fixture
def allow_dmesg():
    """Patterns of kernel messages that the test provokes on purpose."""
    return []


@pytest.fixture
def guest(request, kernel, pool, allow_dmesg):
    item = request.node
    item.went_wrong = False
    fresh = item.get_closest_marker("fresh") is not None
    name = re.sub(r"\W+", "-", f"test-{item.name}").strip("-")
    guest, booted = pool.take(kernel, _machine(item), fresh, name)
    mark = 0 if booted else guest.console_mark()
    try:
        yield guest
        if guest.alive:
            guest.channel.kill_all()
    finally:
        bad = guest.bad_dmesg(mark, allow_dmesg)
        dead = not guest.alive
        if fresh or dead or bad or item.went_wrong:
            pool.drop()
    if bad:
        pytest.fail(f"kernel log has: {bad[0]} ({guest.console_log})", pytrace=False)
    if dead and not item.went_wrong:
        pytest.fail(f"the guest died ({guest.console_log})", pytrace=False)


@pytest.fixture
def setting(guest):
    """setting(path, value) writes a file in the guest until the end of the test."""
    before = {}

    def write(path, value):
        before.setdefault(path, guest.read(path))
        guest.write(path, value)

    yield write
    for path, value in before.items():
        if guest.alive:
            guest.write(path, value)


class Held:
    """Memory that a program in the guest holds until free().

    A debug kernel needs long for every page it hands out: it takes huge ones.
    """

    def __init__(self, guest, mib, options="", timeout=120):
        if guest.kernel == "debug" and not options:
            options = "--huge"
        self.job = guest.spawn(f"exec hold --mib {mib} {options}")
        guest.wait_for(lambda: "holding" in self.job.output or not self.job.running, timeout,
                       f"hold --mib {mib}")
        assert self.job.running, f"hold --mib {mib}: {self.job.errors or self.job.status}"

    def free(self, timeout=300):
        """Returns once the guest has all of it on its free lists."""
        self.job.kill(signal.SIGTERM)
        self.job.check(timeout)


@pytest.fixture
def hold(guest):
    """hold(mib, options) has a program hold memory; .free() on what it returns ends that."""
    return lambda mib, options="", timeout=120: Held(guest, mib, options, timeout)

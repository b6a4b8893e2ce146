"""The daemon with guests that are reached by other ways than QMP."""

import contextlib
import functools
import subprocess

import pytest

import daemon as daemons
from fake_vmms import MIB, Bridge, CloudHypervisor, Firecracker

GIB = 1024 * MIB
Daemon = functools.partial(daemons.Daemon, speed=10)

KINDS = {"libvirt": (Bridge, "libvirt/web.sock", "web"),
         "firecracker": (Firecracker, "fc/web/root/run/firecracker.socket", "anonymous-instance"),
         "cloud-hypervisor": (CloudHypervisor, "ch/web.sock", "web")}


def settings(tmp_path, **more):
    return {"daemon": {"libvirt-sockets": f"{tmp_path}/libvirt/*.sock",
                       "firecracker-sockets": f"{tmp_path}/fc/*/root/run/firecracker.socket",
                       "cloud-hypervisor-sockets": f"{tmp_path}/ch/*.sock"},
            "policy": {"amounts": "wiki-2013-06", "stuck-after": "20s"}, **more}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def make(tmp_path, kind, **options):
    cls, path, name = KINDS[kind]
    return cls(tmp_path / path, **options), name


def test_it_is_sized(tmp_path, kind):
    """Found in its directory, asked, taken from, sized by the administrator, and given back."""
    fake, name = make(tmp_path, kind)
    with fake, Daemon(tmp_path, settings(tmp_path)) as daemon:
        daemon.wait_ready(name)
        guest = daemon.guest(name)
        assert guest["transport"] == kind and guest["ram"] == guest["actual"] == GIB
        assert guest["deflate_on_oom"] and not guest["reporting"] and guest["page_size"] == 4096
        daemon.ctl("inject", "critical")
        fake.wait(lambda: fake.actual == GIB - 128 * MIB, what="take")
        daemon.wait(lambda: daemon.guest(name)["settled"])
        assert daemon.ctl("set", name, "700.3M", "--wait", check=False).returncode == 0
        assert abs(fake.actual - 700.3 * MIB) <= MIB / 2
        daemon.wait(lambda: daemon.guest(name)["settled"])
        fake.available = fake.free = 2 * MIB
        fake.wait(lambda: fake.actual > 800 * MIB, what="give")
        assert daemon.events("give")[-1]["why"] in ("guest-low-memory", "guest-took-back")
        assert not daemon.events("disconnected")


def test_a_size_of_somebody_else_is_a_ceiling(tmp_path, kind):
    fake, name = make(tmp_path, kind)
    more = settings(tmp_path)
    more["policy"].update({"give-after": "1s", "give-interval": "1s", "foreign-pause": "5s"})
    with fake, Daemon(tmp_path, more) as daemon:
        daemon.wait_ready(name)
        fake.size(600 * MIB)
        daemon.wait(lambda: daemon.guest(name)["why"] == "foreign", what="foreign")
        daemon.wait(lambda: daemon.guest(name)["why"] == "none", what="end of the pause")
        daemon.ctl("inject", "critical")
        fake.wait(lambda: fake.actual == 472 * MIB, what="take")
        fake.wait(lambda: fake.actual == 600 * MIB, what="give")
        assert daemon.guest(name)["debt"] == 0
        assert max(fake.targets) == 600 * MIB


def test_a_guest_that_stops_and_goes_on(tmp_path, kind):
    fake, name = make(tmp_path, kind)
    with fake, Daemon(tmp_path, settings(tmp_path)) as daemon:
        daemon.wait_ready(name)
        fake.running = False
        if kind == "libvirt":
            fake.say({"event": "CHANGED", "data": {"running": False}})
        daemon.wait(lambda: daemon.guest(name)["why"] == "paused", what="pause")
        daemon.ctl("inject", "critical")
        assert not fake.targets
        fake.running = True
        if kind == "libvirt":
            fake.say({"event": "CHANGED", "data": {}})
        daemon.wait_ready(name)
        fake.drop()
        fake.wait(lambda: fake.sessions == 2, what="second session")
        daemon.wait_ready(name)


NONSENSE = {
    "long": lambda data: b"HTTP/1.1 200 \r\nContent-Length: 99999999\r\n\r\n",
    "chunks": lambda data: b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "two-lengths": lambda data: b"HTTP/1.1 200 \r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "no-json": lambda data: b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nnope",
    "long-head": lambda data: b"HTTP/1.1 200 \r\n" + b"X: y\r\n" * 1000,
    "no-http": lambda data: b"{\"QMP\": {}}\n" * 3,
    "unasked": lambda data: data + data,
}


def test_nonsense_ends_the_session(tmp_path):
    """... and nothing else: the daemon comes again, later and later."""
    with contextlib.ExitStack() as stack:
        fakes = {}
        for name in [*NONSENSE, "good"]:
            fake = Firecracker(tmp_path / f"{name}.s")
            fake.id = name
            fakes[name] = stack.enter_context(fake)
        daemon = stack.enter_context(Daemon(tmp_path, {
            "daemon": {"firecracker-sockets": f"{tmp_path}/*.s"}}))
        daemon.wait_ready(*fakes)
        for name, mangle in NONSENSE.items():
            fakes[name].mangle = mangle
        for name in NONSENSE:
            fakes[name].wait(lambda: fakes[name].sessions >= 3, what=f"third session of {name}")
            assert not daemon.guest(name)["connected"] and not fakes[name].targets
        assert daemon.guest("good")["connected"] and fakes["good"].sessions == 1
        for fake in fakes.values():
            fake.mangle = None
        daemon.wait_ready(*fakes)


@pytest.mark.parametrize("kind", ["firecracker", "cloud-hypervisor"])
def test_without_statistics_only_the_administrator_sizes_it(tmp_path, kind):
    fake, name = make(tmp_path, kind, stats=False)
    with fake, Daemon(tmp_path, settings(tmp_path)) as daemon:
        daemon.wait(lambda: daemon.guest(name) and daemon.guest(name)["connected"])
        daemon.ctl("inject", "critical", check=False)
        daemon.wait(lambda: daemon.guest(name)["why"] == "no-stats", what="no statistics")
        daemon.ctl("inject", "critical", check=False)
        assert not fake.targets and daemon.findings(name)["no-stats"]["detail"]
        assert daemon.ctl("set", name, "600M", "--wait", check=False).returncode == 0
        assert fake.actual == 600 * MIB
        daemon.wait(lambda: daemon.guest(name)["actual"] == 600 * MIB)


def test_large_answers_are_taken(tmp_path):
    fake, name = make(tmp_path, "cloud-hypervisor")
    fake.device_tree = {f"device{i}": {"id": f"device{i}", "resources": [],
                                       "children": []} for i in range(1000)}
    with fake, Daemon(tmp_path, settings(tmp_path)) as daemon:
        daemon.wait_ready(name)


def test_libvirtd_goes_and_comes_back(tmp_path):
    """Without it nothing is asked for, and nothing is forgotten."""
    fake, name = make(tmp_path, "libvirt")
    with fake, Daemon(tmp_path, settings(tmp_path)) as daemon:
        daemon.wait_ready(name)
        daemon.ctl("inject", "critical")
        fake.wait(lambda: fake.actual == GIB - 128 * MIB, what="take")
        fake.away = True
        daemon.wait(lambda: daemon.guest(name)["why"] == "stale-stats", 20)
        daemon.ctl("inject", "critical")
        assert fake.actual == GIB - 128 * MIB
        assert daemon.guest(name)["debt"] == 128 * MIB
        # Also over a session that begins meanwhile.
        fake.drop()
        fake.wait(lambda: fake.sessions == 2, what="second session")
        daemon.wait(lambda: daemon.guest(name)["why"] == "no-device")
        assert daemon.guest(name)["debt"] == 128 * MIB
        fake.away = False
        fake.say({"event": "CHANGED", "data": {}})
        daemon.wait_ready(name)
        assert daemon.guest(name)["debt"] == 128 * MIB
        daemon.ctl("inject", "critical")
        fake.wait(lambda: fake.actual == GIB - 256 * MIB, what="another take")


FACTS = {"no-device": {"balloon": False}, "mem-lock": {"locked": True},
         "hugetlb": {"page_size": 2 * MIB}, "assigned-device": {"assigned": True},
         "migrating": {"migrating": True}}


def test_what_a_domain_has_counts(tmp_path):
    with contextlib.ExitStack() as stack:
        fakes = [stack.enter_context(Bridge(tmp_path / "libvirt" / f"{why}.sock")) for why in FACTS]
        for fake, (why, facts) in zip(fakes, FACTS.items()):
            fake.facts = {**facts, "name": why, "uuid": ""}
        daemon = stack.enter_context(Daemon(tmp_path, settings(tmp_path)))
        daemon.wait(lambda: {g["name"]: g["why"] for g in daemon.ask("status")["guests"]} ==
                    {why: why for why in FACTS}, what="each its reason")
        daemon.ctl("inject", "critical")
        assert not any(fake.targets for fake in fakes)


def test_a_socket_that_is_named(tmp_path):
    """A [guest] section says by which way it is reached."""
    fake = Firecracker(tmp_path / "elsewhere" / "api.sock")
    fake.id = "build-1"
    with fake, Daemon(tmp_path, {"guest build-*": {"socket": fake.path,
                                                   "transport": "firecracker"}}) as daemon:
        daemon.wait_ready("build-1")
        assert daemon.guest("build-1")["transport"] == "firecracker"


@pytest.mark.parametrize("text", ["libvirt-sockets = run/*.sock", "firecracker-sockets = /run/",
                                  "cloud-hypervisor-sockets = /a/b.sock:c"])
def test_bad_patterns_are_refused(tmp_path, text):
    (tmp_path / "conf").write_text(f"[daemon]\n{text}\n")
    done = subprocess.run([f"{daemons.BUILD}/autoballoond", "-C", "-c", tmp_path / "conf"],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "conf:2:" in done.stderr and "absolute" in done.stderr

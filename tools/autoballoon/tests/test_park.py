"""autoballoonctl park and unpark: what a guest's agent is asked, and what is made of it."""

import os
import subprocess

import pytest

from daemon import BUILD, Daemon
from fake_agent import Agent, virsh

CTL = os.path.join(BUILD, "autoballoonctl")


@pytest.fixture
def agent(tmp_path):
    agents = []

    def make(path=None, **options):
        agents.append(Agent(path or str(tmp_path / "qga"), **options))
        return agents[-1]

    yield make
    for made in agents:
        made.close()


def ctl(tmp_path, *words):
    return subprocess.run([CTL, "--agent", tmp_path / "qga", *words], capture_output=True, text=True,
                          timeout=60, check=False)


@pytest.mark.parametrize("words, ran", [
    (["park", "web"], ["park", "--timeout=30000", "--cache=cold"]),
    (["park", "web", "all", "-t", "20s"], ["park", "--timeout=10000", "--cache=all"]),
    (["unpark", "web"], ["unpark", "--timeout=30000"]),
    (["unpark", "web", "resync"], ["unpark", "--timeout=30000", "--resync"])])
def test_what_the_guest_runs(tmp_path, agent, words, ran):
    guest = agent(out="parked in 3 s: the host has 1.0 GiB\n", polls=2)
    told = ctl(tmp_path, *words)
    assert told.returncode == 0, told.stderr
    assert told.stdout == "parked in 3 s: the host has 1.0 GiB\n"
    assert guest.ran == [["page-reporting", *ran]]


@pytest.mark.parametrize("status, expected", [(0, 0), (8, 0), (3, 5), (5, 4), (7, 4), (127, 4)])
def test_exit_statuses(tmp_path, agent, status, expected):
    """8 is parked as well, with some memory passed over; what it says is shown."""
    agent(status=status, err=f"page-reporting: ended {status}\n")
    told = ctl(tmp_path, "park", "web")
    assert told.returncode == expected and told.stderr == f"page-reporting: ended {status}\n"


def test_an_end_without_a_word(tmp_path, agent):
    agent(status=6)
    told = ctl(tmp_path, "park", "web")
    assert told.returncode == 4 and "ended with 6" in told.stderr


def test_what_another_client_left(tmp_path, agent):
    agent(before=b'{"return": {"pid": 1}}\n{"ret', out="parked\n")
    assert ctl(tmp_path, "park", "web").stdout == "parked\n"


def test_a_guest_that_takes_too_long(tmp_path, agent):
    agent(polls=10**6)
    told = ctl(tmp_path, "park", "web", "--timeout", "500ms")
    assert told.returncode == 5 and "goes on in the guest" in told.stderr


def test_no_terminal_is_steered_by_a_guest(tmp_path, agent):
    agent(out="\x1b[31mred\n", status=1, err="a\rb\n")
    told = ctl(tmp_path, "park", "web")
    assert "\x1b" not in told.stdout and "\r" not in told.stderr


@pytest.mark.parametrize("answer, word", [
    (b'{"error": {"class": "CommandNotFound", "desc": "guest-exec has been \x1bdisabled"}}\n',
     "guest-exec has been"),
    (b"no JSON\n", "not JSON"), (b'{"return": {}}\n', "no process id"), (b"[]\n", "no answer"),
    (b'{"return": 7}\n', "no answer")])
def test_bad_answers(tmp_path, agent, answer, word):
    agent(answer=lambda command: answer if command["execute"] == "guest-exec" else None)
    told = ctl(tmp_path, "park", "web")
    assert told.returncode == 1 and word in told.stderr and told.stderr.count("\n") == 1
    assert "\x1b" not in told.stderr


def test_no_agent(tmp_path):
    told = ctl(tmp_path, "park", "web")
    assert told.returncode == 1 and "setup agent" in told.stderr


@pytest.mark.parametrize("words", [["park"], ["park", "web", "hot"], ["unpark", "web", "all"],
                                   ["unpark"], ["status"]])
def test_wrong_usage(tmp_path, words):
    assert ctl(tmp_path, *words).returncode == 2


def test_the_daemons_guest(tmp_path, fleet, agent):
    """Its agent is beside its monitor."""
    fleet.add("web")
    with Daemon(tmp_path, speed=5) as daemon:
        daemon.wait_ready("web")
        monitor = daemon.guest("web")["socket"]
        guest = agent(monitor.replace(".qmp", ".qga"), out="parked\n")
        assert daemon.ctl("park", "web", "keep") == "parked\n"
        assert guest.ran == [["page-reporting", "park", "--timeout=30000", "--cache=keep"]]
        told = daemon.ctl("park", "nobody", check=False)
        assert told.returncode == 1 and "no guest" in told.stderr


def test_libvirts_guest(tmp_path):
    """Through virsh, for libvirt holds the agent's socket.  The daemon's answer is made up."""
    log, control = tmp_path / "log", tmp_path / "control"
    virsh(tmp_path, log)
    script = f"""
import json, socket
server = socket.socket(socket.AF_UNIX)
server.bind({str(control)!r})
server.listen(1)
print("ready", flush=True)
connection = server.accept()[0]
connection.recv(4096)
connection.sendall(json.dumps({{"ok": True, "guests": [{{
    "name": "db", "uuid": "1234-5", "transport": "libvirt", "socket": "/x"}}]}}).encode() + b"\\n")
"""
    with subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE, text=True) as daemon:
        daemon.stdout.readline()
        told = subprocess.run([CTL, "-s", control, "park", "db"], capture_output=True, text=True,
                              timeout=30, check=False,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert told.returncode == 0 and told.stdout == "parked\n", told.stderr
    asked = log.read_text()
    assert "qemu-agent-command --domain 1234-5" in asked and '"park"' in asked

"""The configuration: what is misread is refused, with file and line."""

import os
import subprocess

import pytest

from daemon import BUILD

DAEMON = os.path.join(BUILD, "autoballoond")


def check(path, *arguments):
    return subprocess.run([DAEMON, "--check-config", "-c", str(path), *arguments],
                          capture_output=True, text=True)


def printed(path, *arguments):
    out = subprocess.run([DAEMON, "--print-config", "-c", str(path), *arguments],
                         capture_output=True, text=True, check=True).stdout
    values, section = {}, ""
    for line in out.splitlines():
        if line.startswith("["):
            section = line
        else:
            key, value = line.split(" = ", 1) if " = " in line else (line.rstrip(" ="), "")
            values[section, key] = value
    return values


def test_what_is_printed_means_the_same(tmp_path):
    """The second pattern matches a guest that is named like the first."""
    first, second = tmp_path / "first.conf", tmp_path / "second.conf"
    first.write_text("[guest web[0-9]*]\nmin = 10%\nband = 3\npulse = yes\n"
                     "[guest web[0-name=9]*]\nmax = 50%\n")
    values = printed(first)
    assert values["[guest web[0-9]*]", "band"] == "3"
    assert ("[guest web[0-name=9]*]", "band") not in values
    second.write_text(subprocess.run([DAEMON, "--print-config", "-c", str(first)],
                                     capture_output=True, text=True, check=True).stdout)
    assert printed(second) == values


@pytest.mark.parametrize("text,line,message", [
    ("[policy]\nhold = soon\n", 2, "hold"),
    ("[policy]\nhold = 1ms\n", 2, "out of range"),
    ("[policy]\nhodl = 5s\n", 2, "no such option"),
    ("[policy]\nchanges-per-minute = 61\n", 2, "out of range"),
    ("[polcy]\nhold = 5s\n", 1, "no such section"),
    ("[guest]\nmin = 1G\n", 1, "needs a pattern"),
    ("[guest ]\nmin = 1G\n", 1, "needs a pattern"),
    ("[policy]\n\namounts = plenty\n", 3, "no preset"),
    ("[policy]\namounts = wiki-2012\namount-low = 3M\n", 2, "need amounts = fixed"),
    ("[guest web]\nmin = 200%\n", 2, "min"),
    ("\n[guest web]\nmin = 2G\nmax = 1G\n", 2, "min is above max"),
    ("[guest web]\nmax = 10%\n", 1, "min is above max"),
    ("[pressure]\npsi-low = some 2s/1s\n", 2, "psi-low"),
    ("[pressure]\npsi-low = some 100ms/5s and more\n", 2, "cannot understand"),
    ("[pressure]\nsource = vmpressure\n", 2, "cgroup-memory"),
    ("[pressure]\navailable-low = 2%\n", 2, "not in order"),
    ("[pressure]\nheadroom-low = 1G\nheadroom-medium = 2G\nheadroom-critical = 100M\n", 4,
     "not in order"),
    ("[policy]\ngoal-low = 50\n", 2, "not in order"),
    ("[policy]\nstep-critical = 1\n", 2, "not in order"),
    ("hold = 5s\n", 1, "before the first section"),
    ("[daemon\n", 1, "section"),
    ("[daemon]\nrun-directory =\n", 2, "absolute path"),
    ("[daemon]\nrun-directory = run\n", 2, "absolute path"),
    ("[daemon]\nmetrics-file = a.prom\n", 2, "absolute path"),
    ("[pressure]\ncgroup = machine.slice\n", 2, "absolute path"),
    ("[daemon]\ncontrol-group = no-such-group-here\n", 2, "no group"),
    ("[daemon]\nsocket-directories = /run/a:b\n", 2, "absolute path"),
    ("[daemon]\nsocket-directories = /run/a:/run/qemu-server\n", 2, "Proxmox"),
    ("[guest 100]\nsocket = /var/run/qemu-server/100.qmp\n", 1, "Proxmox"),
    ("[daemon]\nsocket-directories = " + "/x" * 3000 + "\n", 2, "too long"),
    ("[daemon]\nsocket-directories =\n  socket-pattern = *.sock\n  debug = perhaps\n", 4, "debug"),
    ("[daemon]\ngarbage\n", 2, "neither"),
    ("\ufeff[daemon]\n", 1, "byte order mark"),
    ("".join(f"[guest vm{i}]\n" for i in range(1025)), 1025, "more than 1024"),
])
def test_bad_configuration_gets_one_clear_line(tmp_path, text, line, message):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    done = check(path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr, done.stderr
    assert f"{path}:{line}: " in done.stderr, done.stderr


def test_printed_configuration_can_be_read(tmp_path):
    default = subprocess.run([DAEMON, "-p", "-c", "/dev/null"], capture_output=True, text=True,
                             check=True).stdout
    path = tmp_path / "default.conf"
    path.write_text(default)
    again = subprocess.run([DAEMON, "-p", "-c", str(path)], capture_output=True, text=True,
                           check=True).stdout
    assert again == default


def test_example_is_the_default(tmp_path):
    example = os.path.join(os.path.dirname(__file__), "../conf/autoballoon.conf")
    assert printed(example) == printed("/dev/null")


def test_lines_stand_for_themselves(tmp_path):
    """Comments after values, brackets in patterns, indented lines, long lists."""
    path = tmp_path / "a.conf"
    directories = ":".join(f"/var/lib/somewhere/rather/long/{i}" for i in range(40))
    path.write_text("[policy]\nhold = 5s # a comment\n  stuck-after = 6s ; another\n"
                    "changes-per-minute = 60\n"
                    f"[daemon]\n\tsocket-directories = {directories}\n"
                    "socket-pattern = a#b;*.qmp\n"
                    "[guest web[0-9]]\nmin = 1G\n")
    values = printed(path)
    assert values["[policy]", "hold"] == "5s" and values["[policy]", "stuck-after"] == "6s"
    assert values["[policy]", "changes-per-minute"] == "60"
    assert values["[daemon]", "socket-directories"] == directories
    assert values["[daemon]", "socket-pattern"] == "a#b;*.qmp"
    assert values["[guest web[0-9]]", "min"] == str(1 << 30)


def test_parts_and_command_line(tmp_path):
    """FILE.d/*.conf by name over FILE, and options over both."""
    path = tmp_path / "a.conf"
    path.write_text("[policy]\nhold = 5s\nreserve = 16M\n[guest web]\nmin = 1G\n")
    parts = tmp_path / "a.conf.d"
    parts.mkdir()
    (parts / "20-later.conf").write_text("[policy]\nhold = 7s\n")
    (parts / "10-first.conf").write_text("[policy]\nhold = 6s\n[guest web]\nmax = 2G\n")
    (parts / "ignored.txt").write_text("nonsense\n")
    values = printed(path, "--vm", "name=web,automatic=on,min=512M", "--vm", "name=db,band=5",
                     "--cgroup", "/sys/fs/cgroup/machine.slice")
    assert values["[policy]", "hold"] == "7s"
    assert values["[policy]", "reserve"] == str(16 << 20)
    assert values["[guest web]", "min"] == str(512 << 20)
    assert values["[guest web]", "max"] == str(2 << 30)
    assert values["[guest web]", "automatic"] == "yes"
    assert values["[guest db]", "band"] == "5"
    assert values["[pressure]", "cgroup"] == "/sys/fs/cgroup/machine.slice"
    (parts / "30-bad.conf").write_text("[policy]\n\nhold = x\n")
    assert f"{parts}/30-bad.conf:3: " in check(path).stderr


def test_limits_are_those_of_the_manual(tmp_path):
    """The longest that is taken, and one more."""
    path = tmp_path / "a.conf"

    def takes(text, *arguments):
        path.write_text(text)
        return check(path, *arguments).returncode == 0
    long = ("/" + "x" * 199) * 20
    for length, good in (255, True), (256, False):
        assert takes(f"[daemon]\nmetrics-file = {long[:length]}\n") == good
        assert takes(f"[guest {long[:length]}]\nband = 1\n") == good
    for option in "socket-directories", "firecracker-sockets":
        for length, good in (4095, True), (4096, False):
            text = (long[:200] + ":") * 20 + long[:length - 20 * 201]
            assert len(text) == length and takes(f"[daemon]\n{option} = {text}\n") == good
    for count, good in (1024, True), (1025, False):
        assert takes("".join(f"[guest vm{i}]\n" for i in range(count))) == good
    for count, status in (64, 0), (65, 64):
        options = [f"--vm=name=vm{i}" for i in range(count)]
        assert check("/dev/null", *options).returncode == status


@pytest.mark.parametrize("option", ["web", "name=", "automatic=on", "name=web,min",
                                    "name=web,socket=relative", "name=web,color=red"])
def test_bad_vm_options(option):
    done = check("/dev/null", "--vm", option)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr


def test_cgroup_of_version_1_is_known_by_its_files(tmp_path):
    (tmp_path / "memory.limit_in_bytes").write_text("0\n")
    values = printed("/dev/null", "--cgroup", str(tmp_path), "--cgroup", "/sys/fs/cgroup/x")
    assert values["[pressure]", "cgroup-memory"] == str(tmp_path)
    assert values["[pressure]", "cgroup"] == "/sys/fs/cgroup/x"


def test_missing_cgroup_is_a_warning():
    done = check("/dev/null", "--cgroup", "/sys/fs/cgroup/not/there")
    assert done.returncode == 0 and "not/there" in done.stderr

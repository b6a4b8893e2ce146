"""What is installed: a service that starts, that QEMUs of other users reach, and that is
confined.  Each runs in a mount namespace with a /run of its own."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from daemon import BUILD

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.geteuid() == 0
UNIT = os.path.join(HERE, "../systemd/autoballoond.service.in")

pytestmark = pytest.mark.skipif(not ROOT, reason="needs root")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """`make install` below a directory."""
    path = tmp_path_factory.mktemp("install")
    subprocess.run(["make", "-s", "-C", os.path.join(HERE, ".."), "install", f"DESTDIR={path}",
                    "PREFIX=/usr", f"VARIANT={os.path.basename(BUILD.rstrip('/'))}"], check=True)
    return path


def unit_value(key):
    with open(UNIT) as f:
        return re.findall(rf"^{key}=(.*)$", f.read(), re.M)


CAPS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_SYS_RESOURCE": 24}


def have(cap):
    """Containers may lack one: the daemon works without CAP_SYS_RESOURCE."""
    with open("/proc/self/status") as f:
        return int(re.search(r"CapPrm:\s+(\w+)", f.read())[1], 16) >> CAPS[cap] & 1


def in_namespace(script, timeout=40):
    """Run a shell script with an empty /run; returns its output."""
    done = subprocess.run(["unshare", "-m", "sh", "-euc", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
                           "mount -t tmpfs none /run\n" +
                           textwrap.dedent(script)], capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def fake(tmp_path):
    """The command that starts a fake QEMU: DIRECTORY [UID GROUP]."""
    path = tmp_path / "fake.py"
    path.write_text(textwrap.dedent(f"""\
        import os, sys, time
        sys.path.insert(0, {HERE!r})
        from fake_qemu import Fleet
        if len(sys.argv) > 2:
            os.setgroups([int(sys.argv[3])])
            os.setgid(int(sys.argv[2]))
            os.setuid(int(sys.argv[2]))
        with Fleet(sys.argv[1]) as fleet:
            fleet.add("web")
            print("ready", flush=True)
            time.sleep(60)
        """))
    return f"{sys.executable} {path}"


def test_unit_names_only_what_is_installed(tree):
    text = (tree / "usr/lib/systemd/system/autoballoond.service").read_text()
    assert "bindir@" not in text
    program = re.search(r"^ExecStart=(\S+)(.*)$", text, re.M)
    assert os.access(f"{tree}{program[1]}", os.X_OK)
    assert "--config" not in program[2], "an administrator may remove the file"
    assert (tree / "etc/autoballoon.conf").exists()
    subprocess.run([f"{tree}{program[1]}", "--check-config", "-c",
                    str(tree / "etc/autoballoon.conf")], check=True)
    # The sockets of running QEMUs are in there, whichever of the services is stopped.
    for path in (tree / "usr/lib/systemd/system").glob("autoballoon*.service"):
        text = path.read_text()
        assert text.count("RuntimeDirectoryPreserve=yes\n") == text.count("RuntimeDirectory=")


def test_an_edited_configuration_is_not_overwritten(tree, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/autoballoon.conf").write_text("[policy]\nhold = 7s\n")
    subprocess.run(["make", "-s", "-C", os.path.join(HERE, ".."), "install",
                    f"DESTDIR={tmp_path}", "PREFIX=/usr",
                    f"VARIANT={os.path.basename(BUILD.rstrip('/'))}"], check=True)
    assert "7s" in (tmp_path / "etc/autoballoon.conf").read_text()


def test_unit_lets_it_do_what_can_be_configured(tree, tmp_path):
    """control-group and metrics-file, with the unit's capabilities and file mode."""
    caps = "".join(f",+{c[4:].lower()}" for c in unit_value("AmbientCapabilities")[0].split()
                   if have(c))
    conf = tmp_path / "a.conf"
    conf.write_text("[daemon]\ncontrol-group = users\nstate-directory =\n"
                    "metrics-file = /run/autoballoon/a.prom\nmetrics-interval = 1s\n")
    out = in_namespace(f"""
        install -d -m 755 -o 64321 -g 64321 /run/autoballoon
        cp {conf} {BUILD}/autoballoond {BUILD}/autoballoonctl /run/
        chmod 644 /run/a.conf
        umask {unit_value("UMask")[0]}
        setpriv --reuid 64321 --regid 64321 --clear-groups --inh-caps=-all{caps} \\
            --ambient-caps=-all{caps} /run/autoballoond -c /run/a.conf 2>/run/log & daemon=$!
        until [ -s /run/autoballoon/a.prom ]; do sleep 0.05; done
        setpriv --reuid 64323 --regid 64323 --clear-groups grep ^autoballoon_level \\
            /run/autoballoon/a.prom
        setpriv --reuid 64323 --regid users --clear-groups /run/autoballoonctl status
        setpriv --reuid 64323 --regid 64323 --clear-groups /run/autoballoonctl status && exit 1
        kill $daemon
        cat /run/log
        """)
    assert "autoballoon_level 0" in out and "pressure " in out
    assert "control-group-not-set" not in out and "metrics-not-written" not in out
    with open(os.path.join(HERE, "../man/autoballoond.8")) as f:
        text = f.read()
    for path in unit_value("ReadWritePaths")[0].split():
        assert f".Pa {path.lstrip('-')}" in text, "what may be written is in the manual"


@pytest.mark.parametrize("unit", ["autoballoond", "autoballoon-libvirt"])
def test_exposure(tree, unit):
    path = tree / f"usr/lib/systemd/system/{unit}.service"
    if not path.exists() and unit == "autoballoon-libvirt":
        pytest.skip("built without libvirt-dev")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           str(path)], capture_output=True, text=True)
    score = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert score <= 2.0, done.stdout


def test_daemon_first_then_guest(tree, fake):
    """Without tmpfiles: the daemon makes what is missing."""
    out = in_namespace(f"""
        {BUILD}/autoballoond -c {tree}/etc/autoballoon.conf 2>/run/log & daemon=$!
        until [ -S /run/autoballoon/control ]; do sleep 0.05; done
        {fake} /run/autoballoon/guests >/run/ready & fake=$!
        for i in $(seq 100); do
            {BUILD}/autoballoonctl status | grep ^web && break; sleep 0.05; done
        kill $daemon $fake
        """)
    assert "web" in out


def test_guest_of_another_user_first(tree, fake):
    """As the unit runs the daemon; QEMU is a member of the group, its socket its own."""
    user, group, qemu = 64321, 64321, 64322
    caps = "".join(f",+{c[4:].lower()}" for c in unit_value("AmbientCapabilities")[0].split()
                   if have(c))
    out = in_namespace(f"""
        grep -o '^d.*' {tree}/usr/lib/tmpfiles.d/autoballoon.conf | while read d path mode rest; do
            install -d -m $mode -o {user} -g {group} $path; done
        {fake} /run/autoballoon/guests {qemu} {group} >/run/ready & fake=$!
        until grep -q ready /run/ready; do sleep 0.05; done
        stat -c 'owner %u mode %a' /run/autoballoon/guests/web.qmp
        start() {{
            setpriv --reuid {user} --regid {group} --clear-groups --inh-caps=-all{caps} \\
                --ambient-caps=-all{caps} \\
                {BUILD}/autoballoond -c {tree}/etc/autoballoon.conf 2>>/run/log & daemon=$!
            for i in $(seq 100); do
                {BUILD}/autoballoonctl status 2>/dev/null | grep ^web && return; sleep 0.05; done
            cat /run/log; exit 1
        }}
        start
        {BUILD}/autoballoonctl hold web 900M
        kill $daemon; wait $daemon
        test -S /run/autoballoon/guests/web.qmp
        start
        {BUILD}/autoballoonctl -j status | grep '"hold"'
        setpriv --reuid 64323 --regid 64323 --clear-groups \\
            rm -f /run/autoballoon/guests/web.qmp 2>&1 && exit 1
        kill $daemon $fake
        """)
    assert "owner 64322 mode 755" in out or "owner 64322 mode 775" in out, out
    assert out.count("web ") == 2 and '"hold":943718400' in out, out


def test_users_own_daemon(tree, tmp_path):
    out = in_namespace(f"""
        export XDG_RUNTIME_DIR=/run/user/7 HOME={tmp_path} XDG_CONFIG_HOME= XDG_STATE_HOME=
        mkdir -p $XDG_RUNTIME_DIR $HOME/.config
        printf '[policy]\\nhold = 77s\\n' > $HOME/.config/autoballoon.conf
        {BUILD}/autoballoond --user --print-config | grep -E '^(hold|libvirt-sockets)'
        {BUILD}/autoballoond --user 2>/run/log & daemon=$!
        until [ -S /run/user/7/autoballoon/control ]; do sleep 0.05; done
        {BUILD}/autoballoonctl --user status
        ls -d /run/user/7/autoballoon/guests $HOME/.local/state/autoballoon
        kill $daemon
        """)
    assert "hold = 77s" in out and "pressure none" in out
    assert "libvirt-sockets = /run/user/7/autoballoon/libvirt/*.sock" in out


def test_a_library_that_is_missing_is_named(tmp_path):
    done = subprocess.run(["make", "-C", os.path.join(HERE, ".."), f"BUILD={tmp_path}"],
                          env={**os.environ, "PKG_CONFIG_LIBDIR": "/nonexistent"},
                          capture_output=True, text=True)
    assert done.returncode and "apt install" in done.stderr and "json-c/json.h" not in done.stderr


def test_two_daemons_do_not_share_a_directory(tmp_path):
    conf = tmp_path / "a.conf"
    conf.write_text(f"[daemon]\nrun-directory = {tmp_path}\nstate-directory =\n"
                    f"control-socket = {tmp_path}/control\nsocket-directories =\n")
    first = subprocess.Popen([f"{BUILD}/autoballoond", "-c", str(conf)], stderr=subprocess.PIPE,
                             text=True)
    try:
        while "event=started" not in first.stderr.readline():
            assert first.poll() is None
        conf.write_text(conf.read_text().replace("/control", "/other"))
        done = subprocess.run([f"{BUILD}/autoballoond", "-c", str(conf)], capture_output=True,
                              text=True, timeout=10)
        assert done.returncode == 1 and "another daemon" in done.stderr
    finally:
        first.terminate()
        first.wait()

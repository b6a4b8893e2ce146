"""What must not happen whatever sockets, names, logs and processes there are."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

import daemon as daemons
from daemon import BUILD
from fake_qemu import MIB

GIB = 1024 * MIB
ASAN = BUILD.rstrip("/").endswith("asan")


def Daemon(*arguments, **options):
    return daemons.Daemon(*arguments, speed=5, **options)


def ask(path, request=b'{"command":"status"}\n', timeout=10):
    """One request, and how long it took."""
    start = time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(request)
        data = b""
        while piece := s.recv(1 << 20):
            data += piece
    return data, time.monotonic() - start


@pytest.mark.parametrize("speed", [1])
def test_more_guests_than_there_is_room_for(tmp_path, fleet, speed):
    """1024 are managed, the others counted, and managed when there is room.

    While nothing goes on they cost little, and every answer comes soon.
    """
    most, more = 1024, 12
    qemus = [fleet.add(f"vm{i}") for i in range(most + more)]
    with daemons.Daemon(tmp_path) as daemon:
        def ready():
            guests = json.loads(ask(daemon.control)[0])["guests"]
            return sum(g["free"] is not None for g in guests) == most
        daemon.wait(ready, 240, "guests")
        data, seconds = ask(daemon.control)
        assert json.loads(data)["guests_without_room"] == more
        assert daemon.findings()["too-many-guests"]["detail"].startswith(str(more))
        text = daemon.ctl("metrics")
        assert f"guests_without_room {more}\n" in text and text.endswith("# EOF\n")
        # One whose statistics are old just now has no sample.
        daemon.wait(lambda: daemon.ctl("metrics").count("guest_free_bytes{") == most,
                    what=f"{most} samples")
        assert len(daemon.events("ignored")) == 1
        # 128 are asked in a second.
        daemon.wait(lambda: {q.interval for q in qemus if q.sessions} == {most // 128}, 30)
        cpu, start, worst = daemon.cpu_seconds(), time.monotonic(), 0
        while time.monotonic() - start < 5:
            worst = max(worst, ask(daemon.control, b'{"command":"none"}\n')[1])
            time.sleep(0.1)
        share = (daemon.cpu_seconds() - cpu) / (time.monotonic() - start)
        print(f"{most} guests: {share:.1%} of a core, an answer in {worst * 1000:.0f} ms at most, "
              f"a full status in {seconds * 1000:.0f} ms, {daemon.rss() >> 20} MiB")
        if not ASAN:
            # Beside other tests the clock says little; idle it is 2 % and 20 ms.
            assert share <= 0.06 and worst < 2 and daemon.rss() < 48 * MIB
        for qemu in qemus[:20]:
            os.unlink(qemu.path)
            qemu.drop()
        daemon.wait(lambda: json.loads(ask(daemon.control)[0])["guests_without_room"] == 0, 20)
        names = {g["name"] for g in json.loads(ask(daemon.control)[0])["guests"]}
        assert len(names) == most + more - 20


def test_dead_sockets_make_room(tmp_path, fleet):
    """What killed QEMUs leave behind holds no place that a living one needs."""
    place = tmp_path / "guests"
    for i in range(1024):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(place / f"dead{i}.qmp"))
    # A client has two seconds by the daemon's clock: for so long an answer not a fast one.
    with daemons.Daemon(tmp_path) as daemon:
        daemon.wait(lambda: len(json.loads(ask(daemon.control)[0])["guests"]) == 1024)
        fleet.add("alive")
        daemon.wait(lambda: any(g["name"] == "alive" and g["connected"] for g in
                                json.loads(ask(daemon.control)[0])["guests"]))


def test_long_paths(tmp_path, fleet):
    """A socket's address holds 107 characters; paths may be longer."""
    deep = tmp_path / "guests" / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    qemu = fleet.add("web")
    os.rename(qemu.path, deep / "web.qmp")
    with Daemon(tmp_path, {"daemon": {"socket-directories": str(deep)}}) as daemon:
        daemon.wait_ready("web")
        assert len(daemon.guest("web")["socket"]) > 108
        assert daemon.ctl("hold", str(deep / "web.qmp"), "900M") == ""


def test_directories_by_pattern(tmp_path, fleet):
    """Some managers make a directory for each guest."""
    with Daemon(tmp_path, {"daemon": {"socket-directories": f"{tmp_path}/vm/*/run",
                                      "socket-pattern": "qmp.sock"}}) as daemon:
        qemus, paths = [], []
        for name in "one", "two":
            qemu = fleet.add(name)
            place = tmp_path / "vm" / name / "run"
            place.mkdir(parents=True)
            os.rename(qemu.path, place / "qmp.sock")
            paths.append(place)
            qemus.append(qemu)
        daemon.wait_ready("one", "two")
        os.unlink(paths[0] / "qmp.sock")
        os.rmdir(paths[0])
        qemus[0].drop()
        daemon.wait(lambda: not (daemon.guest("one") or {"connected": False})["connected"])


def test_more_changes_than_are_told(tmp_path, fleet):
    """The kernel drops what its queue does not hold: all directories are read again."""
    with open("/proc/sys/fs/inotify/max_queued_events") as f:
        room = int(f.read())
    place = tmp_path / "guests"
    with Daemon(tmp_path) as daemon:
        daemon.wait(lambda: daemon.events("watching"))
        daemon.process.send_signal(signal.SIGSTOP)
        for _ in range(room // 2 + 1):
            os.close(os.open(place / "x", os.O_CREAT))
            os.unlink(place / "x")
        fleet.add("web")
        daemon.process.send_signal(signal.SIGCONT)
        daemon.wait_ready("web")


def test_more_directories_than_are_watched(tmp_path):
    """Those that match a pattern and do not fit are told of once."""
    for i in range(1090):
        (tmp_path / "vm" / str(i)).mkdir(parents=True)
    with Daemon(tmp_path, {"daemon": {"socket-directories": f"{tmp_path}/vm/*"}}) as daemon:
        daemon.wait(lambda: daemon.ask("status")["uptime_ms"] > 3000)
        assert len(daemon.events("watching")) == 1088
        assert len(daemon.events("not-watched")) == 1


def test_links_are_not_followed(tmp_path, fleet):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    qemu = fleet.add("theirs")
    os.rename(qemu.path, elsewhere / "theirs.qmp")
    os.symlink(elsewhere / "theirs.qmp", tmp_path / "guests" / "mine.qmp")
    fleet.add("web")
    with Daemon(tmp_path) as daemon:
        daemon.wait_ready("web")
        assert qemu.sessions == 0 and len(daemon.ask("status")["guests"]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_proxmox_keeps_its_monitors(tmp_path, fleet):
    """Neither a pattern nor a link leads to them."""
    qemu = fleet.add("100")
    fleet.add("web")
    os.symlink("/run/qemu-server", tmp_path / "link")
    daemon = Daemon(tmp_path, {"daemon": {
        "socket-directories": f"{tmp_path}/guests:/run/qemu*:{tmp_path}/link"}})
    daemon.prefix = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && "
                     f"mkdir /run/qemu-server && mv {qemu.path} /run/qemu-server/ && "
                     "exec \"$@\"", "sh"]
    with daemon:
        daemon.wait_ready("web")
        assert qemu.sessions == 0 and len(daemon.ask("status")["guests"]) == 1


def test_a_name_is_the_files_where_others_may_make_sockets(tmp_path, fleet):
    os.chmod(tmp_path / "guests", 0o3770)
    impostor = fleet.add("x")
    impostor.name = "db"
    impostor.uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    with Daemon(tmp_path, {"guest db": {"min": "900M"},
                           f"guest {impostor.uuid}": {"max": "300M"}}) as daemon:
        daemon.wait_ready("x")
        fleet.add("db")
        daemon.wait_ready("x", "db")
        assert daemon.guest("db")["min"] == 900 * MIB
        assert daemon.guest("x")["min"] == 256 * MIB and daemon.guest("x")["max"] == GIB
        assert daemon.ctl("hold", impostor.uuid, "300M", check=False).returncode == 1


EVIL = "x\nevent=take guest=db to=1 \x1b[31m"


def test_names_forge_nothing(tmp_path, fleet):
    """Names of files and guests, states and paths: neither log lines nor escape sequences."""
    evil = fleet.add(EVIL)
    evil.name = EVIL
    silent = fleet.add("y" + EVIL, greet=False)

    def mangle(command, data):
        if command == "query-status":
            reply = json.loads(data)
            reply["return"]["status"] = EVIL
            return json.dumps(reply).encode() + b"\r\n"
        return data.replace(b"/machine/peripheral", b"/machine\\n/peripheral")

    evil.mangle = mangle
    (tmp_path / "vm" / EVIL).mkdir(parents=True)
    daemon = Daemon(tmp_path, {"daemon": {
        "socket-directories": f"{tmp_path}/guests:{tmp_path}/vm/*"}})
    plain, daemon.config = daemon.config, str(tmp_path / "a\x1b\nevent=forged guest=db")
    os.rename(plain, daemon.config)
    with daemon:
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait(lambda: daemon.events("reloaded"))
        daemon.wait(lambda: daemon.events("connected"))
        daemon.wait(lambda: len(daemon.events("watching")) == 2)
        daemon.wait(lambda: silent.sessions)
        for command in "status", "doctor", "metrics", "plan":
            text = daemon.ctl(command, check=False).stdout
            assert "\x1b" not in text and "\nevent=" not in text, command
        evil.drop()
        os.unlink(silent.path)
        silent.drop()
        daemon.wait(lambda: daemon.events("disconnected") or daemon.events("gone"))
        log = daemon.log()
        assert "\x1b" not in log
        assert not [line for line in log.splitlines()
                    if line.startswith(("event=take", "event=forged"))]
        assert not daemon.events("take")


def test_a_reader_of_the_log_that_stops_stops_nobody(tmp_path, fleet):
    read, write = os.pipe()
    fleet.add("web")
    daemon = Daemon(tmp_path, {"daemon": {"debug": "yes"}})
    process = subprocess.Popen([os.path.join(BUILD, "autoballoond"), "-c", daemon.config],
                               stderr=write)
    os.close(write)
    try:
        while not os.path.exists(daemon.control):
            time.sleep(0.02)
        order = b'{"command":"disable","all":true}\n'
        for _ in range(3000):           # a line each: more than the pipe holds
            ask(daemon.control, order)
        os.set_blocking(read, False)
        text = b""
        try:
            while piece := os.read(read, 1 << 16):
                text += piece
        except BlockingIOError:
            pass
        ask(daemon.control, order)
        os.set_blocking(read, True)
        assert b"event=log-lines-lost count=" in os.read(read, 1 << 16)
        os.close(read)                  # and now there is nobody at all
        for _ in range(3):
            ask(daemon.control, order)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_closed_standard_error_is_nobody_elses_descriptor(tmp_path, fleet):
    qemu = fleet.add("web")
    daemon = Daemon(tmp_path)
    process = subprocess.Popen(["sh", "-c", f"exec {BUILD}/autoballoond -c {daemon.config} "
                                "0<&- 1>&- 2>&-"])
    try:
        qemu.wait(lambda: qemu.interval, 10, "statistics")
        fds = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 1, 2)]
        assert fds == ["/dev/null"] * 3
    finally:
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("kind", ["file", "link", "busy"])
def test_the_control_path_destroys_nothing(tmp_path, kind):
    """What is there and is no dead socket stays, and the daemon says why it does not start."""
    path = tmp_path / "control"
    if kind == "busy":                  # a daemon that is stopped: its queue is full
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(0)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(path))
    elif kind == "file":
        path.write_text("precious")
    else:
        (tmp_path / "precious").write_text("precious")
        path.symlink_to(tmp_path / "precious")
    before = os.lstat(path)
    daemon = Daemon(tmp_path)
    done = subprocess.run([os.path.join(BUILD, "autoballoond"), "-c", daemon.config],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and f"socket={path}" in done.stderr, done.stderr
    assert os.lstat(path).st_ino == before.st_ino


def test_a_flood_of_events_costs_little(tmp_path, fleet):
    bad, good = fleet.add("bad"), fleet.add("good")
    with daemons.Daemon(tmp_path) as daemon:
        daemon.wait_ready("bad", "good")
        cpu, start = daemon.cpu_seconds(), time.monotonic()
        flood = (json.dumps({"event": "RESET", "data": {}}).encode() + b"\r\n") * 100
        while time.monotonic() - start < 2:
            try:
                bad.connection.send(flood)
            except BlockingIOError:
                time.sleep(0.001)
        spent = (daemon.cpu_seconds() - cpu) / 2
        assert len(daemon.events("reset")) <= 4
        assert ask(daemon.control)[1] < 0.1
        if not ASAN:
            assert spent < 0.15, f"{spent:.0%} of a core"
        good.wait_command("qom-get")


def own_cgroup():
    """Our own group's directory where memory is managed, and that of another."""
    with open("/proc/self/cgroup") as f:
        lines = [line.rstrip("\n").split(":", 2) for line in f]
    for _, controllers, path in lines:
        place = "/sys/fs/cgroup" + ("/memory" if "memory" in controllers.split(",") else "") + path
        if ("memory" in controllers.split(",") or not controllers) and \
                os.path.exists(place + "/cgroup.procs"):
            return place
    return None


@pytest.mark.skipif(not own_cgroup(), reason="no cgroup hierarchy is mounted")
def test_membership_is_read_and_not_searched_for(tmp_path, fleet):
    place = own_cgroup()
    other = os.path.join(place, f"autoballoon-test-{os.getpid()}")
    first = other
    try:
        os.mkdir(other)
    except OSError:
        pytest.skip("cgroups cannot be made here")
    deep = fleet.add("deep", own_process=True)
    try:
        fleet.add("web")
        for directory, outside in (place, False), (other, True):
            with Daemon(tmp_path, {"pressure": {"cgroup": directory}}) as daemon:
                daemon.wait(lambda: daemon.guest("web") and daemon.guest("web")["connected"])
                daemon.wait(lambda: (daemon.guest("web")["why"] == "outside-cgroup") == outside)
        # Deeper than a search would go.
        for _ in range(6):
            other = os.path.join(other, "d")
            os.mkdir(other)
        with open(os.path.join(other, "cgroup.procs"), "w") as f:
            f.write(str(deep.process.pid))
        with Daemon(tmp_path, {"pressure": {"cgroup": first}}) as daemon:
            daemon.wait(lambda: all(daemon.guest(n) and daemon.guest(n)["connected"]
                                    for n in ("deep", "web")))
            daemon.wait(lambda: daemon.guest("web")["why"] == "outside-cgroup")
            assert daemon.guest("deep")["why"] != "outside-cgroup"
    finally:
        deep.end()
        while other != place:
            os.rmdir(other)
            other = os.path.dirname(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind", ["permission", "nobody-listens", "link", "no-qmp", "directory"])
def test_doctor_says_why_a_socket_cannot_be_used(tmp_path, fleet, kind):
    place = tmp_path / "guests"
    settings = {}
    path = place / "x.qmp"
    keep = socket.socket(socket.AF_UNIX)
    if kind == "directory":
        settings = {"daemon": {"socket-directories": f"{place}:/nonexistent/place"}}
    else:
        keep.bind(str(path))
        if kind != "nobody-listens":
            keep.listen(4)
    arguments = []
    if kind == "permission":
        os.chmod(path, 0o755)
        arguments = ["setpriv", "--reuid", "64321", "--regid", "64321", "--clear-groups"]
        os.chown(tmp_path, 64321, 64321)
        for parent in tmp_path.parents:
            if str(parent).startswith("/tmp/"):
                os.chmod(parent, 0o755)
    if kind == "link":
        os.rename(path, tmp_path / "real")
        os.symlink(tmp_path / "real", path)
        settings = {"guest x": {"socket": str(path)}}
    if kind == "no-qmp":
        import threading
        threading.Thread(target=lambda: [c.sendall(b"HTTP/1.1\r\n") for c, _ in
                                         iter(keep.accept, None)], daemon=True).start()
    daemon = Daemon(tmp_path, settings)
    daemon.prefix = arguments
    with daemon:
        if kind == "link":      # named by the administrator: it may be one
            keep.close()
            daemon.wait(lambda: daemon.guest(str(path)) is not None)
            daemon.wait(lambda: daemon.findings(str(path)))
            return
        name = "" if kind == "directory" else str(path)
        daemon.wait(lambda: kind in daemon.findings(name), what=kind)
        finding = daemon.findings(name)[kind]
        assert finding["severity"] == "problem"
        if kind == "permission":
            assert "Permission denied: socket of uid 0" in finding["detail"]
            assert "mode 0755" in finding["detail"] and "64321" in finding["detail"]
        if kind == "directory":
            assert "/nonexistent/place: No such file" in finding["detail"]

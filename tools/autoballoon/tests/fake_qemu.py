"""QEMUs that speak just enough QMP, and misbehave on demand.

All of them live in one thread with one selector, so that a hundred cost little.

    with Fleet(directory) as fleet:
        qemu = fleet.add("web", ram=1 << 30)
        qemu.stats["stat-free-memory"] = 1 << 20
        qemu.wait_target(512 << 20)
"""

import json
import mmap  # noqa: F401
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time

MIB = 1 << 20

# QEMU's address space is larger than its guest's memory: what is not cannot be QEMU.
BIG = "mmap.mmap(-1, 1 << 36, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=0)"
address_space = eval(BIG)       # pylint: disable=eval-used
UNSET = (1 << 64) - 1


def greeting(major):
    return {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": major}},
                    "capabilities": ["oob"]}}


def features(reporting, oom, extra=()):
    names = ["VIRTIO_BALLOON_F_STATS_VQ: Guest memory stats VQ available"]
    if reporting:
        names.append("VIRTIO_BALLOON_F_REPORTING: Page reporting VQ enabled")
    if oom:
        names.append("VIRTIO_BALLOON_F_DEFLATE_ON_OOM: Deflate balloon when guest OOM")
    return names + list(extra)


class Qemu:
    """One guest.  mangle(command, reply bytes) -> bytes, or None to drop the connection."""

    def __init__(self, fleet, name, path, ram=1024 * MIB, free=700 * MIB, available=800 * MIB,
                 caches=100 * MIB, reporting=False, driver=True, follow=True, greet=True,
                 running=True, page_size="4 KiB", mangle=None, x_query=True, major=7, own_process=False,
                 big=True):
        self.fleet, self.name, self.path = fleet, name, path
        self.ram = self.actual = ram
        self.reporting, self.driver, self.follow = reporting, driver, follow
        self.greet, self.running, self.page_size = greet, running, page_size
        self.mangle, self.x_query, self.major = mangle, x_query, major
        self.interval = 0
        self.disk_reads = [5 * MIB, 7]  # bytes, for each disk
        self.devices = ["virtio-balloon-pci"]
        self.memory_devices = []    # (type, bytes); "actual" has "dimm" in it, as in QEMU
        self.thread = os.getpid()   # of its first CPU
        self.migration = None   # as query-migrate says
        self.uuid = "00000000-0000-0000-0000-000000000000"
        self.stats = {"stat-total-memory": ram - 44 * MIB, "stat-free-memory": free,
                      "stat-available-memory": available, "stat-disk-caches": caches,
                      "stat-swap-in": 0, "stat-swap-out": 0, "stat-major-faults": 10,
                      "stat-minor-faults": 1000, "stat-htlb-pgalloc": UNSET,
                      "stat-htlb-pgfail": UNSET}
        self.targets = []       # (time, value) of every balloon command
        self.commands = {}      # how often each was seen
        self.sessions = 0
        self.connection = None
        self._buffer = b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.process = None
        if own_process:
            self._listen_elsewhere(BIG if big else "None")
        else:
            self.listener.listen(4)

    def _listen_elsewhere(self, space):
        """The kernel names who listens as the other end: a process of this guest's own."""
        fd = self.listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", f"import mmap, signal, socket\nspace = {space}\n"
             f"socket.socket(fileno={fd}).listen(4)\nprint(flush=True)\nsignal.pause()"],
            pass_fds=[fd], stdout=subprocess.PIPE)
        self.process.stdout.read(1)

    def end(self):
        """QEMU ends; its socket stays, as after a crash."""
        self.fleet.forget(self)
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    # what a test looks at
    def wait(self, condition, timeout=10, what="condition"):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: no {what} within {timeout} s")
            time.sleep(0.02)

    def wait_target(self, value, timeout=10):
        self.wait(lambda: self.targets and self.targets[-1][1] == value, timeout,
                  f"target {value}, got {self.targets[-3:]}")

    def wait_command(self, command, count=1, timeout=10):
        start = self.commands.get(command, 0)
        self.wait(lambda: self.commands.get(command, 0) >= start + count, timeout, command)

    def event(self, name, **data):
        self.send(json.dumps({"event": name, "data": data,
                              "timestamp": {"seconds": 1, "microseconds": 2}}).encode() + b"\r\n")

    def drop(self):
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def send(self, data):
        view = memoryview(data)
        end = time.monotonic() + 5
        while view and self.connection and time.monotonic() < end:
            try:
                view = view[self.connection.send(view):]
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                return

    # the protocol
    def accepted(self, connection):
        connection.setblocking(False)
        self.connection, self._buffer = connection, b""
        self.sessions += 1
        if self.greet:
            self.send(self._mangled("greeting", json.dumps(greeting(self.major)).encode() + b"\r\n"))

    def _mangled(self, command, data):
        if self.mangle:
            data = self.mangle(command, data)
            if data is None:
                self.drop()
                return b""
        return data

    def readable(self):
        """Returns False when the connection has ended."""
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        self._buffer += data
        while b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            if line.strip():
                self._command(json.loads(line))
        return True

    def _command(self, message):
        command, arguments = message["execute"], message.get("arguments", {})
        self.commands[command] = self.commands.get(command, 0) + 1
        reply = {"id": message.get("id")}
        try:
            reply["return"] = self._answer(command, arguments)
        except LookupError as error:
            reply["error"] = {"class": "CommandNotFound", "desc": str(error)}
        self.send(self._mangled(command, json.dumps(reply).encode() + b"\r\n"))

    def _answer(self, command, arguments):
        path = "/machine/peripheral/b0/virtio-backend"
        own = features(self.reporting, True) if self.driver else []
        if command == "balloon":
            self.targets.append((time.monotonic(), arguments["value"]))
            if self.follow and self.driver and self.running:
                gone = self.actual - arguments["value"]
                self.actual = arguments["value"]
                for key in ("stat-free-memory", "stat-available-memory"):
                    if isinstance(self.stats[key], int) and self.stats[key] < 1 << 60:
                        self.stats[key] = max(self.stats[key] - gone, 0)
            return {}
        if command.startswith("x-") and not self.x_query:
            raise LookupError("The command has not been found")
        if command == "qom-get" and arguments["property"] == "free-page-reporting":
            return self.reporting
        if command == "qom-get":
            return {"stats": self.stats,
                    "last-update": int(time.time() * 1000) if self.driver and self.interval
                    else 0}     # finer than QEMU's, for daemons whose clock is fast
        if command == "qom-set":
            self.interval = arguments["value"]
            return {}
        answers = {
            "qmp_capabilities": lambda: {},
            "query-name": lambda: {"name": self.name},
            "query-uuid": lambda: {"UUID": self.uuid},
            "query-status": lambda: {"status": "running" if self.running else "paused",
                                     "singlestep": False, "running": self.running},
            "query-balloon": lambda: {"actual": self.actual},
            "query-memory-size-summary": lambda: {
                "base-memory": self.ram,
                "plugged-memory": sum(size for _, size in self.memory_devices)},
            "query-memory-devices": lambda: [{"type": kind, "data": {"id": "m", "size": size}}
                                             for kind, size in self.memory_devices],
            "qom-list": lambda: [{"name": "type", "type": "string"},
                                 *({"name": f"b{i}", "type": f"child<{device}>"}
                                   for i, device in enumerate(self.devices))],
            "human-monitor-command": lambda: (
                "              Block Name    PSize              Offset               Used"
                "              Total\r\n"
                f"                  pc.ram    {self.page_size}  0x0000000000000000 "
                f"{self.ram:#018x} {self.ram:#018x}\r\n"
                "    /rom@etc/acpi/tables    4 KiB  0x0000000010080000 0x0000000000020000 "
                "0x0000000000200000\r\n"),
            "x-query-virtio": lambda: [{"name": "virtio-balloon", "path": path}],
            "x-query-virtio-status": lambda: {
                "host-features": {"dev-features": features(self.reporting, True)},
                "guest-features": {"dev-features": own},
                "status": {"statuses": ["VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready"]
                           if self.driver else []}},
            "x-query-virtio-queue-status": lambda: {"used-idx": 7},
            "query-cpus-fast": lambda: [{"cpu-index": 0, "thread-id": self.thread}],
            "query-migrate": lambda: {"status": self.migration} if self.migration else {},
            "query-blockstats": lambda: [
                {"device": f"drive{i}", "stats": {"rd_bytes": count, "wr_bytes": 7}}
                for i, count in enumerate(self.disk_reads)],
        }
        return answers[command]()


class Fleet:
    def __init__(self, directory):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.directory = str(directory)
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._stop = False
        self._ended = []
        self.qemus = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for qemu in self.qemus:
            if qemu.process:
                qemu.end()
        self._stop = True
        self._thread.join()

    def add(self, name, **options):
        path = os.path.join(self.directory, name + ".qmp")
        hidden = os.path.join(self.directory, "." + name)
        qemu = Qemu(self, name, hidden, **options)
        self._selector.register(qemu.listener, selectors.EVENT_READ, (qemu, True))
        os.rename(hidden, path)
        qemu.path = path
        self.qemus.append(qemu)
        return qemu

    def forget(self, qemu):
        """Close everything of a guest; the thread does it, because it owns the selector."""
        gone = threading.Event()
        self._ended.append((qemu, gone))
        gone.wait(5)

    def restart(self, qemu, **options):
        """The same machine once more: a new QEMU, of full size."""
        qemu.end()
        os.unlink(qemu.path)
        new = self.add(os.path.basename(qemu.path)[:-len(".qmp")],
                       **{"ram": qemu.ram, "own_process": True, **options})
        new.uuid = qemu.uuid
        return new

    def _close_ended(self):
        while self._ended:
            qemu, gone = self._ended.pop()
            for s in qemu.listener, qemu.connection:
                if s:
                    self._selector.unregister(s)
                    s.close()
            qemu.connection = None
            gone.set()

    def _run(self):
        while not self._stop:
            ready = self._selector.select(0.05)
            if self._ended:
                self._close_ended()
                continue
            for key, _ in ready:
                qemu, is_listener = key.data
                if is_listener:
                    connection, _ = key.fileobj.accept()
                    if qemu.connection:
                        continue        # the second client: connected, never greeted
                    self._selector.register(connection, selectors.EVENT_READ, (qemu, False))
                    qemu.accepted(connection)
                elif not qemu.readable():
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
                    qemu.connection = None

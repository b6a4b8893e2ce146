"""Firecracker, Cloud Hypervisor and autoballoon-libvirt, as much of them as the daemon asks.

The two VMMs follow their published APIs: firecracker.yaml of Firecracker 1.14 and
cloud-hypervisor.yaml of Cloud Hypervisor, version 0.3.0 of the API.  Each has a thread
and serves a connection after the other.
"""

import json
import os
import socket
import threading
import time

MIB = 1 << 20


class Fake:
    """A guest behind a unix socket; what it is asked for is in .targets, bytes of its size."""

    def __init__(self, path, ram=1024 * MIB, free=700 * MIB, available=800 * MIB,
                 reporting=False, stats=True):
        self.path, self.ram, self.actual, self.reporting = str(path), ram, ram, reporting
        self.has_stats, self.running, self.follow = stats, True, True
        self.free, self.available, self.caches = free, available, 100 * MIB
        self.targets, self.asked, self.sessions = [], {}, 0
        self.mangle = None      # bytes of an answer -> others
        self.connection = None
        self._stop = False
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(4)
        self._listener.settimeout(0.1)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self.drop()
        self._thread.join()
        self._listener.close()

    def drop(self):
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def size(self, value):
        self.targets.append(value)
        if self.follow:
            self.available -= self.actual - value
            self.free = max(self.free - (self.actual - value), MIB)
            self.actual = value

    def wait(self, condition, timeout=10, what="condition"):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"no {what} within {timeout} s: {self.asked}"
            time.sleep(0.02)

    def _run(self):
        while not self._stop:
            try:
                self.connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.sessions += 1
            self.connection.settimeout(None)
            try:
                with self.connection, self.connection.makefile("rb") as file:
                    self.serve(file)
            except (OSError, ValueError):
                pass

    def send(self, data):
        self.connection.sendall(self.mangle(data) if self.mangle else data)


class Bridge(Fake):
    """One domain's socket of autoballoon-libvirt."""

    name, uuid = "web", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    facts = {}
    away = False        # there is no libvirtd

    def serve(self, file):
        self.say({"autoballoon": {"manager": "libvirt"}})
        for line in file:
            message = json.loads(line)
            command = message["execute"]
            self.asked[command] = self.asked.get(command, 0) + 1
            if self.away:
                self.say({"error": {"desc": "libvirtd is not there"}, "id": message["id"]})
                continue
            self.say({"return": self.answer(command, message.get("arguments", {})),
                      "id": message["id"]})

    def say(self, message):
        self.send(json.dumps(message).encode() + b"\n")

    def answer(self, command, arguments):
        if command == "query-guest":
            return {"name": self.name, "uuid": self.uuid, "pid": os.getpid(), "ram": self.ram,
                    "actual": self.actual, "state": "running" if self.running else "paused",
                    "running": self.running, "migrating": False, "balloon": True,
                    "reporting": self.reporting, "autodeflate": True, "locked": False,
                    "assigned": False, "page_size": 4096, **self.facts}
        if command == "query-stats":
            return {"actual": self.actual, "last-update": int(time.time() * 1000), "stats": {
                "stat-total-memory": self.ram - 44 * MIB, "stat-free-memory": self.free,
                "stat-available-memory": self.available, "stat-disk-caches": self.caches,
                "stat-swap-in": 0, "stat-swap-out": 0, "stat-major-faults": 10}}
        if command == "set-size":
            self.size(arguments["value"])
        return {}


class Http(Fake):
    """HTTP/1.1, kept alive."""

    def serve(self, file):
        while True:
            request = file.readline().split()
            if not request:
                return
            length = 0
            while (header := file.readline().strip()):
                key, _, value = header.partition(b":")
                if key.lower() == b"content-length":
                    length = int(value)
            body = json.loads(file.read(length)) if length else None
            method, path = request[0].decode(), request[1].decode()
            key = f"{method} {path}"
            self.asked[key] = self.asked.get(key, 0) + 1
            status, answer = self.answer(method, path, body)
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send(f"HTTP/1.1 {status} \r\nServer: fake\r\nConnection: keep-alive\r\n"
                      .encode() + (b"Content-Type: application/json\r\n"
                                   b"Content-Length: %d\r\n" % len(text) if text else b"")
                      + b"\r\n" + text)


class Firecracker(Http):
    id = "anonymous-instance"

    def answer(self, method, path, body):
        balloon = (self.ram - self.actual) // MIB
        if (method, path) == ("GET", "/"):
            return 200, {"app_name": "Firecracker", "id": self.id, "vmm_version": "1.14.0",
                         "state": "Running" if self.running else "Paused"}
        if (method, path) == ("GET", "/machine-config"):
            return 200, {"vcpu_count": 2, "mem_size_mib": self.ram // MIB, "smt": False,
                         "track_dirty_pages": False, "huge_pages": "None"}
        if (method, path) == ("GET", "/balloon"):
            return 200, {"amount_mib": balloon, "deflate_on_oom": True,
                         "stats_polling_interval_s": 1 if self.has_stats else 0,
                         "free_page_hinting": False, "free_page_reporting": self.reporting}
        if (method, path) == ("PATCH", "/balloon"):
            self.size(self.ram - body["amount_mib"] * MIB)
            return 204, None
        if path == "/balloon/statistics" and not self.has_stats:
            return 400, {"fault_message": "Statistics for the balloon device are not enabled"}
        if (method, path) == ("PATCH", "/balloon/statistics"):
            assert body["stats_polling_interval_s"] > 0
            return 204, None
        if (method, path) == ("GET", "/balloon/statistics"):
            return 200, {"target_pages": balloon * 256, "actual_pages": balloon * 256,
                         "target_mib": balloon, "actual_mib": balloon, "swap_in": 0,
                         "swap_out": 0, "major_faults": 10, "minor_faults": 1000,
                         "free_memory": self.free, "total_memory": self.ram - 44 * MIB,
                         "available_memory": self.available, "disk_caches": self.caches,
                         "hugetlb_allocations": 0, "hugetlb_failures": 0}
        return 400, {"fault_message": f"Invalid request method and/or path: {method} {path}."}


class CloudHypervisor(Http):
    device_tree = {}

    def answer(self, method, path, body):
        if (method, path) == ("GET", "/api/v1/vm.info"):
            return 200, {"config": {
                "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
                "memory": {"size": self.ram, "mergeable": False, "hotplug_method": "Acpi",
                           "hotplug_size": None, "hotplugged_size": None, "shared": False,
                           "hugepages": False, "hugepage_size": None, "prefault": False,
                           "zones": None, "thp": True},
                "payload": {"kernel": "/vmlinux"}, "disks": None,
                "balloon": {"size": self.ram - self.actual, "deflate_on_oom": True,
                            "free_page_reporting": self.reporting},
                "devices": None, "platform": None},
                "state": "Running" if self.running else "Paused",
                "memory_actual_size": self.actual, "device_tree": self.device_tree}
        if (method, path) == ("GET", "/api/v1/vm.balloon-stats") and self.has_stats:
            return 200, {"balloon_actual": self.ram - self.actual,
                         "last_update": int(time.time() * 1000),
                         "stats": {"swap_in": 0, "swap_out": 0, "major_faults": 10,
                                   "free_memory": self.free, "oom_kills": 0,
                                   "total_memory": self.ram - 44 * MIB, "alloc_stalls": 0,
                                   "available_memory": self.available,
                                   "disk_caches": self.caches}}
        if (method, path) == ("PUT", "/api/v1/vm.resize"):
            self.size(self.ram - body["desired_balloon"])
            return 204, None
        return 404, ["Not found"]

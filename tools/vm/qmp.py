"""QEMU's machine protocol (QMP) over a Unix socket: commands and events."""

import json
import socket
import threading
import time

from errors import QmpError, WaitTimeout


class Qmp:
    def __init__(self, path, timeout=30):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._timeout = timeout
        self._change = threading.Condition()
        self._one_command = threading.Lock()
        self._reply = None
        self._closed = False
        self.events = []  # every event so far, oldest first
        try:
            self._socket.connect(path)
            self._file = self._socket.makefile("rwb")
            if b"QMP" not in self._file.readline():
                raise QmpError("QEMU's QMP socket gave no greeting")
        except OSError as error:
            raise QmpError(f"cannot talk to QEMU's QMP socket: {error}") from error
        self._socket.settimeout(None)
        threading.Thread(target=self._receive, daemon=True).start()
        self.command("qmp_capabilities")

    def _receive(self):
        try:
            for line in self._file:
                message = json.loads(line)
                with self._change:
                    if "event" in message:
                        self.events.append(message)
                    else:
                        self._reply = message
                    self._change.notify_all()
        except (OSError, ValueError):
            pass
        with self._change:
            self._closed = True
            self._change.notify_all()

    def command(self, name, /, **arguments):
        """Executes one command and returns what it returns.

        An underscore in an argument's name stands for a hyphen.
        """
        request = {"execute": name}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): value
                                    for key, value in arguments.items()}
        with self._one_command:
            with self._change:
                self._reply = None
            try:
                self._file.write(json.dumps(request).encode() + b"\n")
                self._file.flush()
            except OSError as error:
                raise QmpError(f"QEMU is gone ({name}: {error})") from error
            with self._change:
                if not self._change.wait_for(lambda: self._reply or self._closed, self._timeout):
                    raise QmpError(f"QEMU did not answer {name} in {self._timeout} s")
                reply = self._reply
        if reply is None:
            raise QmpError(f"QEMU is gone ({name})")
        if "error" in reply:
            error = reply["error"]
            raise QmpError(f"{name}: {error['desc']}", error["class"], error["desc"])
        return reply["return"]

    def human(self, line):
        """Executes a command of the human monitor and returns its text."""
        return self.command("human-monitor-command", command_line=line)

    def wait_event(self, name, timeout, since=0):
        """Waits for an event among events[since:] and returns it."""
        deadline = time.monotonic() + timeout
        with self._change:
            while True:
                for event in self.events[since:]:
                    if event["event"] == name:
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise WaitTimeout(f"no {name} event from QEMU within {timeout} s")
                self._change.wait(left)

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

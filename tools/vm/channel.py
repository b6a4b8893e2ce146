"""Runs shell commands in the guest through its command agent (agent.c)."""

import itertools
import signal
import socket
import threading
import time

from errors import CommandError, GuestDied, GuestError

MAX_SCRIPT = 32768  # as in agent.c
GRACE = 30  # seconds by which an answer may be later than the guest's own limit


class Job:
    """A command running in the guest."""

    def __init__(self, channel, number, script, timeout):
        self._channel = channel
        self._number = number
        self._deadline = time.monotonic() + timeout + GRACE if timeout else None
        self.script = script
        self.timeout = timeout
        self.out = bytearray()  # grows while it runs
        self.err = bytearray()
        self.status = None  # exit status once it has ended
        self.late = False  # it was killed at its time limit
        self.lost = None  # why no status will ever come

    @property
    def running(self):
        return self.status is None and not self.lost

    @property
    def output(self):
        return self.out.decode(errors="replace")

    @property
    def errors(self):
        return self.err.decode(errors="replace")

    def adopt(self, channel):
        """The command is to be reached through another channel from now on."""
        self._channel = channel

    def kill(self, number=signal.SIGKILL):
        """Sends a signal to the command and all it started."""
        if self.running:
            self._channel.send(f"kill {self._number} {int(number)}\n".encode())

    def wait(self, timeout=None):
        """Waits until it has ended and returns its exit status."""
        deadline = time.monotonic() + timeout if timeout is not None else self._deadline
        self._channel.wait(lambda: not self.running, deadline)
        if self.lost:
            raise GuestDied(f"{self.lost} during: {self._brief()}")
        if self.running:
            raise GuestError(f"guest does not answer: {self._brief()}")
        return self.status

    def check(self, timeout=None):
        """As wait(), but any end other than success raises CommandError; returns the output."""
        if self.wait(timeout):
            end = f"not done after {self.timeout} s" if self.late else f"status {self.status}"
            detail = (self.errors or self.output).strip().splitlines()
            raise CommandError(f"in guest: {self._brief()}: {end}"
                               + (f": {detail[-1]}" if detail else ""))
        return self.output

    def _brief(self):
        text = " ".join(self.script.split())
        return text if len(text) <= 120 else text[:117] + "..."


class Channel:
    """The host's end of the agent's serial line."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._numbers = itertools.count(1)
        self._jobs = {}
        self._change = threading.Condition()
        self._sending = threading.Lock()
        self.boots = 0  # how often an agent has said hello
        self.closed = False
        threading.Thread(target=self._receive, daemon=True).start()

    def spawn(self, script, timeout=None):
        """Starts a command; the guest kills it after timeout seconds."""
        data = script.encode()
        if len(data) > MAX_SCRIPT:
            raise ValueError(f"script of {len(data)} bytes, more than {MAX_SCRIPT}")
        with self._change:
            if self.closed:
                raise GuestDied("QEMU is gone")
            number = next(self._numbers)
            job = self._jobs[number] = Job(self, number, script, timeout)
        self.send(f"run {number} {int((timeout or 0) * 1000)} {len(data)}\n".encode() + data)
        return job

    def wait(self, condition, deadline=None):
        """Waits until a condition on jobs or boots holds; returns whether it does."""
        left = None if deadline is None else max(0, deadline - time.monotonic())
        with self._change:
            return self._change.wait_for(condition, left)

    def kill_all(self):
        """Kills every command that still runs and waits for their ends."""
        with self._change:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.kill()
        for job in jobs:
            job.wait(GRACE)

    def take_over(self, other):
        """The other channel's guest is at this end now, with the commands it is running."""
        with other._change:
            jobs, other._jobs = other._jobs, {}
        with self._change:
            self._numbers = other._numbers
            self._jobs = jobs
            self.boots = other.boots
            for job in jobs.values():
                job.adopt(self)

    def send(self, data):
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            raise GuestDied(f"QEMU is gone ({error})") from error

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _receive(self):
        try:
            with self._socket.makefile("rb") as stream:
                while self._take_frame(stream):
                    pass
        except (OSError, ValueError):
            pass
        with self._change:
            self.closed = True
            self._lose_jobs("QEMU ended")

    def _take_frame(self, stream):
        header = stream.readline()
        words = header.split()
        if len(words) != 3:
            return bool(header)  # noise from firmware or a guest that restarts
        kind, number, value = words[0], int(words[1]), int(words[2])
        payload = stream.read(value) if kind in (b"out", b"err") else b""
        with self._change:
            if kind == b"hello":
                self.boots += 1
                self._lose_jobs("guest restarted")
            elif number in self._jobs:
                self._update(self._jobs[number], kind, value, payload)
                if kind in (b"exit", b"late"):
                    del self._jobs[number]
            self._change.notify_all()
        return True

    @staticmethod
    def _update(job, kind, value, payload):
        if kind == b"out":
            job.out += payload
        elif kind == b"err":
            job.err += payload
        else:
            job.late = kind == b"late"
            job.status = value

    def _lose_jobs(self, why):
        for job in self._jobs.values():
            job.lost = why
        self._jobs.clear()
        self._change.notify_all()

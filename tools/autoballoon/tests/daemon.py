"""Runs autoballoond and autoballoonctl for tests."""

import json
import os
import re
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BUILD = os.environ.get("AUTOBALLOON_BUILD", os.path.join(TOP, "build/autoballoon/release"))

# Floors that the test machine's own memory cannot reach, and no waiting.
QUIET = {"daemon": {"idle-interval": "1s"},
         "pressure": {"source": "none", "available-low": "0", "available-medium": "0",
                      "available-critical": "0", "quiet": "2s"},
         "policy": {"hold": "5s", "give-after": "1h", "overhead": "0"},
         "guest *": {"min": "25%"}}


def monitor(directory, name):
    """QEMU's options for a monitor where the daemon with this directory finds it."""
    return ["-chardev", f"socket,id=ab,path={directory}/guests/{name}.qmp,server=on,wait=off",
            "-qmp", "chardev:ab"]


class Daemon:
    """autoballoond with a directory of its own; settings go over QUIET.

    With a speed, the clock it goes by runs that many times as fast as ours.
    """

    def __init__(self, directory, settings=None, arguments=(), quiet=True, speed=1):
        self.directory = str(directory)
        self.control = os.path.join(self.directory, "control")
        self.sockets = os.path.join(self.directory, "guests")
        os.makedirs(self.sockets, exist_ok=True)
        self.config = os.path.join(self.directory, "autoballoon.conf")
        self.arguments = list(arguments)
        sections = {k: dict(v) for k, v in QUIET.items()} if quiet else {}
        sections.setdefault("daemon", {}).update({
            "run-directory": self.directory, "state-directory": "", "control-socket": self.control,
            "socket-directories": self.sockets})
        for section, options in (settings or {}).items():
            sections.setdefault(section, {}).update(options)
        with open(self.config, "w") as f:
            for section, options in sections.items():
                f.write(f"[{section}]\n")
                f.writelines(f"{key} = {value}\n" for key, value in options.items())
        self.speed = speed
        self.process = None
        self.prefix = []        # a command that runs it
        self.log_path = os.path.join(self.directory, "log")

    def start(self):
        starts = self.log().count("event=started") if os.path.exists(self.log_path) else 0
        with open(self.log_path, "a") as log:
            program = "autoballoond" if self.speed == 1 else "tests/autoballoond-fast"
            self.process = subprocess.Popen(
                [*self.prefix, os.path.join(BUILD, program), "-c", self.config, *self.arguments], stderr=log,
                env={**os.environ, "AUTOBALLOON_TEST_SPEED": str(self.speed)})
        self.wait(lambda: self.log().count("event=started") > starts, what="start")
        return self

    def stop(self):
        """Returns the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        status = self.stop()
        if kind is None:
            assert status == 0, f"exit status {status}\n{self.log()[-4000:]}"
        elif kind:
            print(self.log()[-6000:])

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def events(self, name):
        """Log lines of an event, as dictionaries."""
        return [dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))
                for line in self.log().splitlines() if f"event={name} " in line + " "]

    def wait(self, condition, timeout=15, what="condition"):
        end = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, f"the daemon died\n{self.log()[-4000:]}"
            assert time.monotonic() < end, f"no {what} within {timeout} s\n{self.log()[-4000:]}"
            time.sleep(0.02)

    def ctl(self, *arguments, check=True):
        done = subprocess.run([os.path.join(BUILD, "autoballoonctl"), "-s", self.control,
                               *arguments], capture_output=True, text=True, timeout=90)
        if check:
            assert done.returncode == 0, done.stderr
            return done.stdout
        return done

    def ask(self, *arguments):
        # The doctor's exit status says whether there is a problem.
        done = self.ctl("--json", *arguments, check=arguments[0] != "doctor")
        return json.loads(done.stdout if arguments[0] == "doctor" else done)

    def guest(self, name):
        for guest in self.ask("status")["guests"]:
            if guest["name"] == name:
                return guest
        return None

    def wait_ready(self, *names, timeout=15):
        """Until the statistics of the guests are in."""
        def ready():
            guests = {g["name"]: g for g in self.ask("status")["guests"]}
            return all(n in guests and guests[n]["free"] is not None for n in names)
        self.wait(ready, timeout, f"statistics of {names}")

    def findings(self, name=""):
        done = self.ctl("--json", "doctor", check=False)
        answer = json.loads(done.stdout)
        problems = [f for f in answer["findings"] if f["severity"] == "problem"]
        assert len(problems) == answer["problems"] and done.returncode == bool(problems)
        return {f["what"]: f for f in answer["findings"] if f["guest"] == name}

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) << 10

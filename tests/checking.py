"""What the programs share that check without running a guest: logs, verdicts, warnings."""

import os
import re
import shutil
import subprocess
import time

import paths

TOP = paths.TOP
SOURCE = os.path.join(paths.BUILD, "src", paths.SERIES)
OVERLAY = os.path.join(SOURCE, "overlay")
BUILD_KERNEL = os.path.join(paths.TOOLS, "build-kernel")
LOGS = os.path.join(paths.BUILD, "log")

# Where files for the kernel tree live, and what of it is compiled here.
KERNEL_DIRS = ("mm", "drivers", "include")
OBJECTS = ("mm/page_reporting/", "drivers/virtio/virtio_balloon/")

# Configurations of configs/matrix that a series cannot have, and since when there is such a thing.
NOT_HAD = {
    ("6.1", "rt"): "x86 has PREEMPT_RT since 6.12",
    ("6.1", "mem-profiling"): "MEM_ALLOC_PROFILING is there since 6.10",
}


class Failed(Exception):
    """A check's verdict; its words go behind the line."""


def files(*roots, suffixes=(), shebang=None):
    """Paths below roots, relative to TOP, by suffix or by interpreter."""
    found = []
    for root in roots:
        for directory, dirs, names in os.walk(os.path.join(TOP, root)):
            dirs[:] = sorted(d for d in dirs if d not in ("build", ".git", "__pycache__"))
            for name in sorted(names):
                path = os.path.join(directory, name)
                if name.endswith(suffixes) if suffixes else False:
                    found.append(os.path.relpath(path, TOP))
                elif shebang and "." not in name and _interpreter(path, shebang):
                    found.append(os.path.relpath(path, TOP))
    return found


def _interpreter(path, pattern):
    with open(path, "rb") as f:
        line = f.readline(80)
    return line.startswith(b"#!") and re.search(pattern, line.decode(errors="replace"))


class Log:
    """What a check's tools say."""

    def __init__(self, name):
        self.path = os.path.join(paths.made_dir(LOGS), f"check-{name}.log")
        self._file = open(self.path, "w")

    def run(self, *command, cwd=TOP, stdin=None, env=None):
        """Returns the exit status and what the command printed."""
        self._file.write(f"$ {' '.join(command)}\n")
        done = subprocess.run(command, cwd=cwd, input=stdin, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self._file.write(done.stdout)
        self._file.flush()
        return done.returncode, done.stdout

    def note(self, line):
        self._file.write(line + "\n")

    def close(self):
        self._file.close()


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise Failed(f"{' and '.join(missing)} not installed: tools/vm/setup check")


def fail_on(findings, what):
    """Fails with the first of the findings."""
    if findings:
        raise Failed(f"{len(findings)} {what}, such as {findings[0]}")


def patched():
    """The kernel's files that patches/ changes."""
    found = set()
    directory = os.path.join(TOP, "patches", paths.SERIES)
    for name in sorted(os.listdir(directory)):
        if name.endswith(".patch"):
            with open(os.path.join(directory, name)) as f:
                found.update(re.findall(r"^\+\+\+ b/(\S+)", f.read(), re.M))
    return sorted(found)


def kernel_warnings(output, more=()):
    """The compiler's words about this project's files, and about others that are named."""
    ours = "|".join(re.escape(path) for path in (
        *OBJECTS, *files("include", "mm", suffixes=(".h",)), *more))
    return [re.sub(r"^(\.\./)*", "", line) for line in output.splitlines()
            if re.search(r"\b(warning|error):|^Warning", line, re.I)
            and re.match(rf"(?:\.\./)*(?:{ours})", line)]


def carry_out(checks):
    """Makes the checks, (name, function) each, with a line for each; returns the exit status.

    A function takes a Log; what it returns is said behind its line.
    """
    failed = 0
    for name, check in checks:
        begun = time.monotonic()
        log = Log(name)
        try:
            verdict, word = "ok", check(log)
        except (Failed, OSError) as problem:
            verdict, word = "FAILED", str(problem)
            log.note(word)
            failed += 1
        finally:
            log.close()
        print(f"{verdict:7} {time.monotonic() - begun:6.1f} s  {name:13} "
              f"{os.path.relpath(log.path)}", flush=True)
        if word:
            print(f"    {word}", flush=True)
    print(f"{len(checks) - failed} ok, {failed} failed")
    return 1 if failed else 0

"""The steps of tools/series/, and the kernel's files as each of them leaves them.

A step is a file: its commit message, a line `%%`, and what of the change it brings:

    file PATH...         files of this project, from here on; PATH may be a pattern
    remove PATH...       files of the kernel that go
    patch NAME [PATH...] one of patches/SERIES/, or only what it does to these files
    part PATH            lines in a file that an earlier step brings, in hunks

Only the last state of a file exists.  What it was before a part came is worked out by
taking the part away again, so nothing is written down twice.  A hunk is found by
its lines, wherever they are, and each time they are there:

    +a line that comes with this step       +...  any lines that do
    -a line that was there instead
     a line around it                        ...  any lines between

Objects whose source a later step brings are left out of this project's Makefiles.
"""

import fnmatch
import os
import re
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass, field

import paths
from kernelchange import Failure

STEPS = os.path.join(paths.TOP, "tools", "series")
COVER = "cover"
SPLIT = "%%"
FOLDERS = ("mm", "drivers", "include", "Documentation")


@dataclass
class Step:
    name: str
    message: str
    files: list = field(default_factory=list)
    removed: list = field(default_factory=list)
    patches: list = field(default_factory=list)  # (name, paths; none: all)
    parts: list = field(default_factory=list)  # (path, hunks)


def step_names():
    return sorted(name for name in os.listdir(STEPS) if re.match(r"\d", name))


def own_files():
    """What this project has for the kernel's tree."""
    return [os.path.relpath(os.path.join(directory, name), paths.TOP)
            for folder in FOLDERS
            for directory, _, names in os.walk(os.path.join(paths.TOP, folder))
            for name in sorted(names) if not re.search(r"\.(orig|rej)$|^\..*\.sw.$", name)]


def read_step(name):
    with open(os.path.join(STEPS, name)) as f:
        message, found, body = f.read().partition(f"\n{SPLIT}\n")
    if not found:
        raise Failure(f"tools/series/{name}: no line {SPLIT} after the message")
    step = Step(name, message.strip() + "\n")
    hunks = None
    for line in body.splitlines():
        if line.startswith("\t"):
            if hunks is None or line[1:2] not in ("+", "-", " "):
                raise Failure(f"tools/series/{name}: what is this? {line.strip()}")
            hunks[-1].append(line[1:])
            continue
        words = line.split()
        if not words:
            if hunks and hunks[-1]:
                hunks.append([])
            continue
        kind, arguments = words[0], words[1:]
        hunks = None
        if kind == "file" and arguments:
            step.files += arguments
        elif kind == "remove" and arguments:
            step.removed += arguments
        elif kind == "patch" and arguments:
            step.patches.append((arguments[0], arguments[1:]))
        elif kind == "part" and len(arguments) == 1:
            hunks = [[]]
            step.parts.append((arguments[0], hunks))
        else:
            raise Failure(f"tools/series/{name}: what is this? {line}")
    for _, hunks in step.parts:
        hunks[:] = [hunk for hunk in hunks if hunk]
    return step


def read_steps():
    """All steps, their patterns resolved, each file in one of them."""
    steps, own, owner = [read_step(name) for name in step_names()], own_files(), {}
    for step in steps:
        found = []
        for pattern in step.files:
            matching = fnmatch.filter(own, pattern)
            if not matching:
                raise Failure(f"tools/series/{step.name}: there is no {pattern} any more")
            found += matching
        for path in found:
            if path in owner:
                raise Failure(f"{path} is in two steps: {owner[path]} and {step.name}")
            owner[path] = step.name
        step.files = found
    left = [path for path in own if path not in owner]
    if left:
        raise Failure(f"in no step of tools/series/: {' '.join(left)}")
    return steps


def _read(top, path):
    with open(os.path.join(top, path)) as f:
        return f.read()


def _choose(text, wanted):
    """Of a patch what it does to some files."""
    head, *pieces = re.split(r"^(?=--- a/)", text, flags=re.M)
    named = {re.match(r"--- .*\n\+\+\+ b/(\S+)", piece)[1]: piece for piece in pieces}
    for path in wanted:
        if path not in named:
            raise Failure(f"it does nothing to {path}")
    return head + "".join(piece for path, piece in named.items()
                          if not wanted or path in wanted), wanted or list(named)


class Tree:
    """The files that the steps have to do with, as one step after another leaves them."""

    def __init__(self, series, upstream, overlay):
        self.series, self.upstream, self.overlay = series, upstream, overlay
        self.steps = read_steps()

    def states(self):
        """For each step: {path: text, or None for a file that is gone}."""
        brought = {}
        for number, step in enumerate(self.steps):
            try:
                for path, _ in step.parts:
                    if path not in brought:
                        raise Failure(f"a part of {path}, which no earlier step brings")
                self._bring(step, brought)
            except Failure as problem:
                raise Failure(f"tools/series/{step.name}: {problem}") from None
            yield step, self._without_later(brought, number)

    def _bring(self, step, brought):
        for path in step.files:
            brought[path] = _read(self.overlay, path)
        for path in step.removed:
            if not os.path.exists(os.path.join(self.upstream, path)):
                raise Failure(f"Linux {self.series} has no {path}")
            brought[path] = None
        for name, wanted in step.patches:
            self._patch(name, wanted, brought)

    def _patch(self, name, wanted, brought):
        try:
            text = _read(os.path.join(paths.TOP, "patches", self.series), name)
        except FileNotFoundError:
            raise Failure(f"there is no patches/{self.series}/{name}") from None
        text, changed = _choose(text, wanted)
        with tempfile.TemporaryDirectory() as scratch:
            for path in changed:
                os.makedirs(os.path.dirname(os.path.join(scratch, path)), exist_ok=True)
                with open(os.path.join(scratch, path), "w") as f:
                    f.write(brought[path] if path in brought else _read(self.upstream, path))
            done = subprocess.run(["patch", "-d", scratch, "-p1", "-F0", "-s",
                                   "--no-backup-if-mismatch"], input=text, text=True,
                                  capture_output=True, check=False)
            if done.returncode:
                raise Failure(f"{name} does not apply: {done.stdout.strip().splitlines()[0]}")
            for path in changed:
                brought[path] = _read(scratch, path)

    def _without_later(self, brought, number):
        state, later = dict(brought), self.steps[number + 1:]
        for step in reversed(later):
            for path, hunks in step.parts:
                for hunk in hunks if state.get(path) else ():
                    state[path] = take_away(hunk, state[path], f"tools/series/{step.name}: {path}")
        missing = {path for step in later for path in step.files if path.endswith(".c")}
        for path in state:
            if os.path.basename(path) == "Makefile" and path in own_files():
                state[path] = without_objects(state[path], os.path.dirname(path), missing)
        return state


def take_away(hunk, text, where):
    """What a file was before it got a hunk."""
    pattern, before = "", []
    for line in hunk:
        sign, line = line[0], line[1:]
        if sign == "-":
            before.append(line + "\n")
            continue
        this = "(?:.*\n)*?" if line == "..." else re.escape(line) + "\n"
        if sign == " ":
            before.append(None)
            this = f"({this})"
        pattern += this

    def replace(match):
        kept = iter(match.groups())
        return "".join(next(kept) if line is None else line for line in before)

    changed, count = re.subn("^" + pattern, replace, text, flags=re.M)
    if not count:
        raise Failure(f"{where} has no such lines any more:\n\t" + "\n\t".join(hunk))
    return changed


def without_objects(text, folder, missing):
    """A Makefile without the objects of these sources, and without lines that are left empty."""
    def is_missing(word):
        return word.endswith(".o") and os.path.join(folder, word[:-1] + "c") in missing

    lines = []
    for line in re.findall(r"(?:.*\\\n)*.*\n", text):
        words = line.replace("\\\n", " ").split()
        if line.startswith("#") or not any(map(is_missing, words)):
            lines.append(line)
            continue
        words = [word for word in words if not is_missing(word)]
        if len(words) > 2 and words[1] in (":=", "+="):
            lines.append(" \\\n\t".join(textwrap.wrap(" ".join(words), 90,
                                                      break_on_hyphens=False)) + "\n")
    return "".join(lines)

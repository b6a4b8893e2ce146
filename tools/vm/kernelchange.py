"""What differs between the kernel and the overlay, and a git repository of just that.

make-patch writes it as one patch, make-series as many.
"""

import filecmp
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

import paths

AUTHOR = "Free page reporting"
MAIL = "page-reporting@localhost"


class Failure(Exception):
    """Ends the program with one line for the user."""


def source_trees(series):
    """Brings the trees of a series up to date; returns those of upstream and overlay."""
    if not shutil.which("git"):
        raise Failure("git is not installed")
    builder = os.path.join(paths.TOOLS, "build-kernel")
    if subprocess.run([builder, "--source-only", f"overlay-{series}"], check=False).returncode:
        raise Failure("the overlay does not apply")
    source = os.path.join(paths.BUILD, "src", series)
    return os.path.join(source, "upstream"), os.path.join(source, "overlay")


def tree_files(top):
    """path: (device, inode) of a tree's files, less what builds and checks leave there."""
    found = {}
    for directory, names, files in os.walk(top):
        if directory == top:
            names[:] = [name for name in names if not name.startswith("obj")]
            files = [name for name in files if not name.startswith(".checkpatch-")]
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            found[os.path.relpath(path, top)] = (status.st_dev, status.st_ino)
    return found


def changed_files(upstream, overlay):
    """Files that differ.  The overlay is a hard-linked copy: most are the same file."""
    before, after = tree_files(upstream), tree_files(overlay)
    return sorted(path for path in before.keys() | after.keys()
                  if before.get(path) != after.get(path)
                  and not (path in before and path in after and
                           filecmp.cmp(os.path.join(upstream, path),
                                       os.path.join(overlay, path), shallow=False)))


def date():
    """SOURCE_DATE_EPOCH, or else the time of the last commit here."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        done = subprocess.run(["git", "-C", paths.TOP, "log", "-1", "--format=%ct"],
                              capture_output=True, text=True, check=False)
        epoch = done.stdout.strip() or "0"
    return f"@{epoch} +0000"


def lay(tree, changed, repo):
    """Makes repo's work tree hold the changed files as they are in a tree."""
    for path in changed:
        source, target = os.path.join(tree, path), os.path.join(repo, path)
        if os.path.lexists(target):
            os.unlink(target)
        if os.path.lexists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)


@contextmanager
def repository():
    """A scratch repository: its work tree, and a function that runs git in it.

    Whose configuration, clock or name it is changes nothing.
    """
    stamp = date()
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC",
        "GIT_AUTHOR_NAME": AUTHOR, "GIT_AUTHOR_EMAIL": MAIL, "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_NAME": AUTHOR, "GIT_COMMITTER_EMAIL": MAIL, "GIT_COMMITTER_DATE": stamp,
    }
    with tempfile.TemporaryDirectory() as repo:
        def git(*arguments, **options):
            done = subprocess.run(["git", *arguments], cwd=repo, env=environment, text=True,
                                  capture_output=True, check=False, **options)
            if done.returncode:
                said = (done.stderr or done.stdout).strip() or "it failed"
                raise Failure(f"git {arguments[0]}: {said.splitlines()[-1]}")
            return done.stdout

        git("init", "-q")
        yield repo, git

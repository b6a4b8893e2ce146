"""A pytest plugin for tests/coverage: guests run the kernel that counts, and their counts stay.

Each worker adds up its guests' counts in a folder of its own, build/coverage/counts/WORKER.
What a guest counts before a restart or a crash is lost.
"""

import base64
import os
import shutil
import subprocess

import paths
from errors import GuestError
from guest import Guest

KERNEL = os.path.join(paths.kernel_dir("gcov"), "bzImage")
COUNTS = os.path.join(paths.BUILD, "coverage", "counts")
TAKE = r"""
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
cd /sys/kernel/debug/gcov && mkdir /run/gcov && cd .%s || exit 1
for file in mm/page_reporting/*.gcda drivers/virtio/virtio_balloon/*.gcda
do mkdir -p /run/gcov/${file%%/*}; cat $file >/run/gcov/$file
done
tar -C /run/gcov -cz . | base64
"""

_kernel_image = paths.kernel_image
_stop = Guest.stop


def objects():
    return os.path.join(paths.BUILD, "src", paths.SERIES, "overlay", "obj-gcov")


def counting_image(kernel):
    return KERNEL if kernel in ("overlay", "debug") else _kernel_image(kernel)


def add(folder):
    """Adds the counts below a folder to this worker's."""
    total = os.path.join(COUNTS, os.environ.get("PYTEST_XDIST_WORKER", "main"))
    if not os.path.isdir(total):
        shutil.move(folder, total)
        return
    subprocess.run(["gcov-tool", "merge", "-o", total + ".new", total, folder],
                   stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(total)
    os.rename(total + ".new", total)


def stop(guest):
    if guest.alive and guest.image == KERNEL:
        folder = os.path.join(COUNTS, f"of-{os.getpid()}")
        try:
            archive = base64.b64decode(guest.sh(TAKE % objects(), 60))
            os.makedirs(folder)
            subprocess.run(["tar", "-C", folder, "-xz"], input=archive, check=True)
            add(folder)
        except (GuestError, OSError, subprocess.CalledProcessError) as problem:
            print(f"{guest.name}: no counts: {problem}")  # stopped, or busy
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    _stop(guest)


paths.kernel_image = counting_image
Guest.stop = stop

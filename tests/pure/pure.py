#!/usr/bin/python3
"""The pure KUnit suites as one program on the host, under sanitizers, in seconds.

What the engine and the balloon's driver decide by arithmetic needs no guest: the
files are compiled with small shims for the kernel's headers, once for each of the
usual timer frequencies, for times are jiffies there.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(TOP, "build", "pure")
ENGINE = "mm/page_reporting"
DRIVER = "drivers/virtio/virtio_balloon"
# Suites that drive the real allocator or device stay in the kernel.
PATTERNS = (f"{ENGINE}/*policy.c", f"{ENGINE}/pace.c", f"{ENGINE}/request.c", f"{DRIVER}/*policy.c",
            f"{ENGINE}/tests/*policy_kunit.c", f"{ENGINE}/tests/pace_kunit.c",
            f"{ENGINE}/tests/request_kunit.c",
            f"{DRIVER}/*policy_kunit.c", f"{DRIVER}/tests/*policy_kunit.c")
FREQUENCIES = (250, 100, 1000)
FLAGS = ("-std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare "
         "-Wno-missing-field-initializers -fno-strict-aliasing -fwrapv "
         "-fsanitize=address,undefined -fno-sanitize-recover=all "
         "-fno-sanitize=signed-integer-overflow").split()


class BuildError(Exception):
    pass


def sources(top):
    return sorted(path for pattern in PATTERNS for path in glob.glob(os.path.join(top, pattern)))


def empty_headers(top, paths):
    """<linux/...> as the sources name them: the forced header has what is in them."""
    root = os.path.join(OUT, "include")
    for path in paths + glob.glob(os.path.join(top, ENGINE, "*.h")) + \
            glob.glob(os.path.join(top, DRIVER, "*policy.h")):
        with open(path) as f:
            for name in re.findall(r"^#include <(linux/\S+)>", f.read(), re.M):
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                open(os.path.join(root, name), "a").close()
    return root


def compile_one(job):
    top, path, hz, include = job
    out = os.path.join(OUT, str(hz), os.path.relpath(path, top).replace("/", "-") + ".o")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    done = subprocess.run(
        [os.environ.get("CC", "gcc"), *FLAGS, "-D_GNU_SOURCE", f"-DHZ={hz}",
         "-I", include, "-I", HERE, "-include", os.path.join(HERE, "kernel.h"), "-c",
         os.path.relpath(path, top), "-o", out], cwd=top, capture_output=True, text=True,
        check=False)
    if done.returncode or done.stderr:
        raise BuildError(f"{os.path.relpath(path, top)}:\n{done.stderr}")
    return hz, out


def build(top):
    """Returns {HZ: program}."""
    paths = sources(top)
    include = empty_headers(top, paths)
    jobs = [(top, path, hz, include) for hz in FREQUENCIES
            for path in (*paths, os.path.join(HERE, "main.c"))]
    programs = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, jobs))
    for hz in FREQUENCIES:
        programs[hz] = os.path.join(OUT, f"pure-{hz}")
        subprocess.run([os.environ.get("CC", "gcc"), "-fsanitize=address,undefined", "-o",
                        programs[hz], *(out for of, out in objects if of == hz)], check=True)
    return programs


def run(top=TOP):
    """Returns {case: error or None}; a case must pass at each frequency.

    In another tree than this project's: what is there of these files.
    """
    results = {}
    for hz, program in build(top).items():
        done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
        detail = []
        for line in done.stdout.splitlines():
            verdict = re.fullmatch(r"(not )?ok (\S+)", line)
            if not verdict:
                detail.append(line.strip())
                continue
            error = f"HZ={hz}: " + "\n".join(detail) if verdict[1] else None
            results[verdict[2]] = results.get(verdict[2]) or error
            detail = []
        if done.returncode and not any(results.values()):  # a sanitizer ended it
            results["program"] = f"HZ={hz}: it ended with {done.returncode}\n{done.stderr}"
    return results


def main():
    argparse.ArgumentParser(prog="tests/pure/pure.py", description=__doc__.splitlines()[0]).parse_args()
    try:
        results = run()
    except BuildError as error:
        results = {"build": str(error)}
    failed = 0
    for name, error in results.items():
        print(f"{'FAILED' if error else 'ok':7} {name}")
        if error:
            failed += 1
            print("    " + error.strip().replace("\n", "\n    "))
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())

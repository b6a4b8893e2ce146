"""Where things lie in the project's tree."""

import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(TOP, "tools", "vm")
BUILD = os.path.join(TOP, "build")
SERIES = "6.12"
VARIANTS = ("overlay", "upstream", "debug")

GUEST = os.path.join(BUILD, "guest")  # initramfs and what it is made of
GUEST_PROGRAMS = os.path.join(TOP, "tests", "guest")
GUEST_TOOL = os.path.join(TOP, "tools", "page-reporting")
RUNS = os.path.join(BUILD, "vm")  # a directory of logs for each guest started


def kernel_dir(variant):
    return os.path.join(BUILD, "kernel", SERIES, variant)


def kernel_image(variant):
    """The bzImage of one of VARIANTS, or any other bzImage by its path."""
    if variant in VARIANTS:
        return os.path.join(kernel_dir(variant), "bzImage")
    return variant


def made_dir(*parts):
    """Joins parts to a directory's path and makes it."""
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def first_line(path):
    with open(path) as f:
        return f.readline().strip()

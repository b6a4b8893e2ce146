"""Where things lie in the project's tree."""

import os
import re

import arch

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(TOP, "tools", "vm")
BUILD = os.path.join(TOP, "build")
DEFAULT_SERIES = "6.12"
# What a kernel's name means that names no series.
SERIES = os.environ.get("SERIES") or DEFAULT_SERIES
VARIANTS = ("overlay", "upstream", "debug")
# For other machines: only the tests that name them build these.
FOREIGN = tuple(f"overlay-{name}" for name in arch.ARCHS if name != arch.HOST)
# Debian's own kernels with our driver as a module: only the tests that ask for them.
STOCK = ("stock-6.1", "stock-6.12")
SMALL = "run"  # the overlay in a small configuration, for the first make run

GUEST = os.path.join(BUILD, "guest")  # initramfs and what it is made of
GUEST_PROGRAMS = os.path.join(TOP, "tests", "guest")
GUEST_TOOL = os.path.join(TOP, "tools", "page-reporting")
RUNS = os.path.join(BUILD, "vm")  # a directory of logs for each guest started


def series_served():
    """All kernel series that there are patches for, the oldest first."""
    return sorted(os.listdir(os.path.join(TOP, "patches")),
                  key=lambda series: [int(part) for part in series.split(".")])


def other_series():
    """Those that get a short set of the tests, beside all of them on the default one."""
    return [s for s in series_served() if s != SERIES] if SERIES == DEFAULT_SERIES else []


def split_kernel(kernel):
    """("overlay", "7.3") for overlay-7.3; a name without a series is of SERIES."""
    match = re.fullmatch(r"([^/]+)-(\d+\.\d+)", kernel)
    return (match[1], match[2]) if match else (kernel, SERIES)


def is_kernel(kernel):
    """Whether this names a kernel that is built here."""
    variant, series = split_kernel(kernel)
    return kernel in STOCK or (variant in (*VARIANTS, SMALL, *FOREIGN)
                               and series in series_served())


def kernel_dir(kernel):
    variant, series = split_kernel(kernel)
    return os.path.join(BUILD, "kernel", series, variant)


def kernel_image(kernel):
    """The image of a kernel by its name, or any other bzImage by its path."""
    if is_kernel(kernel):
        return os.path.join(kernel_dir(kernel), arch.of_variant(split_kernel(kernel)[0]).image)
    return kernel


def made_dir(*parts):
    """Joins parts to a directory's path and makes it."""
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def first_line(path):
    with open(path) as f:
        return f.readline().strip()

"""What scenarios do with a guest: put load on it, wait for it, read it."""

import contextlib
import dataclasses
import math
import os
import re
import shlex
import signal
import time

import framework
import sampler
from guest import GIB, MIB, Guest, GuestError  # noqa: F401

QUIET = 3  # seconds without a discard after which nothing more is on its way

# Guest time is instructions, one a nanosecond, and leaps forward when the guest
# idles: equal runs give equal counts, whatever the host does, and no wait costs
# any time.  What happens in such a run must be one command: between two, guest
# time leaps too.
ICOUNT = "shift=0,sleep=off"
BOOT_REPORTED = 120  # guest seconds by which any kernel has reported what was free at boot


PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")


def program(name, *arguments):
    """A script of tools/bench/guest as a command for the guest's shell."""
    with open(os.path.join(PROGRAMS, name)) as f:
        return f"set -- {' '.join(shlex.quote(str(word)) for word in arguments)}\n{f.read()}"


def start(scenario, setup, **machine):
    """A guest for one run, to be used in a with statement."""
    return Guest(framework.image(setup.kernel), name=scenario.guest_name(setup), cmdline=setup.cmdline, **machine)


def quiet(guest, seconds=QUIET, timeout=180):
    """Waits until QEMU has discarded nothing for some seconds."""
    begun = time.time()

    def still():
        discards = guest.discards()
        return time.time() - max(begun, discards[-1].time if discards else 0) > seconds

    guest.wait_for(still, timeout, f"no discard for {seconds} s")


def wait_output(guest, job, text, timeout=120):
    """Waits until a running job has printed something; returns when that was."""
    guest.wait_for(lambda: text in job.output or not job.running, timeout, f"'{text}' is printed")
    if text not in job.output:
        raise GuestError(f"ended without '{text}': {job.script}: {job.errors or job.status}")
    return time.time()


@contextlib.contextmanager
def held(guest, mib, options=""):
    """hold --mib in a with statement; at its end all of it is on the free lists."""
    job = guest.spawn(f"exec hold --mib {mib} {options}")
    wait_output(guest, job, "holding")
    try:
        yield job
    finally:
        if guest.alive:
            job.kill(signal.SIGTERM)
    job.check(60)


@dataclasses.dataclass
class Freed:
    """What free_at_once() did: when it was told to, when all was free, how much, and the
    charge before."""
    told: float
    at: float
    bytes: int
    high: int
    output: str


def free_at_once(guest, mib, meanwhile=lambda: None):
    """Has a program hold memory until all is quiet and meanwhile() returns, and ends it."""
    quiet(guest)
    with held(guest, mib) as job:
        quiet(guest)
        meanwhile()
        use = processes_use(guest)
        told = time.time()
    at = time.time()
    high = max(sample.charge for sample in guest.samples(told - 0.5, at))
    return Freed(told, at, use - processes_use(guest), high, job.output)


def qemu_own(guest, kind="Anonymous"):
    """Bytes of QEMU's memory that are not the guest's RAM: translated code and heap; of its
    programs, too, with kind "Rss"."""
    base, own, inside = guest.ram_address(), 0, False
    with open(f"/proc/{guest.pid}/smaps") as f:
        for line in f:
            first = line.split(maxsplit=1)[0]
            if "-" in first:
                start, end = (int(word, 16) for word in first.split("-"))
                inside = start <= base < end
            elif first == f"{kind}:" and not inside:
                own += int(line.split()[1]) * 1024
    return own


def number(output, key):
    """The last number that a program has printed as key=number."""
    found = re.findall(rf"^{key}=(\d+)$", output, re.MULTILINE)
    if not found:
        raise GuestError(f"no {key}= in: {output.strip()[-200:]}")
    return int(found[-1])


def processes_use(guest):
    """Bytes that only processes and tmpfs hold; they are free once these are gone."""
    meminfo = guest.meminfo()
    return meminfo["AnonPages"] + meminfo["PageTables"] + meminfo["Shmem"]


def time_back(guest, since, high, freed, share):
    """Seconds until a share of what was freed is no longer charged; inf if it still is."""
    seconds = sampler.time_to_fall(guest.samples(), since, high, high - freed, share)
    return math.inf if seconds is None else seconds


def wait_back(guest, high, freed, share=0.95, timeout=60):
    """Waits until a share of what was freed is back and no more comes, or time is up."""
    deadline = time.monotonic() + timeout
    while guest.charge() > high - share * freed and time.monotonic() < deadline:
        time.sleep(0.1)
        if not guest.alive:
            raise GuestError(f"the guest died ({guest.console_log})")
    quiet(guest)


def lines(guest, begin, end=math.inf, zero=None, points=400):
    """Charge and RSS over time for a picture: {line: [(seconds, MiB), ...]}."""
    samples = guest.samples(begin, end)
    samples = samples[::max(1, len(samples) // points)]
    zero = begin if zero is None else zero
    return {"charged": [(round(s.time - zero, 3), round(s.charge / MIB, 1)) for s in samples],
            "RSS": [(round(s.time - zero, 3), round(s.rss / MIB, 1)) for s in samples]}


def assert_healthy(guest):
    bad = guest.bad_dmesg()
    if bad:
        raise GuestError(f"the guest's kernel complains: {bad[0]} ({guest.console_log})")

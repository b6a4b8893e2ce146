"""page-reporting trim in a guest: cold page cache goes back, what is in use stays.

Files are holes: reading them fills the page cache as any other, and no disk is slow.
"""

import os
import re
import signal
import time

import pytest

from disks import ext4_disk
from guest import MIB, Guest

CGROUPS = "/sys/fs/cgroup"
USAGE, UNSUPPORTED = 2, 7
STEALS = "pgsteal_kswapd", "pgsteal_direct", "pgsteal_khugepaged", "pgsteal_proactive"


@pytest.fixture
def machine(request, tmp_path, allow_dmesg):
    """machine(memory=MiB, ...) starts a guest with a large empty file system on /files."""
    guests = []

    def start(kernel="overlay", groups=("cold", "warm", "job"), **options):
        name = re.sub(r"\W+", "-", f"test-{request.node.name}").strip("-")
        guest = Guest(kernel, name=name, drives=[ext4_disk(tmp_path, 4096)], **options).start()
        guests.append(guest)
        guest.sh("mkdir -p /files && mount /dev/vda /files && "
                 f"echo +memory >{CGROUPS}/cgroup.subtree_control && cd {CGROUPS} && "
                 f"mkdir {' '.join(groups)}")
        return guest

    yield start
    bad = [line for guest in guests for line in guest.bad_dmesg(allowed=allow_dmesg)]
    for guest in guests:
        guest.stop()
    assert not bad, bad[0]


def within(group, command):
    return f"echo $$ >{CGROUPS}/{group}/cgroup.procs && {command}"


def read_once(guest, group, name, mib):
    guest.sh(f"truncate -s {mib}M /files/{name}; " +
             within(group, f"dd if=/files/{name} of=/dev/null bs=64k"), 120)


def read_warm(guest, name, mib, pause_ms, options=""):
    """A program that reads a file over and over, from before it is cold."""
    guest.sh(f"truncate -s {mib}M /files/{name}")
    job = guest.spawn(within("warm", f"exec warm_read {options} --pause-ms {pause_ms} /files/{name}"),
                      600)
    guest.wait_for(lambda: job.output.count("round") >= 2, 60 + pause_ms // 500, "warm_read reads")
    return job


def rounds(job):
    """(CPU time in us, major faults) of each round."""
    return [(int(us), int(faults)) for us, faults in
            re.findall(r"^round (\d+) (\d+) \d+$", job.output, re.M)]


def stat(guest, group):
    rows = (line.split() for line in guest.read(f"{CGROUPS}/{group}/memory.stat").splitlines())
    return {name: int(value) for name, value in rows}


def stolen(guest):
    now = guest.vmstat()
    return sum(now.get(name, 0) for name in STEALS)


def cached(guest, group):
    now = stat(guest, group)
    return now["inactive_file"] + now["active_file"]


def trim(guest, age, options=""):
    return guest.spawn(f"exec page-reporting trim --age {age} {options}", 900)


def end(job):
    job.kill(signal.SIGTERM)
    job.wait(60)
    return job.output


def test_trim(machine):
    """Cold cache goes back, a warm set stays, nothing happens beside a job at full load."""
    guest = machine(memory=768)
    told = guest.spawn("page-reporting trim --age 1")
    assert told.wait(20) == USAGE and "from 2 to 86400" in told.errors
    warm = read_warm(guest, "warm", 64, 1000)
    read_once(guest, "cold", "cold", 256)
    guest.sh("page-reporting flush --compact")
    high = guest.charge()
    before = stat(guest, "warm")
    job = trim(guest, 4)
    guest.wait_for(lambda: high - guest.charge() > 0.85 * 256 * MIB, 25, "cold cache goes back")
    after = stat(guest, "warm")
    assert after["workingset_refault_file"] == before["workingset_refault_file"]
    assert cached(guest, "warm") > 60 * MIB
    assert cached(guest, "cold") < 0.15 * 256 * MIB

    busy = guest.spawn("exec stress-ng --quiet --cpu 2 --cpu-method loop -t 60")
    read_once(guest, "job", "job", 128)
    time.sleep(1)  # what was begun before the job ran is ended
    begun = stolen(guest)
    time.sleep(7)
    assert stolen(guest) == begun and cached(guest, "job") > 120 * MIB
    busy.kill(signal.SIGTERM)
    guest.wait_for(lambda: cached(guest, "job") < 100 * MIB, 20, "it goes on after the job")
    assert "was not used for 4 s" in end(job)
    warm.kill(signal.SIGTERM)


def note(guest, text):
    """Figures for those who want to see them: build/vm/NAME/figures."""
    with open(os.path.join(guest.log_dir, "figures"), "a") as f:
        f.write(text + "\n")
    return text


def pressure(guest, what):
    """Microseconds in which some task waited."""
    return int(re.search(r"^some .*total=(\d+)", guest.read(f"/proc/pressure/{what}"), re.M)[1])


class Warm:
    """Files that are read over and over, by read() and by a mapping, and what a round costs."""

    def __init__(self, guest, mib, pause_ms):
        self._guest, self._patience = guest, 60 + pause_ms // 1000 * 1.5
        self._jobs = [read_warm(guest, "read", mib, pause_ms),
                      read_warm(guest, "mapped", mib, pause_ms, "--mapped")]

    def seen(self):
        return [len(rounds(job)) for job in self._jobs]

    def more(self, count):
        """The next rounds of each, after those that are under way."""
        begun = [n + 1 for n in self.seen()]
        for job, before in zip(self._jobs, begun):
            self._guest.wait_for(lambda job=job, before=before: len(rounds(job)) >= before + count,
                                 self._patience * (count + 1), "warm_read reads")
        return self.between(begun)

    def between(self, begun):
        return [rounds(job)[before:] for job, before in zip(self._jobs, begun)]


def mean_us(measured):
    return sum(us for us, _ in measured) / len(measured)


@pytest.mark.long
@pytest.mark.kernels("overlay", "upstream", "overlay-6.1", "overlay-7.3")
@pytest.mark.parametrize("lru", ["two lists", "generations"])
def test_cold_goes_and_warm_stays(machine, kernel, lru):
    """1 GiB goes cold beside 256 MiB that are read every 20 s, half of them mapped.

    The guest's clock counts instructions, so that a round's CPU time tells what it ran, and
    a host that is slow makes no difference.  Rounds without the trim are measured before it
    and after it.
    """
    guest = machine(kernel, memory=2048, smp=1, icount="shift=0")
    guest.write("/sys/kernel/mm/lru_gen/enabled", "y" if lru == "generations" else "n")

    def now():
        return float(guest.read("/proc/uptime").split()[0])

    warm = Warm(guest, 128, 20000)
    plain = warm.more(2)
    if kernel != "upstream":
        guest.sh("page-reporting flush --compact")
    read_once(guest, "cold", "cold", 1024)
    begun = now()
    waited = pressure(guest, "memory"), pressure(guest, "cpu")
    refaults = guest.vmstat()["workingset_refault_file"]
    high, seen = guest.charge(), warm.seen()
    job = trim(guest, 60)

    def back():
        # Upstream reports what it is given in its own time, and not all of it.
        if kernel == "upstream":
            return 1 - cached(guest, "cold") / (1024 * MIB)
        return (high - guest.charge()) / (1024 * MIB)

    guest.wait_for(lambda: back() >= 0.5, 300, "half is back")
    half = now() - begun - 60
    guest.wait_for(lambda: back() >= 0.9, 300, "nine tenths are back")
    most = now() - begun - 60
    warm.more(2)
    trimmed = warm.between(seen)
    lasted = now() - begun
    shares = [100 * (pressure(guest, what) - before) / lasted / 1e6
              for what, before in zip(("memory", "cpu"), waited)]
    told = end(job)
    plain = [before + after for before, after in zip(plain, warm.more(2))]
    again = guest.vmstat()["workingset_refault_file"] - refaults
    ratios = [mean_us(with_it) / mean_us(without) for without, with_it in zip(plain, trimmed)]
    told = note(guest, f"{lru}: half after {half:.0f} s, 90 % after {most:.0f} s; warm rounds "
                f"{', '.join(f'{ratio:.3f}' for ratio in ratios)} of those without, {again} pages "
                f"read again; PSI some: memory {shares[0]:.3f} %, cpu {shares[1]:.3f} %\n"
                f"rounds without {plain}\nrounds with {trimmed}\n{told}")
    assert half <= 60 and most <= 180, told
    assert shares[0] < 0.1, told
    assert max(ratios) <= 1.05 and not any(faults for job in trimmed for _, faults in job), told
    assert again == 0, told


@pytest.mark.long
def test_cold_goes_and_warm_stays_in_one_group(machine):
    """The mapped half lies before what is cold in the kernel's queue."""
    guest = machine(memory=1024)
    warm = Warm(guest, 64, 3000)
    read_once(guest, "warm", "cold", 384)
    refaults = guest.vmstat()["workingset_refault_file"]
    begun, seen = time.monotonic(), warm.seen()
    job = trim(guest, 10)
    guest.wait_for(lambda: cached(guest, "warm") < (128 + 40) * MIB, 120, "what is cold goes")
    most = time.monotonic() - begun
    warm.more(5)
    again = guest.vmstat()["workingset_refault_file"] - refaults
    told = end(job)
    told = note(guest, f"cold after 10 s, 90 % gone after {most:.0f} s, {again} pages read again\n"
                f"rounds {warm.between(seen)}\n{told}")
    assert again == 0, told
    assert cached(guest, "warm") >= 127 * MIB, told


@pytest.mark.long
@pytest.mark.parametrize("times", [2, 5])
def test_cache_that_was_used_often_goes_as_well(machine, times):
    """On the active list there is no queue to tell its age: it takes longer."""
    guest = machine(memory=1024)
    guest.sh("truncate -s 512M /files/cold; " +
             within("cold", f"for i in $(seq {times}); do cat /files/cold >/dev/null; done"), 300)
    assert stat(guest, "cold")["active_file"] > 400 * MIB
    job = trim(guest, 6)
    begun = time.monotonic()
    guest.wait_for(lambda: cached(guest, "cold") < 256 * MIB, 90, "half goes")
    half = time.monotonic() - begun
    guest.wait_for(lambda: cached(guest, "cold") < 100 * MIB, 120, "most goes")
    note(guest, f"used {times} times, cold after 6 s: half after {half:.0f} s, most after "
         f"{time.monotonic() - begun:.0f} s\n{end(job)}")


@pytest.mark.long
def test_trim_on_an_upstream_kernel(machine):
    """Nothing of it needs this project's kernel but the flush."""
    guest = machine("upstream", memory=768)
    read_once(guest, "cold", "cold", 256)
    job = trim(guest, 4)
    guest.wait_for(lambda: cached(guest, "cold") < 0.15 * 256 * MIB, 30, "cold cache is taken")
    assert "was not used for 4 s" in end(job) and "no flush" in job.errors

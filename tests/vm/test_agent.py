"""The command channel: what every other test stands on."""

import hashlib
import time

import pytest

from guest import BootError, CommandError, Guest, HostError

pytestmark = pytest.mark.kernels("overlay")


def test_output_and_status(guest):
    job = guest.spawn("echo to-out; echo to-err >&2; exit 7", 30)
    assert job.wait() == 7
    assert (job.output, job.errors) == ("to-out\n", "to-err\n")
    with pytest.raises(CommandError, match="status 7: to-err"):
        guest.sh("echo to-err >&2; exit 7")


def test_every_byte_comes_through(guest):
    job = guest.spawn("head -c 300000 /bin/busybox; head -c 300000 /bin/busybox | md5sum >&2", 60)
    assert job.wait() == 0
    assert hashlib.md5(job.out).hexdigest() == job.errors.split()[0]


def test_a_long_script(guest):
    words = " ".join(f"word{number}" for number in range(3000))
    assert guest.sh(f"echo {words} | wc -w").strip() == "3000"


def test_time_limit(guest):
    begun = time.monotonic()
    job = guest.spawn("sleep 100 & sleep 100", 1)
    assert job.wait() == 128 + 9 and job.late
    assert time.monotonic() - begun < 20
    assert "sleep" not in guest.sh("ps")


def test_signals_and_what_a_daemon_leaves(guest):
    job = guest.spawn("trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done")
    guest.wait_for(lambda: "ready" in job.output, 30, "ready")
    job.kill(15)
    assert job.wait(30) == 3 and "caught" in job.output
    left = guest.spawn("sleep 100 & echo started", 30)
    assert left.wait() == 0 and left.output == "started\n"
    guest.sh("killall sleep")


def test_many_at_once(guest):
    jobs = [guest.spawn(f"sleep 0.5; echo {number}", 60) for number in range(20)]
    assert [job.check().strip() for job in jobs] == [str(number) for number in range(20)]


def test_a_guest_that_cannot_boot(kernel):
    guest = Guest(kernel, name=f"test-no-init-{kernel}", memory=256, cmdline="rdinit=/nonsense")
    with pytest.raises(BootError, match="Kernel panic.*console.log"):
        guest.start()
    assert not guest.alive and guest.cgroup is None


def test_a_kernel_that_is_not_there():
    with pytest.raises(HostError, match="no kernel"):
        Guest("/nonsense/bzImage").start()

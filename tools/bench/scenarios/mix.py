"""A fragmenting day's work with idle phases: what does the host pay over its whole time?"""

import time

import sampler
import workload
from framework import COMPACTED, ORDER_0, ORDER_4, Ratio, Row, Scenario
from workload import GIB, MIB

FILES, JOB = 500, 300  # MiB
# MiB for translated code, which is charged, too, and no hypervisor but an emulator has.
TRANSLATED = 32


def program(idle_ms, files=FILES, job=JOB):
    return (f"mkdir -p /mnt/bench && mount -t tmpfs -o size={2 * files}m bench /mnt/bench && "
            f"exec fragment_mix --dir /mnt/bench --files-mib {files} --job-mib {job} "
            f"--idle-ms {idle_ms}")


def surplus(guest):
    """Bytes the host is charged for the guest's RAM beyond what the guest uses of it."""
    meminfo = guest.meminfo()
    used = meminfo["MemTotal"] - meminfo["MemFree"]
    return guest.charge() - workload.qemu_own(guest, "Rss") - used


class Mix(Scenario):
    rows = (
        Row("mean", "mean charge", "MiB", Ratio(0.65)),
        Row("footprint", "charge x time", "GiB s"),
        Row("footprint_rss", "RSS x time", "GiB s"),
        Row("surplus", "charged minus used at the end", "MiB", Ratio(0.05)),
        Row("charged", "charged at the end", "MiB"),
        Row("faults", "QEMU's minor faults", "", Ratio(1.3)),
        Row("seconds", "run time without the idle phases (wall)", "s"),
        Row("moved", "pages moved", "pages"),
    )

    def __init__(self, name, memory, files, job, others=(), quick=0):
        self.name = name
        self.title = (f"{files} MiB of small files, a job of {job} MiB, forks; idle; 80 % of the "
                      f"files removed; idle; in {memory // 1024} GiB")
        self.others = others
        self.repetitions = 2 if quick else 1
        self.quick_repetitions = quick
        self._memory, self._files, self._job = memory, files, job

    def run(self, setup, quick):
        idle = 20 if quick else 40
        with workload.start(self, setup, memory=self._memory, tb_size=TRANSLATED) as guest:
            workload.quiet(guest)
            always = surplus(guest)  # the kernel's image and the like
            moved, faults = guest.vmstat()["pgmigrate_success"], guest.minor_faults()
            job = guest.spawn(program(idle * 1000, self._files, self._job))
            begun = workload.wait_output(guest, job, "work")
            self._idles(guest, setup, job, 1)
            self._idles(guest, setup, job, 2)
            ended = workload.wait_output(guest, job, "done", idle + 60)
            job.check(10)
            samples = guest.samples(begun, ended)
            workload.assert_healthy(guest)
            footprint = sampler.footprint(samples)
            return {
                "mean": footprint / (samples[-1].time - samples[0].time) / MIB,
                "footprint": footprint / GIB,
                "footprint_rss": sampler.footprint(
                    [s._replace(charge=s.rss) for s in samples]) / GIB,
                "surplus": (surplus(guest) - always) / MIB,
                "charged": samples[-1].charge / MIB,
                "faults": guest.minor_faults() - faults,
                "seconds": workload.number(job.output, "work_ns") / 1e9,
                "moved": guest.vmstat()["pgmigrate_success"] - moved,
                "series": workload.lines(guest, begun, ended),
            }

    @staticmethod
    def _idles(guest, setup, job, phase):
        """Waits for an idle phase, and compacts in it if that is asked for."""
        guest.wait_for(lambda: job.output.count("idle\n") >= phase or not job.running, 300,
                       "the mix idles")
        if setup.compact:
            time.sleep(2)
            guest.write("/proc/sys/vm/compact_memory", 1)


class RunTime(Scenario):
    """Its run time in instructions, where evacuation and reporting compete with it."""

    name = "mix-cost"
    title = "The mix in 2 GiB: its run time in instructions"
    exact = True
    repetitions = quick_repetitions = 1
    rows = (Row("ms", "run time without the idle phases", "ms", Ratio(1.02)),)

    def run(self, setup, quick):
        with workload.start(self, setup, memory=2048, smp=1, icount=workload.ICOUNT) as guest:
            job = guest.spawn(f"sleep {workload.BOOT_REPORTED}; {program(30000)}")
            job.check(300)
            workload.assert_healthy(guest)
            return {"ms": workload.number(job.output, "work_ns") / 1e6}


SCENARIOS = [
    Mix("mix", 2048, FILES, JOB, (COMPACTED, ORDER_4, ORDER_0), quick=1),
    # What a kernel and a hypervisor need for themselves counts for less here.
    Mix("mix-4g", 4096, 3 * FILES, 3 * JOB),
    RunTime(),
]

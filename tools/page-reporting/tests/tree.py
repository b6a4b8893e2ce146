"""Makes trees of /sys and /proc as the tool finds them in a guest."""

import os
import shutil

KIB, MIB = 1 << 10, 1 << 20
COUNTERS = "sys/kernel/mm/page_reporting"
SYSCTLS = "proc/sys/vm/page_reporting_"
DEVICE = "sys/bus/virtio/devices/virtio0"
HYPERV = "sys/bus/vmbus/devices/1eccfd72-4b41-45ef-b73a-4a6e44c12924"

# A guest of 1 GiB with 600 MiB reported, 100 MiB waiting, 24 MiB in pieces.
VALUES = {
    "reported_bytes_total": 3 * 1024 * MIB, "reported_bytes": 600 * MIB,
    "dirty_bytes": 140 * MIB, "in_flight_bytes": 0, "requests": 321, "elements": 1234,
    "host_us": 60000, "request_limit_bytes": 64 * MIB,
    "reused": 400, "reused_soon": 0, "reused_avoidable": 7, "errors": 0, "stalls": 0,
    "tight": 3, "passes": 88, "drains": 4, "last_pass_us": 1500, "flushes": 2,
    "last_flush_us": 2500000, "last_flush_left_bytes": 0, "resyncs": 1,
    "stranded_bytes": 24 * MIB, "blocked_bytes": 8 * MIB, "evacuated": 11,
    "evacuate_failed": 2, "evacuate_moved_pages": 999, "evacuate_cpu_us": 45000,
    "evacuate_left_unmovable": 3, "evacuate_left_metadata": 0, "evacuate_left_pinned": 1,
    "evacuate_left_locked": 0, "evacuate_left_no_target": 0, "evacuate_left_raced": 2,
}
MEMINFO = {
    "MemTotal": 1000, "MemFree": 724, "MemAvailable": 800, "Buffers": 4, "Cached": 100,
    "SwapCached": 0, "AnonPages": 60, "Shmem": 10, "SReclaimable": 12, "SUnreclaim": 18,
    "KernelStack": 2, "PageTables": 3, "SecPageTables": 0, "Percpu": 1,
}
BUDDYINFO = """\
Node 0, zone      DMA      0      0      0      0      0      0      0      0      0      0      1
Node 0, zone    DMA32   1024   1024   1024      1      0      0      0      0      1      2    173
"""
# 24 MiB less 1 MiB + 32 KiB in pieces: the counts above give 4 + 8 + 16 MiB + 32 KiB + 1 MiB.
PIECES = 29 * MIB + 32 * KIB
WHOLE = (4 + 2 * 2 + 173 * 4) * MIB
ZONEINFO = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 1
  pages free     3840
        boost    0
        min      66
        low      82
        high     98
        managed  3840
        protection: (0, 958, 958)
      nr_free_cma  0
  pagesets
    cpu: 0
              count:    0
              high:     0
Node 0, zone    DMA32
  pages free     181504
        boost    0
        min      1000
        low      1250
        high     1500
        managed  252160
        protection: (0, 0, 0)
      nr_free_cma  0
  pagesets
    cpu: 0
              count:    256
              high:     378
    cpu: 1
              count:    256
              high:     378
Node 0, zone   Movable
  pages free     0
        high     32
"""


class Tree:
    def __init__(self, path):
        self.path = str(path)
        for name, value in VALUES.items():
            self.put(f"{COUNTERS}/{name}", value)
        for name, value in {"delay_ms": 700, "threshold_kbytes": 4096, "evacuate": 1,
                            "pause": 0, "order": 9, "flush": ""}.items():
            self.put(SYSCTLS + name, value)
        self.put("sys/module/page_reporting/parameters/page_reporting_order", 9)
        self.put("proc/sys/kernel/osrelease", "6.12.0-overlay")
        self.put("proc/cmdline", "console=ttyS0 panic=-1")
        self.put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme\n")
        self.meminfo()
        self.put("proc/buddyinfo", BUDDYINFO)
        self.put("proc/zoneinfo", ZONEINFO)
        self.device("0x0005", "001001")
        for name, value in {"actual_bytes": 0, "target_bytes": 0, "state": "idle"}.items():
            self.put(f"{DEVICE}/balloon/{name}", value)

    def put(self, name, content):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else f"{content}\n".encode())

    def remove(self, name):
        path = os.path.join(self.path, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def counter(self, name, value):
        self.put(f"{COUNTERS}/{name}", value)

    def meminfo(self, **changed):
        """In MiB."""
        self.put("proc/meminfo", "\n".join(f"{name}:{value * 1024:12d} kB" for name, value in
                                           {**MEMINFO, **changed}.items()) + "\nHugePages_Free: 0")

    def device(self, kind, features, driver="virtio_balloon", status="0x0000000f"):
        """features: the characters of the first bits."""
        self.put(f"{DEVICE}/device", kind)
        self.put(f"{DEVICE}/status", status)
        self.put(f"{DEVICE}/features", features.ljust(64, "0"))
        link = os.path.join(self.path, DEVICE, "driver")
        if os.path.islink(link):
            os.unlink(link)
        if driver:
            os.symlink(f"../../../../bus/virtio/drivers/{driver}", link)

    def upstream(self):
        self.remove(COUNTERS)
        for name in ("delay_ms", "threshold_kbytes", "evacuate", "pause", "order", "flush"):
            self.remove(SYSCTLS + name)
        self.remove(f"{DEVICE}/balloon")

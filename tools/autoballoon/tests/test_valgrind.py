"""A session of the daemon under valgrind, with a guest of each kind; make valgrind."""

import os
import signal

import pytest

from daemon import Daemon
from fake_vmms import MIB, Bridge, CloudHypervisor, Firecracker


@pytest.mark.skipif("AUTOBALLOON_VALGRIND" not in os.environ, reason="for make valgrind")
def test_a_session_under_valgrind(tmp_path, fleet):
    """No error and no leak: guests come, are asked and sized, lose their sessions and go."""
    qemu = fleet.add("qemu")
    with Bridge(tmp_path / "libvirt/x.sock") as bridge, \
            Firecracker(tmp_path / "fc/x.sock") as firecracker, \
            CloudHypervisor(tmp_path / "ch/x.sock") as cloud:
        daemon = Daemon(tmp_path, {
            "daemon": {"libvirt-sockets": f"{tmp_path}/libvirt/*.sock", "lock-memory": "no",
                       "firecracker-sockets": f"{tmp_path}/fc/*.sock",
                       "cloud-hypervisor-sockets": f"{tmp_path}/ch/*.sock",
                       "metrics-file": f"{tmp_path}/metrics"},
            "policy": {"amounts": "wiki-2013-06"}})
        daemon.prefix = os.environ["AUTOBALLOON_VALGRIND"].split()
        daemon.start()
        names = "qemu", "web", "anonymous-instance", "x"
        daemon.wait_ready(*names, timeout=60)
        daemon.ctl("inject", "critical")
        daemon.wait(lambda: all(daemon.guest(name)["takes"] for name in names), 60, "takes")
        for words in ("status",), ("doctor",), ("metrics",), ("plan", "low"), ("why", "web"):
            daemon.ctl(*words, check=False)
        daemon.ctl("set", "web", "900M", "--wait")
        daemon.ctl("reserve", str(64 << 40), "--timeout", "2s")
        daemon.process.send_signal(signal.SIGHUP)
        for fake in qemu, bridge, firecracker, cloud:
            fake.drop()
        daemon.wait(lambda: len(daemon.events("disconnected")) >= 4, 60, "ends of sessions")
        daemon.wait_ready(*names, timeout=60)
        os.unlink(qemu.path)
        qemu.drop()
        daemon.wait(lambda: daemon.guest("qemu") is None, 60, "end of a guest")
        assert bridge.actual == 900 * MIB
        daemon.process.terminate()
        assert daemon.process.wait(60) == 0, daemon.log()[-4000:]

"""doctor names the true cause: QEMUs set up so that ballooning cannot work."""

import contextlib
import time
import pytest

import qemu

DEVICE = ["-device", "virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on"]


def causes(daemon, name):
    """The problems found, once QEMU has been asked for everything."""
    def known():
        guest = daemon.guest(name)
        return guest and guest["connected"] and guest["run_state"] in ("running", "paused",
                                                                      "prelaunch")
    daemon.wait(known)
    return {what for what, finding in daemon.findings(name).items()
            if finding["severity"] == "problem"}


def wait_causes(daemon, name, wanted):
    daemon.wait(lambda: causes(daemon, name) == wanted, what=f"causes {wanted}")


@contextlib.contextmanager
def huge_pages(count):
    path = "/proc/sys/vm/nr_hugepages"
    before = open(path).read()
    try:
        with open(path, "w") as f:
            f.write(str(count))
        if int(open(path).read()) < count:
            pytest.fail("the host has no memory for huge pages")
        yield
    finally:
        with open(path, "w") as f:
            f.write(before)


def test_reporting_not_offered(run, bare):
    bare("vm", "-device", "virtio-balloon-pci")
    assert "reporting-not-offered" in causes(run(), "vm")


def test_no_balloon_device(run, bare):
    bare("vm")
    wait_causes(run(), "vm", {"no-device"})


def test_no_driver(run, bare):
    bare("vm", *DEVICE)
    wait_causes(run(), "vm", {"no-driver"})


def test_paused(run, bare):
    bare("vm", "-S", *DEVICE)
    wait_causes(run(), "vm", {"paused", "no-driver"})


def test_locked_memory(run, bare):
    bare("vm", *DEVICE, "-overcommit", "mem-lock=on")
    wait_causes(run(), "vm", {"mem-lock", "no-driver"})


def test_hugetlb(run, bare):
    with huge_pages(160):
        bare("vm", *DEVICE, "-machine", "memory-backend=m0",
             "-object", "memory-backend-memfd,id=m0,size=256M,hugetlb=on,hugetlbsize=2M")
        wait_causes(run(), "vm", {"hugetlb", "no-driver"})


def test_second_client(run, bare, place):
    import qmp
    bare("vm", *DEVICE)
    path = f"{place}/guests/vm.qmp"
    daemon = None
    first, deadline = None, time.monotonic() + 20
    while not first and time.monotonic() < deadline:
        with contextlib.suppress(qmp.QmpError):
            first = qmp.Qmp(path)
    try:
        daemon = run()
        daemon.wait(lambda: "second-client" in
                    {f["what"] for f in daemon.ask("doctor")["findings"]}, 20)
    finally:
        first.close()
    daemon.wait(lambda: daemon.guest("vm") and daemon.guest("vm")["connected"], 40)


def test_nothing_wrong(run, boot):
    guest = boot("vm", balloon="free-page-reporting=on,deflate-on-oom=on")
    daemon = run()
    daemon.wait_ready(guest.daemon_name)
    assert causes(daemon, guest.daemon_name) == set()


@pytest.mark.long
@pytest.mark.parametrize("name", qemu.NEWER)
def test_nothing_wrong_with_a_newer_qemu(run, boot, name):
    """QEMU 11 must not be asked what makes it end."""
    guest = boot("vm", balloon="free-page-reporting=on,deflate-on-oom=on", qemu=name)
    daemon = run()
    daemon.wait_ready(guest.daemon_name)
    assert causes(daemon, guest.daemon_name) == set()
    assert guest.alive

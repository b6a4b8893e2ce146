"""page-reporting tune in a guest: the granule follows the size of the host's pages."""

import pytest

from guest import Guest

ORDER = "/proc/sys/vm/page_reporting_order"


def tune(guest):
    told = guest.sh("page-reporting tune", 120)
    assert not guest.bad_dmesg()
    return told, guest.read_int(ORDER)


@pytest.mark.kernels("overlay")
def test_granule_follows_the_hosts_pages(kernel):
    with Guest(kernel, name=f"test-tune-small-{kernel}", memory=512, huge_pages=False) as guest:
        told, order = tune(guest)
        if "tells nothing" in told or "huge pages" in told:
            assert order == 9, told
            pytest.skip(f"a host so fast that it cannot be told: {told}")
        assert order == 4 and "pages are small" in told, told
        told, order = tune(guest)
        assert order == 4 and "stays 64.0 KiB" in told, told
        guest.write(ORDER, 6)
        told, order = tune(guest)
        assert order == 6 and "stays 256.0 KiB" in told, told
        assert "host's cost" in guest.sh("page-reporting status")


@pytest.mark.kernels("overlay")
def test_huge_pages_are_not_split(kernel):
    """Even where an earlier host had small ones."""
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as f:
        if "[never]" in f.read():
            pytest.skip("this host gives nobody huge pages")
    with Guest(kernel, name=f"test-tune-huge-{kernel}", memory=512) as guest:
        guest.write(ORDER, 4)
        told, order = tune(guest)
        assert order == 9 and "huge pages" in told, told

"""Memory of files that are gone comes back, whatever the file system holds of them."""

import pytest

from disks import ext4_disk
from guest import MIB, Guest, WaitTimeout

DIRECTORIES = 100
LARGE = 3  # MiB, a file in each


@pytest.fixture
def ext4(kernel, tmp_path):
    """A guest whose journal holds metadata that lies between the pages of files."""
    disk = ext4_disk(tmp_path, 1024)
    with Guest(kernel, name=f"test-files-{kernel}", memory=1024,
               drives=[(disk, "cache=unsafe")]) as guest:
        guest.sh("mkdir -p /d && mount -t ext4 /dev/vda /d", 60)
        guest.sh(f"i=0; while [ $i -lt {DIRECTORIES} ]; do i=$((i + 1)); mkdir -p /d/$i/large;"
                 "files --dir /d/$i --count 10 --kib 1;"
                 f"files --dir /d/$i/large --count 1 --kib {LARGE * 1024}; done; sync", 180)
        yield guest
        assert not guest.bad_dmesg()


@pytest.mark.better(long=True)
@pytest.mark.kernels("overlay")
def test_removed_files_come_back_though_the_journal_holds_metadata(ext4):
    """On a guest that rests nothing makes it let go."""
    guest = ext4
    high = guest.charge()
    guest.sh("rm -rf /d/*/large; sync", 60)
    held = [int(line.split()[1]) for line in guest.read("/proc/slabinfo").splitlines()
            if line.startswith("jbd2_journal_head")][0]
    assert held > 200, "the journal holds nothing"

    def back():
        return (high - guest.charge()) // MIB
    try:
        guest.wait_for(lambda: back() > 0.9 * LARGE * DIRECTORIES, 25, "most of it is back")
    except WaitTimeout:
        pass
    print(f"{back()} of {LARGE * DIRECTORIES} MiB are back; the journal holds {held} blocks")
    assert back() > 0.9 * LARGE * DIRECTORIES

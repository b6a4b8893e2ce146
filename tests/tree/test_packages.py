"""The Debian packages: what lintian says of them, and what is in that of the driver.

The guest kernel's are in tests/vm/test_packages.py.
"""

import os
import re
import subprocess

import pytest

import paths

pytestmark = pytest.mark.long


def succeed(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with all of them."""
    folder = tmp_path_factory.mktemp("deb")
    succeed("make", "-s", "-C", paths.TOP, "deb-tools", f"DEB={folder}")
    return folder


def test_lintian_has_no_error(packages):
    changes, = packages.glob("*.changes")
    print(succeed("lintian", "--allow-root", "--fail-on=error", changes))


def test_dkms_gets_all_that_the_driver_is_made_of(packages, tmp_path):
    deb, = packages.glob("virtio-balloon-dkms_*_all.deb")
    succeed("dpkg-deb", "-x", deb, tmp_path)
    folder, = (tmp_path / "usr" / "src").iterdir()
    staged = tmp_path / "staged"
    name, _, version = folder.name.rpartition("-")
    succeed(os.path.join(paths.TOP, "dkms", "stage"), version, staged)
    succeed("diff", "-r", staged, folder)
    conf = (folder / "dkms.conf").read_text()
    assert f'PACKAGE_NAME="{name}"' in conf and f'PACKAGE_VERSION="{version}"' in conf
    # No test of ours goes there, and nothing that is in no makefile.
    objects = re.findall(r"\b(?!virtio_balloon\.o)(\w+)\.o\b",
                         re.sub("tests/.*", "", (folder / "Makefile").read_text()))
    assert {path.stem for path in folder.glob("*.c")} == set(objects)

"""The Debian packages: what lintian says of them, and what is in that of the driver.

The guest kernel's are in tests/vm/test_guest_packages.py.
"""

import os
import re
import subprocess

import pytest

import paths

CONFIGURE = [os.path.join(paths.TOOLS, "build-kernel"), "--config-only", "package-6.12"]


def succeed(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def configured(*lines, tmp_path):
    """What is said of these options for the guest kernel; nothing if it can have them."""
    extra = tmp_path / "extra.config"
    extra.write_text("\n".join(lines) + "\n")
    done = subprocess.run(CONFIGURE, env={**os.environ, "EXTRA_CONFIG": str(extra)},
                          capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(done.stderr), done.stderr
    return done.stderr


@pytest.mark.long
def test_the_guest_kernel_has_what_is_asked_for(tmp_path):
    """And what cannot be had is named: what there is not, and what something else brings back."""
    folder = os.path.join(paths.BUILD, "src", "6.12", "overlay", "obj-package")
    said = configured("CONFIG_NO_SUCH=y", "# CONFIG_PAGE_REPORTING is not set", tmp_path=tmp_path)
    assert "CONFIG_NO_SUCH=y" in said and "no CONFIG_PAGE_REPORTING" in said
    assert "CONFIG_PCI" not in said
    assert "my words" in configured("my words", tmp_path=tmp_path)
    assert not configured("CONFIG_NFS_FS=m", "# CONFIG_BONDING is not set", tmp_path=tmp_path)
    with open(os.path.join(folder, ".config")) as f:
        assert {"CONFIG_NFS_FS=m\n", "# CONFIG_BONDING is not set\n"} <= set(f)
    subprocess.run(CONFIGURE, check=True)
    with open(os.path.join(folder, ".config")) as f:
        assert "CONFIG_BONDING=m\n" in f


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with all of them."""
    folder = tmp_path_factory.mktemp("deb")
    succeed("make", "-s", "-C", paths.TOP, "deb-tools", f"DEB={folder}")
    return folder


@pytest.mark.long
def test_lintian_has_no_error(packages):
    changes, = packages.glob("*.changes")
    print(succeed("lintian", "--allow-root", "--fail-on=error", changes))


@pytest.mark.long
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

"""The Debian packages: built, and without complaint from lintian."""

import glob
import os
import shutil
import subprocess

import pytest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))

pytestmark = [
    pytest.mark.skipif(not os.environ.get("AUTOBALLOON_LONG"), reason="takes half a minute"),
    pytest.mark.skipif(not shutil.which("dh") or not shutil.which("lintian"),
                       reason="needs debhelper and lintian"),
]


@pytest.fixture(scope="module")
def packages():
    subprocess.run(["make", "-s", "-C", TOP, "deb-tools"], check=True, capture_output=True)
    return {os.path.basename(p).split("_")[0]: p for p in glob.glob(f"{TOP}/build/deb/*.deb")}


def test_lintian(packages):
    done = subprocess.run(["lintian", "--fail-on", "warning", "--allow-root",
                           *packages.values()], capture_output=True, text=True)
    assert done.returncode == 0 and "W:" not in done.stdout, done.stdout


def test_service_is_started_and_its_places_are_made_before(packages, tmp_path):
    subprocess.run(["dpkg-deb", "-e", packages["autoballoon"], str(tmp_path)], check=True)
    text = (tmp_path / "postinst").read_text()
    order = [text.index(word) for word in ("systemd-sysusers", "systemd-tmpfiles", "_dh_action")]
    assert order == sorted(order)
    assert "/etc/autoballoon.conf" in (tmp_path / "conffiles").read_text()
    # Removal stops the service and leaves the sockets of running guests.
    for name in "prerm", "postrm":
        assert "/run/autoballoon" not in (tmp_path / name).read_text()

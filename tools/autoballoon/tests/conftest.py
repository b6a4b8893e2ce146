"""What the daemon's tests share."""

import os

import pytest

from fake_qemu import Fleet


@pytest.fixture
def fleet(tmp_path):
    os.makedirs(tmp_path / "guests", exist_ok=True)
    with Fleet(tmp_path / "guests") as fleet:
        yield fleet

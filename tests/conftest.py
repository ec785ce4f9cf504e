"""What tests of several folders share."""

import os
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of so many bytes; skipped where mounting is not ours to do."""
    mounted = []

    def make(size):
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        if (
            os.geteuid()
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
                capture_output=True,
                check=False,
            ).returncode
        ):
            pytest.skip("needs the right to mount a small file system")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)

"""What tests of data share."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

HOLD = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def held_open():
    """Has another process hold an HDF5 file open for writing, within a block."""

    @contextmanager
    def hold(path):
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout.readline() == b"open\n"
            yield
            other.stdin.close()

    return hold

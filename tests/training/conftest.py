"""What tests of training share."""

import pytest
import torch

from widthwise.training import device


@pytest.fixture
def in_this_process(monkeypatch):
    """Lets a program run here: allocator and compiler stay as they are, and subnormal numbers are kept afterwards."""
    monkeypatch.setattr(device, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(device, "leave_compiler_out", lambda: None)
    yield
    torch.set_flush_denormal(False)

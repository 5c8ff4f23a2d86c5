"""A user's own networks: the worked examples, factories that tests write, and small runs of both."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
from settings import ROOT, small_run

from widthwise.study.architecture import Task
from widthwise.study.code_digest import code_digest
from widthwise.study.settings import FactorySettings, RunSettings

FOLDER = ROOT / "config/examples"
# Each worked example, with a task that it can serve.
EXAMPLES = {
    "resnet_2d": Task(3, (1, 9, 8)),
    "cnn_1d": Task(3, (2, 32)),
    "mlp": Task(3, (1, 10)),
    "wrapped_mobilenet": Task(4, (3, 12, 16)),
}
FLAT = Task(2, (1, 6))
# A network of FLAT, in which a test writes something else.
NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.first = nn.Linear(6, width)
        self.last = nn.Linear(width, classes)
        INIT

    def forward(self, x):
        x = x.flatten(1)
        FORWARD
        return self.last(self.first(x).relu())


def build(width, *, classes, shape):
    BUILD
    return Net(width, classes)
"""


def example_factory(name: str) -> str:
    """The factory of a worked example."""
    return f"{FOLDER / name}.py:build"


def write_factory(folder: Path, init: str = "pass", forward: str = "pass", build: str = "pass") -> str:
    """Writes NETWORK with these statements to a file; returns the factory."""
    return save_factory(folder, NETWORK.replace("INIT", init).replace("FORWARD", forward).replace("BUILD", build))


def save_factory(folder: Path, text: str) -> str:
    """Writes a file with a function `build`; returns the factory."""
    path = folder / "network.py"
    path.write_text(text)
    return f"{path}:build"


def own_network(factory: str, **changes: Any) -> FactorySettings:
    """Settings of a factory's network; `changes` are what differs from the least."""
    code = code_digest(Path(factory.rpartition(":")[0]))
    least = FactorySettings(
        width=4,
        depth=None,
        factory=factory,
        code=code,
        options={},
        initialisation="as_built",
        initial_std=0.05,
        precision="float32",
    )
    return replace(least, **changes)


def own_run(factory: str, *, network: Mapping[str, Any] = {}, **changes: Any) -> RunSettings:
    """A small run of a factory's network; `changes` as in `small_run`."""
    return replace(small_run(**changes), network=own_network(factory, **network))


def arrays_of(task: Task, *, samples: int = 24) -> dict[str, numpy.ndarray]:
    """A dataset of noise for this task, the same in every call."""
    generator = numpy.random.default_rng(7)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}/images"] = generator.standard_normal((samples, *task.shape), dtype=numpy.float32)
        arrays[f"{split}/labels"] = (numpy.arange(samples) % task.classes).astype(numpy.uint8)
    return arrays

"""What a run costs before it is started: seconds and memory from the network, the data and the steps.

Of the data it is told the `extent`, as dataset.json has it: `cube_side`, and `class_counts` of each split.

The reference speed is what the benchmark fitted to widths 2 to 26 on one core of an AMD EPYC with AVX-512; another
machine differs by a factor, which whoever asks a scheduler for them must allow for. It must not import torch: the
workflow asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from widthwise.study.architecture import Layer, network_layers, output_voxels, parameter_count, training_flops

SHAPE = ("width", "stages", "multipliers", "kernel_size")
STARTUP_SECONDS = 4.0
# Interpreter and libraries; tensors as large as all outputs that a step holds; weights, gradients, Adam's moments, and
# a checkpoint of three of them.
BASE_MB = 380
COPIES_OF_OUTPUTS = 3
COPIES_OF_WEIGHTS = 7
FILES_MB = 0.1
KEPT_COPIES_OF_WEIGHTS = 4
# Cubes are mapped from the file. More memory than this is not asked for to keep them in: they are read again.
MOST_CUBES_MB = 8000


@dataclass(frozen=True)
class Work:
    """A run's, in samples trained on: one that is only measured counts as a third, being forward only."""

    parameters: int
    layers: int
    flops_per_sample: int
    samples: float


@dataclass(frozen=True)
class Speed:
    """Of training on one sample: a part for every layer, and the rest at the rate of the arithmetic."""

    seconds_per_layer: float
    flops_per_second: float

    def seconds_per_sample(self, layers: int, flops_per_sample: float) -> float:
        """Also of arrays, element by element."""
        return self.seconds_per_layer * layers + flops_per_sample / self.flops_per_second

    def training_seconds(self, work: Work) -> float:
        """A run's updates and evaluations. `work` may be a table: then of each row."""
        return work.samples * self.seconds_per_sample(work.layers, work.flops_per_sample)

    def seconds(self, work: Work) -> float:
        """The same, and the start of its process."""
        return STARTUP_SECONDS + self.training_seconds(work)


REFERENCE = Speed(1.94e-4, 8.15e10)


def layers_of(network: Mapping[str, Any], classes: int) -> list[Layer]:
    """The layers of a resolved network."""
    return network_layers(**{key: network[key] for key in SHAPE}, classes=classes)


def run_work(settings: Mapping[str, Any], extent: Mapping[str, Any]) -> Work:
    """What a run of these resolved settings has to do."""
    training, evaluation = settings["training"], settings["evaluation"]
    cubes = {split: sum(counts) for split, counts in extent["class_counts"].items()}
    steps_per_epoch = cubes["train"] // training["batch_size"]
    updates = training["epochs"] * steps_per_epoch * training["batch_size"]
    evaluations = steps_per_epoch.bit_length() + training["epochs"] * evaluation["per_epoch"]
    measured = evaluations * evaluation["probe_size"] + cubes["test"]
    network, classes = settings["network"], len(extent["class_counts"]["train"])
    layers = layers_of(network, classes)
    return Work(
        parameters=parameter_count(**{key: network[key] for key in (*SHAPE, "normalisation")}, classes=classes),
        layers=len(layers),
        flops_per_sample=training_flops(layers, extent["cube_side"]),
        samples=updates + measured / 3,
    )


def run_memory_mb(settings: Mapping[str, Any], extent: Mapping[str, Any]) -> float:
    """The peak of resident memory of a run, or of what else is done with its network, in MB."""
    side, counts = extent["cube_side"], extent["class_counts"]
    layers = layers_of(settings["network"], len(counts["train"]))
    cubes_mb = 4 * sum(map(sum, counts.values())) * side**3 / 1e6
    probe = settings["evaluation"]["probe_size"] * side**3
    outputs = sum(layer.outputs * voxels for layer, voxels in zip(layers, output_voxels(layers, side), strict=True))
    batch = max(settings["training"].get("batch_size", 0), settings["evaluation"]["batch_size"])
    weights = sum(layer.weights for layer in layers)
    numbers = probe + COPIES_OF_OUTPUTS * batch * outputs + COPIES_OF_WEIGHTS * weights
    return BASE_MB + min(cubes_mb, MOST_CUBES_MB) + 4 * numbers / 1e6


def run_disk_mb(work: Work) -> float:
    """What a finished run keeps, in MB: its weights, and a checkpoint of them and Adam's moments."""
    return FILES_MB + 4 * KEPT_COPIES_OF_WEIGHTS * work.parameters / 1e6

"""What a run costs before it is started: seconds and memory from the network, the data and the steps.

Measured on the default study (widths 2 to 26 on one core of an AMD EPYC with AVX-512); another machine differs by a
factor, which whoever asks a scheduler for them must allow for. It must not import torch: the workflow asks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from widthwise.architecture import Layer, network_layers, output_voxels, training_flops

# Of a training step on one cube: a part for every convolution, and the rest at the rate of the arithmetic.
SECONDS_PER_LAYER = 4.0e-4
FLOPS_PER_SECOND = 7.5e10
STARTUP_SECONDS = 6.0
# Interpreter and libraries; tensors as large as all outputs that a step holds; weights, gradients, Adam's moments, and
# a checkpoint of three of them.
BASE_MB = 380
COPIES_OF_OUTPUTS = 3
COPIES_OF_WEIGHTS = 7


def layers_of(network: Mapping[str, Any], classes: int = 2) -> list[Layer]:
    """The layers of a resolved network."""
    shape = {key: network[key] for key in ("width", "stages", "multipliers", "kernel_size")}
    return network_layers(**shape, classes=classes)


def seconds_per_cube(layers: Sequence[Layer], side: int) -> float:
    """Of one training step, a cube of the batch."""
    return SECONDS_PER_LAYER * len(layers) + training_flops(layers, side) / FLOPS_PER_SECOND


def run_seconds(settings: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    """A whole run: its updates, its evaluations (forward only, a third), and its start."""
    training, evaluation = settings["training"], settings["evaluation"]
    steps_per_epoch = dataset["train_cubes"] // training["batch_size"]
    updates = training["epochs"] * steps_per_epoch * training["batch_size"]
    evaluations = steps_per_epoch.bit_length() + training["epochs"] * evaluation["per_epoch"]
    measured = (evaluations * evaluation["probe_size"] + dataset["test_cubes"]) / 3
    return STARTUP_SECONDS + (updates + measured) * seconds_per_cube(
        layers_of(settings["network"]), dataset["cube_side"]
    )


def run_memory_mb(settings: Mapping[str, Any], dataset: Mapping[str, Any]) -> float:
    """A run's peak of resident memory, in MB."""
    side, layers = dataset["cube_side"], layers_of(settings["network"])
    cubes = (dataset["train_cubes"] + dataset["test_cubes"] + settings["evaluation"]["probe_size"]) * side**3
    outputs = sum(layer.outputs * voxels for layer, voxels in zip(layers, output_voxels(layers, side), strict=True))
    batch = max(settings["training"]["batch_size"], settings["evaluation"]["batch_size"])
    weights = sum(layer.weights for layer in layers)
    numbers = cubes + COPIES_OF_OUTPUTS * batch * outputs + COPIES_OF_WEIGHTS * weights
    return BASE_MB + 4 * numbers / 1e6

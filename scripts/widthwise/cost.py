"""What a run costs before it is started: seconds and memory from the network, the data and the steps.

Of the data it is told the `extent`, as dataset.json has it: `cube_side`, and `class_counts` of each split.

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
# Cubes are mapped from the file. More memory than this is not asked for to keep them in: they are read again.
MOST_CUBES_MB = 8000


def layers_of(network: Mapping[str, Any], classes: int) -> list[Layer]:
    """The layers of a resolved network."""
    shape = {key: network[key] for key in ("width", "stages", "multipliers", "kernel_size")}
    return network_layers(**shape, classes=classes)


def seconds_per_cube(layers: Sequence[Layer], side: int) -> float:
    """Of one training step, a cube of the batch."""
    return SECONDS_PER_LAYER * len(layers) + training_flops(layers, side) / FLOPS_PER_SECOND


def run_seconds(settings: Mapping[str, Any], extent: Mapping[str, Any]) -> float:
    """A whole run: its updates, its evaluations (forward only, a third), and its start."""
    training, evaluation = settings["training"], settings["evaluation"]
    cubes = {split: sum(counts) for split, counts in extent["class_counts"].items()}
    steps_per_epoch = cubes["train"] // training["batch_size"]
    updates = training["epochs"] * steps_per_epoch * training["batch_size"]
    evaluations = steps_per_epoch.bit_length() + training["epochs"] * evaluation["per_epoch"]
    measured = (evaluations * evaluation["probe_size"] + cubes["test"]) / 3
    layers = layers_of(settings["network"], len(extent["class_counts"]["train"]))
    return STARTUP_SECONDS + (updates + measured) * seconds_per_cube(layers, extent["cube_side"])


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

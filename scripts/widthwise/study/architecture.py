"""The built-in network as arithmetic: layers, parameter counts, floating-point operations, depths.

The one place that says which layers a width gives: the workflow plans with it, and `model.network` builds its modules
from the same list.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from widthwise.study.settings import FactorySettings, NetworkSettings, canonical_json


@dataclass(frozen=True)
class Task:
    """What a network must know of its data: the number of classes, and a sample's shape (channels, *spatial)."""

    classes: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Self:
        """The task of a dataset, from its summary as dataset/{draw}.json has it."""
        return cls(len(summary["class_counts"]["train"]), tuple(summary["shape"]))

    @property
    def channels(self) -> int:
        """Numbers in each voxel."""
        return self.shape[0]

    @property
    def sides(self) -> tuple[int, ...]:
        """Voxels along each spatial axis."""
        return self.shape[1:]

    @property
    def numbers(self) -> int:
        """Numbers in a sample."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Complexity:
    """What training one network costs, apart from the number of samples.

    Attributes:
        parameters: trainable numbers.
        layers: convolutions and linear layers.
        flops_per_sample: floating-point operations of a training step on one sample.
        kept_per_sample: numbers that a training step keeps in memory for one sample, at most.
    """

    parameters: int
    layers: int
    flops_per_sample: int
    kept_per_sample: int


@dataclass(frozen=True)
class Layer:
    """One weight layer: a convolution with a kernel of equal sides, or the linear head (`kernel_size` 1)."""

    name: str
    inputs: int
    outputs: int
    kernel_size: int
    dimensions: int
    stride: int = 1

    @property
    def weights(self) -> int:
        """Entries of the kernel, without biases."""
        return self.outputs * self.fan_in

    @property
    def fan_in(self) -> int:
        """Inputs of one output: entries of one filter."""
        return self.inputs * self.kernel_size**self.dimensions

    @property
    def fan_out(self) -> int:
        """Outputs of one input."""
        return self.outputs * self.kernel_size**self.dimensions


def layers_of(network: NetworkSettings, task: Task) -> list[Layer]:
    """The weight layers, first to last: stage i holds `stages[i]` convolutions with `multipliers[i] * width` filters.

    Every stage but the first starts with a convolution of stride 2, which halves the sides (rounding up). The last
    layer is the linear head, after global average pooling.
    """
    layers, inputs, dimensions = [], task.channels, len(task.sides)
    for stage, (count, multiplier) in enumerate(zip(network.stages, network.multipliers, strict=True), start=1):
        for position in range(1, count + 1):
            stride = 2 if stage > 1 and position == 1 else 1
            name = f"stage{stage}_convolution{position}"
            layers.append(Layer(name, inputs, multiplier * network.width, network.kernel_size, dimensions, stride))
            inputs = multiplier * network.width
    return [*layers, Layer("head", inputs, task.classes, kernel_size=1, dimensions=dimensions)]


def parameter_count(network: NetworkSettings, task: Task) -> int:
    """Trainable parameters: kernels, the scale and shift of each normalised filter, and the head's biases.

    A convolution followed by batch normalisation has no bias, since the shift would absorb it; one without
    normalisation has.
    """
    *convolutions, head = layers_of(network, task)
    per_filter = 2 if network.normalisation == "batch" else 1
    return sum(layer.weights + per_filter * layer.outputs for layer in convolutions) + head.weights + head.outputs


# Tensors as large as all layers' outputs that a training step holds at once.
COPIES_OF_OUTPUTS = 3


def complexity_of(
    network: NetworkSettings | FactorySettings, task: Task, networks: Mapping[str, Any] | None = None
) -> Complexity:
    """What training a network on this task costs; `networks` is the content of networks.json, for a user's own."""
    if isinstance(network, FactorySettings):
        return Complexity(**networks[network_key(network)]["complexity"])
    return built_in_complexity(network, task)


def network_key(network: FactorySettings) -> str:
    """The key of a user's own network in networks.json: networks that differ in nothing else cost the same."""
    return canonical_json({"width": network.width, "depth": network.depth, "options": network.options})


@cache  # most runs of a study share their networks
def built_in_complexity(network: NetworkSettings, task: Task) -> Complexity:
    """What training the built-in network costs."""
    layers = layers_of(network, task)
    outputs = sum(
        layer.outputs * voxels for layer, voxels in zip(layers, output_voxels(layers, task.sides), strict=True)
    )
    return Complexity(
        parameter_count(network, task), len(layers), training_flops(layers, task.sides), COPIES_OF_OUTPUTS * outputs
    )


def output_voxels(layers: Sequence[Layer], sides: Sequence[int]) -> list[int]:
    """Voxels of each layer's output for a sample with these sides; the head's output is one."""
    voxels = []
    for layer in layers:
        sides = [] if layer.name == "head" else [-(-side // layer.stride) for side in sides]
        voxels.append(math.prod(sides))
    return voxels


def training_flops(layers: Sequence[Layer], sides: Sequence[int]) -> int:
    """Floating-point operations of one training step on one sample with these sides.

    Two for each weight and output voxel, three times over: forward, and backward to inputs and to weights.
    """
    return 3 * sum(
        2 * layer.weights * voxels for layer, voxels in zip(layers, output_voxels(layers, sides), strict=True)
    )


def stages_of_depth(depth: int, stages: Sequence[int]) -> tuple[int, ...]:
    """Stages in the proportions of `stages`, with `depth` weight layers in all, the head included.

    Largest remainders; every stage keeps at least one convolution. Raises ValueError where that cannot be.
    """
    convolutions = depth - 1
    if convolutions < len(stages):
        raise ValueError(f"depth {depth}: at least {len(stages) + 1} are needed for {len(stages)} stages")
    shares = [convolutions * count / sum(stages) for count in stages]
    counts = [max(1, int(share)) for share in shares]
    while sum(counts) != convolutions:
        direction = 1 if sum(counts) < convolutions else -1
        index = max(
            (i for i in range(len(counts)) if counts[i] + direction >= 1),
            key=lambda i: direction * (shares[i] - counts[i]),
        )
        counts[index] += direction
    return tuple(counts)

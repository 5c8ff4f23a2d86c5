"""The built-in network as arithmetic: layers, parameter counts, floating-point operations, depths.

The one place that says which layers a width gives: the workflow plans with it, and `model.network` builds its modules
from the same list.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from widthwise.study.settings import NetworkSettings


@dataclass(frozen=True)
class Layer:
    """One weight layer: a convolution with a cubic kernel, or the linear head (`kernel_size` 1)."""

    name: str
    inputs: int
    outputs: int
    kernel_size: int
    stride: int = 1

    @property
    def weights(self) -> int:
        """Entries of the kernel, without biases."""
        return self.outputs * self.fan_in

    @property
    def fan_in(self) -> int:
        """Inputs of one output: entries of one filter."""
        return self.inputs * self.kernel_size**3

    @property
    def fan_out(self) -> int:
        """Outputs of one input."""
        return self.outputs * self.kernel_size**3


def layers_of(network: NetworkSettings, classes: int) -> list[Layer]:
    """The weight layers, first to last: stage i holds `stages[i]` convolutions with `multipliers[i] * width` filters.

    Every stage but the first starts with a convolution of stride 2, which halves the side (rounding up). The last
    layer is the linear head, after global average pooling.
    """
    layers, inputs = [], 1
    for stage, (count, multiplier) in enumerate(zip(network.stages, network.multipliers, strict=True), start=1):
        for position in range(1, count + 1):
            stride = 2 if stage > 1 and position == 1 else 1
            name = f"stage{stage}_convolution{position}"
            layers.append(Layer(name, inputs, multiplier * network.width, network.kernel_size, stride))
            inputs = multiplier * network.width
    return [*layers, Layer("head", inputs, classes, kernel_size=1)]


def parameter_count(network: NetworkSettings, classes: int) -> int:
    """Trainable parameters: kernels, the scale and shift of each normalised filter, and the head's biases.

    A convolution followed by batch normalisation has no bias, since the shift would absorb it; one without
    normalisation has.
    """
    *convolutions, head = layers_of(network, classes)
    per_filter = 2 if network.normalisation == "batch" else 1
    return sum(layer.weights + per_filter * layer.outputs for layer in convolutions) + head.weights + head.outputs


def output_voxels(layers: Sequence[Layer], side: int) -> list[int]:
    """Voxels of each layer's output for a cube of `side` voxels a side; the head's output is one."""
    voxels = []
    for layer in layers:
        side = 1 if layer.name == "head" else -(-side // layer.stride)
        voxels.append(side**3)
    return voxels


def training_flops(layers: Sequence[Layer], side: int) -> int:
    """Floating-point operations of one training step on one cube of `side` voxels a side.

    Two for each weight and output voxel, three times over: forward, and backward to inputs and to weights.
    """
    return 3 * sum(
        2 * layer.weights * voxels for layer, voxels in zip(layers, output_voxels(layers, side), strict=True)
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

"""The 3D-CNN of the question: convolution, normalisation and LeakyReLU, about twenty times over.

Input (B, 1, D, H, W) float32, output (B, classes) logits. Stages halve the side (25, 13, 7, 4); after the
last, global average pooling and a linear head. Every layer's filters are a fixed multiple of the width, which
is the only thing that a study of width changes. It must not know seeds, losses or optimisers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from widthwise.architecture import Layer, convolution_layers, head_layer
from widthwise.initialisation import initialise


def convolution_block(
    layer: Layer,
    *,
    normalisation: str,
    normalisation_momentum: float,
    normalisation_epsilon: float,
    negative_slope: float,
) -> nn.Sequential:
    """Convolution, batch normalisation unless `normalisation` is "none", LeakyReLU.

    (B, inputs, D, H, W) -> (B, outputs, D / stride, H / stride, W / stride), rounded up.
    """
    normalised = normalisation == "batch"
    block = nn.Sequential()
    block.convolution = nn.utils.skip_init(
        nn.Conv3d,
        layer.inputs,
        layer.outputs,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.kernel_size // 2,
        bias=not normalised,
    )
    if normalised:
        block.normalisation = nn.BatchNorm3d(
            layer.outputs, eps=normalisation_epsilon, momentum=normalisation_momentum
        )
    block.activation = nn.LeakyReLU(negative_slope, inplace=True)
    return block


class Network(nn.Module):
    """The network at one width. Weights are drawn from `generator`: same state, same weights."""

    def __init__(
        self,
        *,
        width: int,
        classes: int,
        stages: Sequence[int],
        multipliers: Sequence[int],
        kernel_size: int,
        normalisation: str,
        normalisation_momentum: float,
        normalisation_epsilon: float,
        negative_slope: float,
        initialisation: str,
        initial_std: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        convolutions = convolution_layers(
            width=width, stages=stages, multipliers=multipliers, kernel_size=kernel_size
        )
        head = head_layer(width=width, multipliers=multipliers, classes=classes)
        self.features = nn.Sequential()
        for layer in convolutions:
            block = convolution_block(
                layer,
                normalisation=normalisation,
                normalisation_momentum=normalisation_momentum,
                normalisation_epsilon=normalisation_epsilon,
                negative_slope=negative_slope,
            )
            self.features.add_module(layer.name, block)
        self.head = nn.utils.skip_init(nn.Linear, head.inputs, head.outputs)
        self.layers = [*convolutions, head]
        modules = [*(block.convolution for block in self.features), self.head]
        for layer, module in zip(self.layers, modules, strict=True):
            initialise(
                module.weight,
                module.bias,
                layer,
                scheme=initialisation,
                initial_std=initial_std,
                generator=generator,
            )
        # NDHWC is what the CPU's convolutions compute in: 1.3 to 1.7 times as fast as NCDHW here.
        self.to(memory_format=torch.channels_last_3d)

    @property
    def kernels(self) -> list[nn.Parameter]:
        """The weights that the penalty covers: convolution and head kernels, no biases, no BatchNorm."""
        return [*(block.convolution.weight for block in self.features), self.head.weight]

    @property
    def parameter_count(self) -> int:
        """Trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, D, H, W)."""
        features = self.features(images)  # (B, C, D, H, W)
        return self.head(features.mean(dim=(2, 3, 4)))  # (B, classes)

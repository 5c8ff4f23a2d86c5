"""The 3D-CNN of the question: convolution, normalisation and activation, about twenty times over.

Input (B, 1, D, H, W) float32, output (B, classes) logits. Stages halve the side (25, 13, 7, 4); after the
last, global average pooling and a linear head. Every layer's filters are a fixed multiple of the width. It
must not know seeds, losses or optimisers.

Under the maximal update parametrisation (`mup`; Yang et al. 2022, Tensor Programs V, Table 8) the head's input
is divided by width / base width; the rest of it is the optimiser's. At the base width both parametrisations are
the same network. The head's initial variance stays the scheme's, where the table has one that does not shrink with
width: start the head at zero, as the catalogue's circumstances under mup do.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from widthwise.model.initialisation import initialise, initialise_head
from widthwise.model.normalisation import BatchNorm
from widthwise.study.architecture import Layer, network_layers


class ConvolutionBlock(nn.Module):
    """Convolution, batch normalisation unless `normalisation` is "none", activation.

    (B, inputs, D, H, W) -> (B, outputs, D / stride, H / stride, W / stride), rounded up.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        normalisation: str,
        normalisation_momentum: float,
        normalisation_epsilon: float,
        activation: str,
        negative_slope: float,
    ) -> None:
        super().__init__()
        normalised = normalisation == "batch"
        self.convolution = nn.utils.skip_init(
            nn.Conv3d,
            layer.inputs,
            layer.outputs,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.kernel_size // 2,
            bias=not normalised,
        )
        self.normalisation = (
            BatchNorm(layer.outputs, eps=normalisation_epsilon, momentum=normalisation_momentum)
            if normalised
            else nn.Identity()
        )
        self.activation = make_activation(activation, negative_slope)

    def forward(self, images: Tensor, earlier: Tensor | None = None) -> Tensor:
        """The block's output; `earlier` features, if given, are added before the activation."""
        features = self.normalisation(self.convolution(images))
        if earlier is not None:
            features = features + shortcut(earlier, features.shape)
        return self.activation(features)


def make_activation(name: str, negative_slope: float) -> nn.Module:
    """The activation; `negative_slope` is LeakyReLU's. Raises ValueError for a name that it does not know."""
    match name:
        case "leaky_relu":
            return nn.LeakyReLU(negative_slope, inplace=True)
        case "relu":
            return nn.ReLU(inplace=True)
        case "elu":
            return nn.ELU(inplace=True)
        case "gelu":
            return nn.GELU()
    raise ValueError(f"activation {name!r}: allowed are leaky_relu, relu, elu, gelu")


def shortcut(features: Tensor, shape: torch.Size) -> Tensor:
    """`features` in another shape without parameters: subsampled, and padded with empty filters.

    He et al. 2015 (Deep Residual Learning), option A.
    """
    stride = -(-features.shape[-1] // shape[-1])
    subsampled = features[..., ::stride, ::stride, ::stride]
    return nn.functional.pad(subsampled, (0, 0, 0, 0, 0, 0, 0, shape[1] - features.shape[1]))


class Network(nn.Module):
    """The network at one width. Weights are drawn from `generator`: same state, same weights.

    `residual` adds a parameter-free shortcut around every two convolutions after the first; `dropout` is the share
    of pooled features left out in training; `precision` "bfloat16" computes so by autocast, on float32 weights.
    """

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
        activation: str,
        negative_slope: float,
        initialisation: str,
        initial_std: float,
        head_initialisation: str,
        parametrisation: str,
        base_width: int,
        residual: bool,
        dropout: float,
        precision: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.layers = network_layers(
            width=width, stages=stages, multipliers=multipliers, kernel_size=kernel_size, classes=classes
        )
        *convolutions, head = self.layers
        self.residual = residual
        self.precision = precision
        self.width_ratio = width / base_width if parametrisation == "mup" else 1.0
        self.blocks = nn.ModuleList(
            ConvolutionBlock(
                layer,
                normalisation=normalisation,
                normalisation_momentum=normalisation_momentum,
                normalisation_epsilon=normalisation_epsilon,
                activation=activation,
                negative_slope=negative_slope,
            )
            for layer in convolutions
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.utils.skip_init(nn.Linear, head.inputs, head.outputs)
        scheme = {"scheme": initialisation, "initial_std": initial_std, "generator": generator}
        for layer, block in zip(convolutions, self.blocks, strict=True):
            initialise(block.convolution.weight, block.convolution.bias, layer, **scheme)
        initialise_head(self.head.weight, self.head.bias, head, head_initialisation, **scheme)
        # NDHWC is what the CPU's convolutions compute in: 1.3 to 1.7 times as fast as NCDHW here.
        self.to(memory_format=torch.channels_last_3d)

    def on(self, device: torch.device) -> "Network":
        """The network, on the device in the layout that is fast there."""
        layout = torch.contiguous_format if device.type == "cuda" else torch.channels_last_3d
        return self.to(device).to(memory_format=layout)

    @property
    def kernels(self) -> list[nn.Parameter]:
        """The weights that the penalty covers: convolution and head kernels, no biases, no BatchNorm."""
        return [*(block.convolution.weight for block in self.blocks), self.head.weight]

    @property
    def parameter_count(self) -> int:
        """Trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes), float32 in either precision, of images (B, 1, D, H, W)."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            pooled = self.features(images).mean(dim=(2, 3, 4))  # (B, C)
            return self.head(self.dropout(pooled) / self.width_ratio).float()

    def features(self, images: Tensor) -> Tensor:
        """The last stage's output (B, C, D, H, W)."""
        features = earlier = self.blocks[0](images)
        for position, block in enumerate(self.blocks[1:]):
            if position % 2 == 0:
                earlier = features
            ends_a_pair = self.residual and position % 2 == 1
            features = block(features, earlier if ends_a_pair else None)
        return features

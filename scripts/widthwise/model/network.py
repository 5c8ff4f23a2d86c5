"""The post's 3D-CNN as a plain module: convolution, normalisation and activation, about twenty times over.

Input (B, 1, D, H, W) float32, output (B, classes) logits. Stages halve the side (25, 13, 7, 4). After the last come
global average pooling and a linear head. The filters of every layer are a fixed multiple of the width. Initial weights,
the parametrisation, precision and memory layout are passes over the module, outside it (see `build`).
"""

import torch
from torch import Tensor, nn

from widthwise.model.normalisation import BatchNorm
from widthwise.study.architecture import Layer, layers_of
from widthwise.study.settings import NetworkSettings


class ConvolutionBlock(nn.Module):
    """Convolution, batch normalisation unless `normalisation` is "none", activation.

    (B, inputs, D, H, W) -> (B, outputs, D / stride, H / stride, W / stride), rounded up. The kernel is left undrawn.
    """

    def __init__(self, layer: Layer, settings: NetworkSettings) -> None:
        super().__init__()
        normalised = settings.normalisation == "batch"
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
            BatchNorm(layer.outputs, eps=settings.normalisation_epsilon, momentum=settings.normalisation_momentum)
            if normalised
            else nn.Identity()
        )
        self.activation = make_activation(settings.activation, settings.negative_slope)

    def forward(self, images: Tensor, earlier: Tensor | None = None) -> Tensor:
        """The block's output; `earlier` features, if given, are added before the activation."""
        features = self.normalisation(self.convolution(images))
        if earlier is not None:
            features = features + shortcut(earlier, features.shape)
        return self.activation(features)


def make_activation(name: str, negative_slope: float) -> nn.Module:
    """The activation; `negative_slope` is LeakyReLU's. Raises ValueError for an unknown name."""
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
    """Brings `features` into another shape without parameters: subsampled, and padded with empty filters.

    He et al. 2015 (Deep Residual Learning), option A.
    """
    stride = -(-features.shape[-1] // shape[-1])
    subsampled = features[..., ::stride, ::stride, ::stride]
    return nn.functional.pad(subsampled, (0, 0, 0, 0, 0, 0, 0, shape[1] - features.shape[1]))


class Network(nn.Module):
    """The network at one width, with kernels left undrawn.

    `residual` adds a parameter-free shortcut around every two convolutions after the first. `dropout` is the share of
    pooled features that training leaves out.
    """

    def __init__(self, settings: NetworkSettings, classes: int) -> None:
        super().__init__()
        self.layers = layers_of(settings, classes)
        *convolutions, head = self.layers
        self.residual = settings.residual
        self.blocks = nn.ModuleList(ConvolutionBlock(layer, settings) for layer in convolutions)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.utils.skip_init(nn.Linear, head.inputs, head.outputs)

    @property
    def parameter_count(self) -> int:
        """Trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, D, H, W)."""
        return self.head(self.dropout(self.pooled(images)))

    def pooled(self, images: Tensor) -> Tensor:
        """The last stage's output, averaged over voxels: (B, C)."""
        return self.features(images).mean(dim=(2, 3, 4))

    def features(self, images: Tensor) -> Tensor:
        """The last stage's output (B, C, D, H, W)."""
        features = earlier = self.blocks[0](images)
        for position, block in enumerate(self.blocks[1:]):
            if position % 2 == 0:
                earlier = features
            ends_a_pair = self.residual and position % 2 == 1
            features = block(features, earlier if ends_a_pair else None)
        return features

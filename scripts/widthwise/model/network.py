"""The post's 3D-CNN as a plain module: convolution, normalisation and activation, about twenty times over.

Input (B, C, *spatial) float32 with one to three spatial axes, output (B, classes) logits. Stages halve the sides (25,
13, 7, 4). After the last come global average pooling and a linear head. The filters of every layer are a fixed multiple
of the width. Initial weights, the parametrisation, precision and memory layout are passes over the module, outside it
(see `build`).
"""

import torch
from torch import Tensor, nn

from widthwise.model.folding import Convolution, cut, joined, many, pieces_that_pay
from widthwise.model.normalisation import BatchNorm
from widthwise.study.architecture import Layer, Task, layers_of
from widthwise.study.settings import NetworkSettings

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: Convolution}


class ConvolutionBlock(nn.Module):
    """Convolution, batch normalisation unless `normalisation` is "none", activation.

    (B, inputs, *sides) -> (B, outputs, *sides / stride), rounded up.
    """

    def __init__(self, layer: Layer, settings: NetworkSettings) -> None:
        super().__init__()
        normalised = settings.normalisation == "batch"
        self.convolution = CONVOLUTIONS[layer.dimensions](
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

    def forward(self, images: Tensor, earlier: Tensor | None = None, pieces: int = 1) -> Tensor:
        """The block's output; `earlier` features, if given, are added before the activation."""
        features = self.convolution(images) if pieces == 1 else self.convolution(images, pieces)
        slope = getattr(self.activation, "negative_slope", 0)
        # The backward pass reads the input's sign off the output, so the slope must be positive.
        if earlier is None and isinstance(self.normalisation, BatchNorm) and slope > 0 and torch.is_grad_enabled():
            return self.normalisation(features, slope)
        features = self.normalisation(features)
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
    strides = [-(-side // to) for side, to in zip(features.shape[2:], shape[2:], strict=True)]
    subsampled = features[(..., *(slice(None, None, stride) for stride in strides))]
    return nn.functional.pad(subsampled, (*[0, 0] * len(strides), 0, shape[1] - features.shape[1]))


class Network(nn.Module):
    """The network at one width; `initialisation` draws its kernels anew.

    `residual` adds a parameter-free shortcut around every two convolutions after the first; `dropout` is the share of
    pooled features that training leaves out.
    """

    def __init__(self, settings: NetworkSettings, task: Task) -> None:
        super().__init__()
        self.layers = layers_of(settings, task)
        *convolutions, head = self.layers
        self.residual = settings.residual
        self.blocks = nn.ModuleList(ConvolutionBlock(layer, settings) for layer in convolutions)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(head.inputs, head.outputs)

    @property
    def last_of_pairs(self) -> list[ConvolutionBlock]:
        """The normalised blocks whose output a shortcut is added to."""
        ends = self.blocks[2::2] if self.residual else []
        return [block for block in ends if not isinstance(block.normalisation, nn.Identity)]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, *spatial)."""
        return self.head(self.dropout(self.pooled(images)))

    def pooled(self, images: Tensor) -> Tensor:
        """The last stage's output, averaged over voxels: (B, C)."""
        return self.features(images).mean(dim=tuple(range(2, images.dim())))

    def features(self, images: Tensor) -> Tensor:
        """The last stage's output (B, filters, *spatial)."""
        pieces = self.pieces(images)
        features = images if pieces == 1 else cut(images, pieces)
        earlier = None
        for position, (block, layer) in enumerate(zip(self.blocks, self.layers, strict=False)):
            if pieces > 1 and layer.stride > 1:
                features, pieces = joined(features, pieces), 1
            ends_a_pair = self.residual and position % 2 == 0 and position > 0
            if position % 2 == 1:
                earlier = features
            features = block(features, earlier if ends_a_pair else None, pieces)
        return features if pieces == 1 else joined(features, pieces)

    def pieces(self, images: Tensor) -> int:
        """Into how many pieces rows are cut for the first stage's convolutions."""
        first = self.blocks[0].convolution
        if self.residual or not isinstance(first, Convolution) or not first.is_common(images) or not many(images):
            return 1
        return pieces_that_pay(images.shape[-1], first.out_channels)

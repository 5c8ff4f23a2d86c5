"""3D convolutions that are fast with few filters too.

A vector register holds 16 numbers, and a convolution computes its outputs 16 filters at a time: with 2 filters, 14 of
16 results are thrown away. Here the voxels of a row act as more channels of a 2D convolution with a banded kernel: it
holds the 3D kernel once for each voxel of the row, and zeros. The longer the row, the more zeros; so long rows are cut
into pieces, which act as more samples of the batch (`cut`, `joined`), and a convolution gives each piece the voxels on
either side, its halo. In the channels-last layout, rows and pieces are read as they lie.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from widthwise.model.normalisation import MANY_VOXELS

LANES = 16
# Shorter pieces would be copied for their halos more than they gain.
SHORTEST = 4
# Cutting pays up to this share of the vector operations without.
SHARE = 0.8
# Where torch's gradients are slow: the input's of a strided convolution of up to so many inputs, and the weight's in
# volumes of up to such sides.
STRIDED_INPUTS = 3
TINY = 2


def vectors(filters: int) -> int:
    """The vector registers that one voxel's filters take."""
    return math.ceil(filters / LANES)


def pieces_that_pay(side: int, filters: int) -> int:
    """Into how many pieces to cut rows of `side` voxels for convolutions with so many filters, or 1."""
    operations = {
        pieces: (side // pieces + 2) * vectors(side // pieces * filters) * pieces
        for pieces in range(2, side // SHORTEST + 1)
        if side % pieces == 0
    }
    best = min(operations, key=operations.__getitem__, default=1)
    uncut = side * min(vectors(side * filters), 3 * vectors(filters))
    return best if best > 1 and operations[best] <= SHARE * uncut else 1


def cut(features: Tensor, pieces: int) -> Tensor:
    """(B, C, D, H, W) -> (pieces x B, C, D, H, W / pieces)."""
    return torch.cat(features.chunk(pieces, dim=4))


def joined(features: Tensor, pieces: int) -> Tensor:
    """The inverse of `cut`, channels-last."""
    rows = torch.cat(as_rows(features).permute(0, 2, 3, 1).chunk(pieces), dim=3)
    return as_volumes(rows.permute(0, 3, 1, 2), features.shape[1])


def many(features: Tensor) -> bool:
    """Whether there are enough voxels in these features (B, C, *sides) for folding."""
    return features.numel() // features.shape[1] >= MANY_VOXELS


class Convolution(nn.Conv3d):
    """The same as `nn.Conv3d`, up to rounding, for images whose rows are cut into `pieces` too."""

    def forward(self, features: Tensor, pieces: int = 1) -> Tensor:
        """(B, C, *sides) -> (B, O, *sides / stride), rounded up."""
        if pieces > 1 or self.folds_rows(features):
            convolved = FoldedConvolution.apply(features, self.weight, pieces)
        elif self.is_slow_backward(features):
            convolved = PlainConvolution.apply(features, self.weight, self.stride[0])
        else:
            return super().forward(features)
        return convolved if self.bias is None else convolved + self.bias.view(-1, 1, 1, 1)

    def is_common(self, features: Tensor) -> bool:
        """Whether the functions below apply: to a kernel of 3, in float32, on the CPU."""
        in_float = features.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return in_float and not features.is_cuda and self.kernel_size == (3, 3, 3)

    def folds_rows(self, features: Tensor) -> bool:
        """Whether a convolution of whole rows is faster."""
        pays = vectors(features.shape[-1] * self.out_channels) <= 3 * vectors(self.out_channels)
        return pays and self.stride[0] == 1 and many(features) and self.is_common(features)

    def is_slow_backward(self, features: Tensor) -> bool:
        """Whether torch is slow in one of the gradients."""
        if self.stride[0] == 1:
            slow = max(features.shape[2:]) <= TINY
        else:
            slow = self.in_channels <= STRIDED_INPUTS and many(features)
        return slow and self.is_common(features)


class FoldedConvolution(torch.autograd.Function):
    """A 3D convolution with a kernel of 3, padding 1 and stride 1, as a 2D one."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, pieces: int) -> Tensor:
        """(B, C, D, H, W) and (O, C, 3, 3, 3) -> (B, O, D, H, W)."""
        rows = with_halos(features, pieces) if pieces > 1 else as_rows(features)
        kernel = banded(weight, features.shape[-1], halo=pieces > 1)
        ctx.pieces = pieces
        ctx.save_for_backward(rows, weight, kernel)
        return as_volumes(nn.functional.conv2d(rows, kernel, padding=1), weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of features and weight."""
        rows, weight, kernel = ctx.saved_tensors
        halo, side = ctx.pieces > 1, gradient.shape[-1]
        of_rows, of_kernel = convolution_gradients(
            as_rows(gradient), rows, kernel, 1, [ctx.needs_input_grad[0] and not halo, True]
        )
        if ctx.needs_input_grad[0] and halo:
            # From outputs to inputs, the kernel is mirrored.
            mirrored = banded(weight.flip(2, 3, 4).transpose(0, 1), side, halo=True)
            of_rows = nn.functional.conv2d(with_halos(gradient, ctx.pieces), mirrored, padding=1)
        of_features = None if of_rows is None else as_volumes(of_rows, weight.shape[1])
        return of_features, summed_band(of_kernel, weight.shape, halo=halo), None


class PlainConvolution(torch.autograd.Function):
    """torch's 3D convolution with a kernel of 3 and padding 1, with a faster gradient where torch's is slow.

    With a stride, that is the input's, here of a 2D convolution of whole rows. In tiny volumes it is the weight's.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int) -> Tensor:
        """(B, C, *sides) and (O, C, 3, 3, 3) -> (B, O, *sides / stride), rounded up."""
        ctx.stride = stride
        ctx.save_for_backward(features, weight)
        return nn.functional.conv3d(features, weight, stride=stride, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of features and weight."""
        features, weight = ctx.saved_tensors
        stride, wanted = ctx.stride, ctx.needs_input_grad[0]
        if stride == 1:
            of_features, _ = convolution_gradients(gradient, features, weight, 1, [wanted, False])
            return of_features, weight_gradient(gradient, features), None
        _, of_weight = convolution_gradients(gradient, features, weight, stride, [False, True])
        kernel = banded(weight, features.shape[-1], stride)
        of_rows, _ = convolution_gradients(as_rows(gradient), as_rows(features), kernel, stride, [wanted, False])
        return as_volumes(of_rows, features.shape[1]) if wanted else None, of_weight, None


def weight_gradient(gradient: Tensor, features: Tensor) -> Tensor:
    """The gradient of a kernel (O, C, 3, 3, 3), from the output's: its product with each voxel's neighbourhood."""
    padded = nn.functional.pad(features.movedim(1, -1), (0, 0, 1, 1, 1, 1, 1, 1))
    strides = padded.stride()
    shape = (*features.movedim(1, -1).shape[:4], 3, 3, 3 * features.shape[1])
    neighbourhoods = padded.as_strided(shape, (*strides[:4], *strides[1:3], 1)).flatten(4).flatten(0, 3)
    of_weight = gradient.movedim(1, -1).flatten(0, 3).t() @ neighbourhoods
    return of_weight.view(-1, 3, 3, 3, features.shape[1]).movedim(-1, 1)


def convolution_gradients(
    gradient: Tensor, features: Tensor, weight: Tensor, stride: int, wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of features and weight, those that are `wanted`, of torch's convolution with padding 1."""
    axes = features.dim() - 2
    return torch.ops.aten.convolution_backward(
        gradient,
        features,
        weight,
        None,
        [stride] * axes,
        [1] * axes,
        [1] * axes,
        False,
        [0] * axes,
        1,
        [*wanted, False],
    )[:2]


def as_rows(features: Tensor) -> Tensor:
    """(B, C, D, H, W) -> (B, W x C, D, H), both channels-last: a view."""
    return features.movedim(1, -1).flatten(3).permute(0, 3, 1, 2)


def as_volumes(rows: Tensor, channels: int) -> Tensor:
    """The inverse of `as_rows`."""
    return rows.permute(0, 2, 3, 1).unflatten(3, (-1, channels)).movedim(-1, 1)


def with_halos(features: Tensor, pieces: int) -> Tensor:
    """Rows (pieces x B, (W + 2) x C, D, H) of what was cut: each with the voxel before it and the one after it."""
    channels = features.shape[1]
    rows = as_rows(features).permute(0, 2, 3, 1).unflatten(0, (pieces, -1))
    haloed = rows.new_empty(*rows.shape[:-1], rows.shape[-1] + 2 * channels)
    haloed[..., channels:-channels] = rows
    haloed[1:, ..., :channels] = rows[:-1, ..., -channels:]
    haloed[:-1, ..., -channels:] = rows[1:, ..., :channels]
    haloed[0, ..., :channels] = 0
    haloed[-1, ..., -channels:] = 0
    return haloed.flatten(0, 1).permute(0, 3, 1, 2)


def banded(weight: Tensor, side: int, stride: int = 1, *, halo: bool = False) -> Tensor:
    """The kernel (W / stride x O, W x C, 3, 3) between rows of `side` voxels, from (O, C, 3, 3, 3).

    With a halo, rows of W + 2 voxels are taken to rows of W.
    """
    outputs, inputs = weight.shape[:2]
    band = weight.new_zeros(math.ceil(side / stride), outputs, 3, 3, (side + 2) * inputs)
    diagonal(band, stride, inputs).copy_(weight.permute(0, 2, 3, 4, 1).flatten(3))
    if not halo:
        band = band[..., inputs:-inputs].contiguous()
    return band.flatten(0, 1).permute(0, 3, 1, 2)


def summed_band(gradient: Tensor, shape: torch.Size, *, halo: bool) -> Tensor:
    """The gradient of the weight of this shape, from the one of what `banded` makes of it with a stride of 1."""
    outputs, inputs = shape[:2]
    band = gradient.permute(0, 2, 3, 1).unflatten(0, (-1, outputs))
    band = band.contiguous() if halo else nn.functional.pad(band, (inputs, inputs))
    return diagonal(band, 1, inputs).sum(0).unflatten(3, (3, inputs)).movedim(-1, 1)


def diagonal(band: Tensor, stride: int, inputs: int) -> Tensor:
    """The band's copies of the weight (W / stride, O, 3, 3, 3 x C): a view of the band (..., (W + 2) x C)."""
    first, *others = band.stride()
    return band.as_strided((*band.shape[:4], 3 * inputs), (first + stride * inputs, *others))

"""Batch normalisation that is fast with few filters too.

In the channels-last layout, torch's takes the filters of one voxel at a time: with 2 filters of 25^3 voxels it needs
ten times as long as reading them. Here many voxels form one row, as if there were more filters, and each filter's
statistics are added up from the row's.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# From 8 filters on torch's own is as fast, and so it is on few voxels.
FEW_FILTERS = 8
# By the number of axes of a batch.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
MANY_VOXELS = 10_000
ROW = 256


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """The same as `nn.BatchNorm3d`, up to rounding, and for any number of spatial axes."""

    def _check_input_dim(self, features: Tensor) -> None:
        pass

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, *spatial) -> (B, C, *spatial)."""
        filters = features.shape[1]
        voxels = features.numel() // filters
        slow = filters < FEW_FILTERS and voxels >= MANY_VOXELS and features.dtype == torch.float32
        if (
            not slow
            or features.dim() not in CHANNELS_LAST
            or features.is_cuda
            or not self.training
            or self.momentum is None
        ):
            return super().forward(features)
        normalised, mean, variance = TiledBatchNorm.apply(features, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (voxels / (voxels - 1)), self.momentum)
            self.num_batches_tracked += 1
        return normalised


class TiledBatchNorm(torch.autograd.Function):
    """Ioffe and Szegedy 2015 (Batch Normalization), algorithm 1, and the gradients of section 3."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, ...]:
        """Returns the normalised features (B, C, *spatial), and the batch's mean (C,) and variance (C,)."""
        tiles = Tiles(features.shape)
        rows = tiles.rows(features)
        mean = tiles.mean(rows)
        centred = rows - tiles.row(mean)
        variance = tiles.mean(centred * centred)
        inverse_deviation = (variance + epsilon).rsqrt()
        # Made first and filled through a view: autograd lets nobody change a view in place.
        normalised = torch.empty_like(features, memory_format=CHANNELS_LAST[features.dim()])
        torch.addcmul(tiles.row(shift), centred, tiles.row(scale * inverse_deviation), out=tiles.rows(normalised))
        ctx.tiles = tiles
        ctx.save_for_backward(centred, scale, inverse_deviation)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of features (B, C, *spatial), scale (C,) and shift (C,)."""
        tiles = ctx.tiles
        centred, scale, inverse_deviation = ctx.saved_tensors
        rows = tiles.rows(gradient)
        product = rows * centred
        mean = tiles.mean(rows)
        mean_product = tiles.mean(product)
        factor = scale * inverse_deviation
        torch.addcmul(
            tiles.row(-factor * mean),
            centred,
            tiles.row(-factor * inverse_deviation.square() * mean_product),
            out=product,
        )
        product.addcmul_(rows, tiles.row(factor))
        return (
            tiles.features(product),
            tiles.voxels * inverse_deviation * mean_product,
            tiles.voxels * mean,
            None,
        )


class Tiles:
    """Channels-last features as a matrix whose rows hold several voxels' filters, one after another."""

    def __init__(self, shape: torch.Size) -> None:
        self.batch, self.filters, *self.sides = shape
        self.voxels = shape.numel() // self.filters
        self.per_row = voxels_per_row(self.voxels, self.filters)

    def rows(self, features: Tensor) -> Tensor:
        """(B, C, *spatial) -> (rows, voxels per row x C); no copy where the layout is channels-last."""
        return features.movedim(1, -1).reshape(-1, self.per_row * self.filters)

    def features(self, rows: Tensor) -> Tensor:
        """The inverse of `rows`, channels-last."""
        return rows.view(self.batch, *self.sides, self.filters).movedim(-1, 1)

    def row(self, values: Tensor) -> Tensor:
        """Repeats one value per filter (C,) for each entry of a row."""
        return values.expand(self.per_row, -1).reshape(-1)

    def mean(self, rows: Tensor) -> Tensor:
        """The mean over all voxels (C,)."""
        return (rows.new_ones(len(rows)) @ rows).view(self.per_row, self.filters).sum(0) / self.voxels


@cache
def voxels_per_row(voxels: int, filters: int) -> int:
    """The largest divisor of `voxels` for which a row has at most `ROW` entries."""
    return max(count for count in range(1, ROW // filters + 1) if voxels % count == 0)

"""Batch normalisation that is fast with few filters too, and the activation after it.

In the channels-last layout, torch's takes the filters of one voxel at a time: with 2 filters of 25^3 voxels it needs
ten times as long as reading them. Here many voxels form one row, as if there were more filters, and each filter's
statistics are added up from the row's.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# torch's own is as fast with 8 filters or more, and on few voxels.
FEW_FILTERS = 8
# By the number of axes of a batch.
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
MANY_VOXELS = 10_000
ROW = 256


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """The same as `nn.BatchNorm3d`, up to rounding, and for any number of spatial axes."""

    def _check_input_dim(self, features: Tensor) -> None:
        pass

    def forward(self, features: Tensor, slope: float = 1.0) -> Tensor:
        """(B, C, *spatial) -> (B, C, *spatial); then LeakyReLU with this slope, of which 1 is none."""
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
            normalised = super().forward(features)
            return normalised if slope == 1 else nn.functional.leaky_relu_(normalised, slope)
        outputs, mean, variance = TiledBatchNorm.apply(features, self.weight, self.bias, self.eps, slope)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (voxels / (voxels - 1)), self.momentum)
            self.num_batches_tracked += 1
        return outputs


class TiledBatchNorm(torch.autograd.Function):
    """Ioffe and Szegedy 2015 (Batch Normalization), algorithm 1, and the gradients of section 3; then LeakyReLU.

    One function for both saves passes over memory, which are what takes the time here.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, scale: Tensor, shift: Tensor, epsilon: float, slope: float
    ) -> tuple[Tensor, ...]:
        """Returns the activated features (B, C, *spatial), and the batch's mean (C,) and variance (C,)."""
        tiles = Tiles(features.shape)
        rows = tiles.rows(features)
        means, variances = torch.batch_norm_update_stats(rows, None, None, 0.0)  # of each of a row's columns
        between, mean = torch.var_mean(tiles.table(means), 0, correction=0)
        variance = tiles.table(variances).mean(0) + between
        inverse_deviation = (variance + epsilon).rsqrt()
        factor = scale * inverse_deviation
        # Made first and filled through a view: autograd lets nobody change a view in place.
        outputs = torch.empty_like(features, memory_format=CHANNELS_LAST[features.dim()])
        torch.addcmul(tiles.row(shift - mean * factor), rows, tiles.row(factor), out=tiles.rows(outputs))
        if slope != 1:
            nn.functional.leaky_relu_(outputs, slope)
        ctx.tiles, ctx.epsilon, ctx.slope = tiles, epsilon, slope
        # Another activation may change the outputs in place.
        ctx.save_for_backward(rows, None if slope == 1 else outputs, scale, mean, inverse_deviation)
        ctx.mark_non_differentiable(mean, variance)
        return outputs, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of features (B, C, *spatial), scale (C,) and shift (C,)."""
        tiles = ctx.tiles
        rows, outputs, scale, mean, inverse_deviation = ctx.saved_tensors
        before = tiles.rows(gradient)
        if ctx.slope != 1:
            before = torch.ops.aten.leaky_relu_backward(before, tiles.rows(outputs), ctx.slope, True)
        means, inverse = tiles.row(mean), tiles.row(inverse_deviation)
        _, of_scale, of_shift = torch.ops.aten.native_batch_norm_backward(
            before, rows, inverse, means, inverse, means, inverse, True, ctx.epsilon, [False, True, True]
        )
        of_scale, of_shift = tiles.table(of_scale).sum(0), tiles.table(of_shift).sum(0)
        factor = scale * inverse_deviation
        slant = -factor * inverse_deviation * of_scale / tiles.voxels
        level = -factor * of_shift / tiles.voxels - mean * slant
        of_features = torch.addcmul(tiles.row(level), rows, tiles.row(slant))
        of_features.addcmul_(before, tiles.row(factor))
        return tiles.features(of_features), of_scale, of_shift, None, None


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
        return values.expand(self.per_row, -1).contiguous().view(-1)

    def table(self, row: Tensor) -> Tensor:
        """A row (voxels per row x C,) as (voxels per row, C)."""
        return row.view(self.per_row, self.filters)


@cache
def voxels_per_row(voxels: int, filters: int) -> int:
    """The largest divisor of `voxels` for which a row has at most `ROW` entries."""
    return max(count for count in range(1, ROW // filters + 1) if voxels % count == 0)

"""Initial weights, and the sum of squares that each scheme is expected to give.

Knows layers, not the network around them. Under L2 the sum of squares at the start *is* the penalty (over
lambda), so the scheme decides how the reported loss starts as the network grows.

| scheme      | entries                                  | variance               |
| ----------- | ---------------------------------------- | ---------------------- |
| `glorot`    | uniform (Glorot & Bengio 2010, eq. 16)   | 2 / (fan_in + fan_out) |
| `he`        | normal (He et al. 2015, eq. 10)          | 2 / fan_in             |
| `default`   | uniform, biases too, as torch draws them | 1 / (3 fan_in)         |
| `fixed_std` | normal, not truncated, alike everywhere  | `initial_std` squared  |
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from widthwise.study.architecture import Layer


def variance(layer: Layer, scheme: str, initial_std: float) -> float:
    """Variance of one entry of the layer's kernel under `scheme`; raises ValueError for an unknown scheme."""
    receptive_field = layer.kernel_size**3
    fan_in, fan_out = layer.inputs * receptive_field, layer.outputs * receptive_field
    match scheme:
        case "glorot":
            return 2 / (fan_in + fan_out)
        case "he":
            return 2 / fan_in
        case "default":
            return 1 / (3 * fan_in)
        case "fixed_std":
            return initial_std**2
    raise ValueError(f"initialisation {scheme!r}: allowed are glorot, he, default, fixed_std")


def expected_sum_of_squares(layers: Iterable[Layer], scheme: str, initial_std: float) -> float:
    """Expected sum of squared kernel entries over `layers`; times lambda it is the expected penalty in nats."""
    return sum(layer.weights * variance(layer, scheme, initial_std) for layer in layers)


@torch.no_grad()
def initialise(
    kernel: Tensor,
    bias: Tensor | None,
    layer: Layer,
    *,
    scheme: str,
    initial_std: float,
    generator: torch.Generator,
) -> None:
    """Draws one layer's kernel in place, and its bias: zero, but under `default` as torch draws it."""
    std = variance(layer, scheme, initial_std) ** 0.5
    bound = 3**0.5 * std
    if scheme in ("glorot", "default"):
        draw = torch.empty(kernel.shape).uniform_(-bound, bound, generator=generator)
    else:
        draw = torch.empty(kernel.shape).normal_(0, std, generator=generator)
    kernel.copy_(draw)
    if bias is not None and scheme == "default":
        bias.copy_(torch.empty(bias.shape).uniform_(-bound, bound, generator=generator))
    elif bias is not None:
        bias.zero_()


@torch.no_grad()
def initialise_head(kernel: Tensor, bias: Tensor, layer: Layer, head_initialisation: str, **scheme: Any) -> None:
    """Draws the head as `initialise` does (`as_kernels`), starts it at `zero`, or with `unit` variance.

    The scheme's numbers are drawn in every case, so that what follows in the stream stays the same.
    """
    initialise(kernel, bias, layer, **scheme)
    match head_initialisation:
        case "zero":
            kernel.zero_()
            bias.zero_()
        case "unit":
            kernel.copy_(torch.empty(kernel.shape).normal_(generator=scheme["generator"]))

"""Draws initial weights: a pass over a network, outside it.

Under L2 the sum of squares at the start is the penalty over lambda, so the scheme decides how the reported loss starts
as the network grows. `parametrisation.kernel_variances` says what variance each kernel has.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from widthwise.model.network import Network
from widthwise.model.parametrisation import scheme_variance
from widthwise.study.settings import FactorySettings, NetworkSettings

UNIFORM = ("glorot", "default")
KERNEL_MODULES = (nn.modules.conv._ConvNd, nn.Linear)


def kernel_modules(network: nn.Module) -> list[nn.Module]:
    """The modules whose weights are kernels, in order: convolutions and linear layers."""
    return [module for module in network.modules() if isinstance(module, KERNEL_MODULES)]


def kernels(network: nn.Module) -> list[nn.Parameter]:
    """The weights that the penalty covers: of convolution and linear layers; no biases, no BatchNorm."""
    return [module.weight for module in kernel_modules(network)]


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def initialise(
    network: Network, settings: NetworkSettings, variances: Sequence[float], generator: torch.Generator
) -> None:
    """Draws every kernel in place, first to last, and the biases beside them.

    Args:
        variances: of each kernel's entries.
        generator: where the numbers come from; the same state gives the same weights.
    """
    *modules, head = kernel_modules(network)
    for module, variance in zip(modules, variances[:-1], strict=True):
        draw(module, settings.initialisation, variance, generator)
    initialise_head(head, settings, variances[-1], generator)
    for block in network.last_of_pairs:
        # Each pair starts as its shortcut: else the sum over pairs grows with depth, and the starting loss with it.
        # Goyal et al. 2017 (Accurate, Large Minibatch SGD), section 5.1.
        nn.init.zeros_(block.normalisation.weight)


def initialise_own(network: nn.Module, settings: FactorySettings, generator: torch.Generator) -> None:
    """Draws every kernel of a user's own network in place, unless it is to start as it was built."""
    if settings.initialisation == "as_built":
        return
    for module in kernel_modules(network):
        draw(module, settings.initialisation, scheme_variance(*fans(module), settings), generator)


def fans(module: nn.Module) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input has, in any convolution or linear module."""
    within, across = nn.init._calculate_fan_in_and_fan_out(module.weight)  # fan of axis 1, fan of axis 0
    across //= getattr(module, "groups", 1)
    return (across, within) if getattr(module, "transposed", False) else (within, across)


@torch.no_grad()
def initialise_head(head: nn.Linear, settings: NetworkSettings, variance: float, generator: torch.Generator) -> None:
    """Draws the head like the other kernels (`as_kernels`), at zero (`zero`) or with variance 1 (`unit`)."""
    draw(head, settings.initialisation, variance, generator)
    match settings.head_initialisation:
        case "zero":
            head.weight.zero_()
            head.bias.zero_()
        case "unit":
            head.weight.copy_(torch.empty(head.weight.shape).normal_(generator=generator))


@torch.no_grad()
def draw(module: nn.Module, scheme: str, variance: float, generator: torch.Generator) -> None:
    """Draws one module's kernel in place, uniform or normal by the scheme.

    Its bias starts at zero; under `default` it is drawn like the kernel, as torch does.
    """
    module.weight.copy_(entries(module.weight, scheme, variance, generator))
    if module.bias is not None:
        drawn = scheme == "default"
        module.bias.copy_(entries(module.bias, scheme, variance, generator) if drawn else torch.zeros(()))


def entries(like: Tensor, scheme: str, variance: float, generator: torch.Generator) -> Tensor:
    """Random numbers on the CPU, in the shape of `like`."""
    values = torch.empty(like.shape)
    if scheme in UNIFORM:
        bound = (3 * variance) ** 0.5
        return values.uniform_(-bound, bound, generator=generator)
    return values.normal_(0, variance**0.5, generator=generator)

"""How variances, learning rates and the head's multiplier scale with width.

Under the maximal update parametrisation (mup; Yang et al. 2022, Tensor Programs V, Table 8) every variance comes from
the layer of the base width, with r = width / base width:

| layer                        | variance       | Adam's rate | SGD's rate | multiplier |
| ---------------------------- | -------------- | ----------- | ---------- | ---------- |
| first convolution            | base           | 1           | r          | 1          |
| hidden convolutions          | base x base fan-in / fan-in | 1 / r | 1  | 1          |
| head                         | base           | 1           | r          | 1 / r      |
| BatchNorm, biases            |                | 1           | r          | 1          |
| the head's biases            |                | 1           | 1          | 1          |

At the base width both parametrisations are the same network. Under the standard one r is 1 everywhere, and each
layer's variance is its own.
"""

from dataclasses import replace

from torch import Tensor, nn

from widthwise.model.network import Network
from widthwise.study.architecture import Task, layers_of
from widthwise.study.settings import FactorySettings, NetworkSettings


def kernel_variances(network: NetworkSettings, task: Task) -> list[float]:
    """The variance of each kernel's initial entries, first layer to head."""
    layers = layers_of(network, task)
    if network.parametrisation == "standard":
        return [scheme_variance(layer.fan_in, layer.fan_out, network) for layer in layers]
    base = layers_of(replace(network, width=network.base_width), task)
    variances = [scheme_variance(layer.fan_in, layer.fan_out, network) for layer in base]
    shrinking = [
        variance * at_base.fan_in / layer.fan_in
        for variance, at_base, layer in zip(variances[1:-1], base[1:-1], layers[1:-1], strict=True)
    ]
    return [variances[0], *shrinking, variances[-1]]


def scheme_variance(fan_in: int, fan_out: int, network: NetworkSettings | FactorySettings) -> float:
    """The variance of one entry of a kernel under the network's initialisation scheme.

    glorot: 2 / (fan-in + fan-out) (Glorot & Bengio 2010, eq. 16). he: 2 / fan-in (He et al. 2015, eq. 10). default:
    1 / (3 fan-in), as torch draws it. fixed_std: the same everywhere.
    """
    match network.initialisation:
        case "glorot":
            return 2 / (fan_in + fan_out)
        case "he":
            return 2 / fan_in
        case "default":
            return 1 / (3 * fan_in)
        case "fixed_std":
            return network.initial_std**2
    raise ValueError(f"initialisation {network.initialisation!r}: allowed are glorot, he, default, fixed_std")


def scale_head_input(head: nn.Module, width_ratio: float) -> None:
    """Divides what the head is given by r, its multiplier."""
    if width_ratio == 1:
        return

    def divide(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0] / width_ratio,)

    head.register_forward_pre_hook(divide)


def rate_factors(network: nn.Module, optimiser: str, width_ratio: float) -> dict[str, float]:
    """What the learning rate of each parameter, by name, is multiplied by."""
    if not isinstance(network, Network):
        return {name: 1.0 for name, _ in network.named_parameters()}
    hidden = {id(block.convolution.weight) for block in network.blocks[1:]}
    factors = {}
    for name, parameter in network.named_parameters():
        if optimiser == "adam":
            factors[name] = 1 / width_ratio if id(parameter) in hidden else 1.0
        else:
            factors[name] = 1.0 if id(parameter) in hidden or name == "head.bias" else width_ratio
    return factors

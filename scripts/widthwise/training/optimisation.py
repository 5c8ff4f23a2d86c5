"""Optimisers: which one, at what rate for which weights, and with what decay of its own.

Sees parameters and gradients only; the penalty is the objective's affair. Under `mup` each kind of weight has its
own rate (Yang et al. 2022, Tensor Programs V, Table 8), with r = width / base width:

| weights                                       | Adam  | SGD   |
| --------------------------------------------- | ----- | ----- |
| hidden convolutions (both sides grow)         | 1 / r | 1     |
| first convolution, BatchNorm, biases, head    | 1     | r     |
| the head's biases (neither side grows)        | 1     | 1     |
"""

from collections.abc import Sequence

import torch

from widthwise.model.network import Network


def parameter_groups(network: Network, optimiser: str, learning_rate: float) -> list[dict]:
    """The network's parameters in groups of one learning rate each."""
    hidden = {id(block.convolution.weight) for block in network.blocks[1:]}
    r = network.width_ratio

    def rate(name: str, parameter: torch.nn.Parameter) -> float:
        if optimiser == "adam":
            return learning_rate / r if id(parameter) in hidden else learning_rate
        unscaled = id(parameter) in hidden or name == "head.bias"
        return learning_rate if unscaled else learning_rate * r

    groups: dict[float, list] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(rate(name, parameter), []).append(parameter)
    return [{"params": parameters, "lr": lr} for lr, parameters in groups.items()]


def root_second_moments(optimiser: torch.optim.Optimizer) -> torch.Tensor | None:
    """Adam's bias-corrected root second moment of every weight, flat; None for an optimiser without."""
    moments = []
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            state = optimiser.state.get(parameter, {})
            if "exp_avg_sq" not in state:
                return None
            correction = 1 - group["betas"][1] ** float(state["step"])
            moments.append((state["exp_avg_sq"] / correction).sqrt().flatten())
    return torch.cat(moments)


def make_optimiser(
    network: Network,
    name: str,
    *,
    learning_rate: float,
    betas: Sequence[float],
    epsilon: float,
    momentum: float,
    decay: float,
    decoupled: bool,
) -> torch.optim.Optimizer:
    """Adam, AdamW (`decoupled`) or SGD; `decay` is torch's `weight_decay`, on every parameter.

    Raises ValueError for a name that it does not know.
    """
    groups = parameter_groups(network, name, learning_rate)
    match name:
        case "adam":
            adam = torch.optim.AdamW if decoupled else torch.optim.Adam
            return adam(groups, betas=tuple(betas), eps=epsilon, weight_decay=decay, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, momentum=momentum, weight_decay=decay, fused=True)
    raise ValueError(f"optimiser {name!r}: allowed are adam, sgd")

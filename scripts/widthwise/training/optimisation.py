"""Optimisers: which one, at what rate for which weights, and with what weight decay."""

import torch
from torch import nn

from widthwise.model.parametrisation import rate_factors
from widthwise.study.settings import TrainingSettings


def make_optimiser(network: nn.Module, training: TrainingSettings, width_ratio: float) -> torch.optim.Optimizer:
    """Adam, AdamW (decoupled decay) or SGD, with a learning rate for each kind of weight under mup.

    torch's `weight_decay` acts on every parameter. Raises ValueError for an unknown optimiser.
    """
    groups = parameter_groups(network, training, width_ratio)
    decay = training.weight_decay
    match training.optimiser:
        case "adam":
            adam = torch.optim.AdamW if training.decay_is_decoupled else torch.optim.Adam
            return adam(groups, betas=training.betas, eps=training.epsilon, weight_decay=decay, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, momentum=training.momentum, weight_decay=decay, fused=True)
    raise ValueError(f"optimiser {training.optimiser!r}: allowed are adam, sgd")


def parameter_groups(network: nn.Module, training: TrainingSettings, width_ratio: float) -> list[dict]:
    """The network's parameters, grouped by learning rate."""
    factors = rate_factors(network, training.optimiser, width_ratio)
    groups: dict[float, list] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(training.learning_rate * factors[name], []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]


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

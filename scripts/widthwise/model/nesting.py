"""Embeds a network in a wider one: padded with zeros, the wider one computes the same.

A filter whose kernel is zero gives BN(0) = 0 where BatchNorm's shift is zero, and adds nothing to the penalty. So the
lowest objective that a network can reach does not rise with its width.
"""

import torch

from widthwise.model.network import Network


@torch.no_grad()
def embed(smaller: Network, wider: Network) -> None:
    """Gives `wider` the weights of `smaller`, and zeros for all filters that it has besides.

    Both have the same depth, and the standard parametrisation. BatchNorm's scales stay as they are where there is no
    filter of the smaller network.
    """
    weights = smaller.state_dict()
    for name, value in wider.state_dict().items():
        if not name.endswith(("normalisation.weight", "running_var")):
            value.zero_()
        value[tuple(map(slice, weights[name].shape))] = weights[name]

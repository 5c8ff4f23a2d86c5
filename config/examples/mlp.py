"""A multilayer perceptron on flat features, such as a table's columns."""

import math

from torch import nn


def build(width: int, *, classes: int, shape: tuple[int, ...], depth: int = 3) -> nn.Module:
    """`depth` linear layers, with `width` units between two of them.

    Args:
        width: units of each hidden layer.
        classes: logits of each sample.
        shape: of a sample: (1, features), or of any array, which is flattened.
        depth: linear layers, at least 2.
    """
    layers, inputs = [nn.Flatten()], math.prod(shape)
    for _ in range(depth - 1):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))

"""Somebody else's network, in two lines: its width multiplier and its number of classes are what a study needs."""

from someones_mobilenet import MobileNet
from torch import nn


def build(width: int, *, classes: int, shape: tuple[int, ...], **options: float) -> nn.Module:
    """A MobileNet for colour images with `width` filters in its first layer; `options` are its own."""
    return MobileNet(num_classes=classes, width_mult=width / 16, **options)

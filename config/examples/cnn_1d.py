"""A convolutional network on signals: time series, spectra, sequences of measurements."""

from torch import nn


def build(width: int, *, classes: int, shape: tuple[int, ...], kernel_size: int = 7, dropout: float = 0.1) -> nn.Module:
    """Three convolutions with `width`, 2 `width` and 4 `width` filters, each of which halves the length.

    Args:
        width: filters of the first convolution.
        classes: logits of each sample.
        shape: (channels, length) of a sample.
        kernel_size: odd.
        dropout: share of the pooled features that is left out in training.
    """
    layers, inputs = [], shape[0]
    for outputs in (width, 2 * width, 4 * width):
        layers += [
            nn.Conv1d(inputs, outputs, kernel_size, stride=2, padding=kernel_size // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.GELU(),
        ]
        inputs = outputs
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs, classes)
    )

"""A ResNet-style network on images, after the CIFAR networks of He et al. 2016, with GroupNorm or BatchNorm."""

from collections.abc import Callable

from torch import Tensor, nn


def build(
    width: int, *, classes: int, shape: tuple[int, ...], depth: int = 8, norm: str = "group", groups: int = 4
) -> nn.Module:
    """Three stages of residual blocks with `width`, 2 `width` and 4 `width` filters.

    Args:
        width: filters of the first stage.
        classes: logits of each sample.
        shape: (channels, height, width) of a sample.
        depth: convolutions on the main path and the linear layer: 6n + 2.
        norm: "group" or "batch".
        groups: of GroupNorm; must divide the width.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth {depth}: write 8, 14, 20 or another 6n + 2")

    def normalise(filters: int) -> nn.Module:
        return nn.BatchNorm2d(filters) if norm == "batch" else nn.GroupNorm(groups, filters)

    layers = [nn.Conv2d(shape[0], width, 3, padding=1, bias=False), normalise(width), nn.ReLU()]
    inputs = width
    for stage in range(3):
        for block in range(blocks):
            outputs, stride = width * 2**stage, 2 if stage > 0 and block == 0 else 1
            layers.append(Block(inputs, outputs, stride, normalise))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class Block(nn.Module):
    """Two convolutions, and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, normalise: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            normalise(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            normalise(outputs),
        )
        self.shortcut = nn.Identity()
        if (inputs, stride) != (outputs, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), normalise(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, height, width) to (B, outputs, height / stride, width / stride)."""
        return nn.functional.relu(self.convolutions(x) + self.shortcut(x))

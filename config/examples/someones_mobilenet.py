"""Stands for a package of somebody else, such as torchvision: a small MobileNetV2 for colour images of 1000 classes."""

from torch import Tensor, nn


class MobileNet(nn.Module):
    """Inverted residual blocks (Sandler et al. 2018); `width_mult` scales the filters of every layer."""

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        stem, middle, last = (int(filters * width_mult) for filters in (16, 24, 64))
        self.features = nn.Sequential(
            ConvBNReLU(3, stem, stride=2),
            InvertedResidual(stem, stem, stride=1),
            InvertedResidual(stem, middle, stride=2),
            InvertedResidual(middle, middle, stride=1),
            ConvBNReLU(middle, last, kernel_size=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, 3, height, width) to logits (B, num_classes)."""
        return self.classifier(self.features(x).mean((2, 3)))


class ConvBNReLU(nn.Sequential):
    """A convolution, BatchNorm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Widens, filters each channel apart, and narrows again."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int = 4) -> None:
        super().__init__()
        hidden = expand * inputs
        self.use_shortcut = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            ConvBNReLU(inputs, hidden, kernel_size=1),
            ConvBNReLU(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, height, width) to (B, outputs, height / stride, width / stride)."""
        return x + self.conv(x) if self.use_shortcut else self.conv(x)

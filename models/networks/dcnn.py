"""The segmentation network of study 4: seven levels, residual encoder, channel attention.

Source
------
Study 4, section "Segmentation model" (docs/domain.md 1.C). Levels 1 to 5: a 1x1 convolution, then a
residual 3x3 convolution; level 6: a 2x2 convolution in place of the 1x1, then the residual one;
level 7: a 2x2 convolution alone. The decoder enlarges by 2x2 transposed convolutions; at level 6
high- and low-level maps meet in a channel attention block (Yu et al. 2018, discriminative feature
network), at the others they are joined and convolved 3x3; a 1x1 convolution ends it. Widths are
not in the study's text.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

WIDTHS: Final = (32, 64, 128, 256, 512, 512, 512)
"""Channels by level; 512 x 512 pixels become 8 x 8."""
NARROW: Final = tuple(width // 2 for width in WIDTHS)
"""As shipped: a quarter of the parameters (4.4 million), a file of 9 MB."""
LEVELS: Final = 7


def _activated(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """3x3 convolution beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.convolution(x))


class ChannelAttention(nn.Module):
    """Weight the channels of the low-level map from both maps, then add the high-level map.

    concat(high, low), global average, 1x1, ReLU, 1x1, sigmoid: one weight per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(2 * channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, high: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        """Both (batch, channels, rows, columns)."""
        weights: torch.Tensor = self.weigh(torch.cat([high, low], dim=1))
        return weights * low + high


class ChestDCNN(nn.Module):
    """Encoder and decoder of seven levels for one axial slice.

    Input (batch, 1, rows, columns), sizes multiples of 64; output (batch, ``out_channels``, rows,
    columns): logits.

    Parameters
    ----------
    widths
        Channels of the seven levels.
    """

    def __init__(self, out_channels: int = 2, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if len(widths) != LEVELS:
            raise ValueError(f"{len(widths)} widths for {LEVELS} levels")
        self.encoder = nn.ModuleList()
        for level, width in enumerate(widths, start=1):
            inputs = 1 if level == 1 else widths[level - 2]
            self.encoder.append(_encoder_level(level, inputs, width))
        self.up = nn.ModuleList(
            _activated(nn.ConvTranspose2d(above, width, 2, stride=2, bias=False), width)
            for above, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.attention = ChannelAttention(widths[5])
        self.join = nn.ModuleList(
            _activated(nn.Conv2d(2 * width, width, 3, padding=1, bias=False), width)
            for width in widths[-3::-1]
        )
        self.exit = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the same size as the input."""
        maps = []
        for level in self.encoder:
            x = level(x)
            maps.append(x)
        x = maps.pop()
        x = self.attention(self.up[0](x), maps.pop())
        for up, join in zip(self.up[1:], self.join, strict=True):
            x = join(torch.cat([up(x), maps.pop()], dim=1))
        return self.exit(x)  # type: ignore[no-any-return]


def _encoder_level(level: int, inputs: int, width: int) -> nn.Module:
    """1x1 (levels 2 to 5: after halving) or 2x2 convolution, then the residual one."""
    if level == 1:
        return nn.Sequential(
            _activated(nn.Conv2d(inputs, width, 1, bias=False), width), _Residual(width)
        )
    if level < 6:
        return nn.Sequential(
            nn.MaxPool2d(2),
            _activated(nn.Conv2d(inputs, width, 1, bias=False), width),
            _Residual(width),
        )
    halve = _activated(nn.Conv2d(inputs, width, 2, stride=2, bias=False), width)
    return nn.Sequential(halve, _Residual(width)) if level == 6 else halve

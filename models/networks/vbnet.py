"""VB-Net: a V-Net whose residual blocks are bottlenecks, for the proximal femur (study 3).

Source
------
Study 3, section "Automatic segmentation" (docs/domain.md 1.D); V-Net: Milletari et al. 2016
(levels of 16 to 256 channels with 1, 2, 3, 3, 3 convolutions); the bottleneck 1-3-1 block: He et
al. 2016. The study does not state the widths. Group normalisation replaces batch
normalisation, which needs larger batches than one or two.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

WIDTHS: Final = (16, 32, 64, 128, 256)
CONVOLUTIONS: Final = (1, 2, 3, 3, 3)
SQUEEZE: Final = 4
GROUP: Final = 8


def _convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        _norm(outputs),
    ]


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(max(1, channels // GROUP), channels)


class Bottleneck(nn.Module):
    """Residual block of ``count`` bottlenecks: 1x1x1 to a quarter, 3x3x3, 1x1x1 back."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        narrow = max(4, channels // SQUEEZE)
        layers: list[nn.Module] = []
        for number in range(count):
            layers += [*_convolution(channels, narrow, 1), nn.ReLU(inplace=True)]
            layers += [*_convolution(narrow, narrow, 3), nn.ReLU(inplace=True)]
            layers += _convolution(narrow, channels, 1)
            if number < count - 1:
                layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, ...) to the same shape."""
        return torch.relu(x + self.layers(x))


class _Down(nn.Module):
    """Half the size, another width, then residual convolutions."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv3d(inputs, outputs, 2, stride=2, bias=False),
            _norm(outputs),
            nn.ReLU(inplace=True),
        )
        self.residual = Bottleneck(outputs, count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.residual(self.reduce(x))  # type: ignore[no-any-return]


class _Up(nn.Module):
    """Twice the size, joined with the encoder's map, then residual convolutions."""

    def __init__(self, inputs: int, skipped: int, count: int) -> None:
        super().__init__()
        self.enlarge = nn.Sequential(
            nn.ConvTranspose3d(inputs, skipped, 2, stride=2, bias=False),
            _norm(skipped),
            nn.ReLU(inplace=True),
        )
        self.residual = Bottleneck(2 * skipped, count)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.residual(torch.cat([self.enlarge(x), skip], dim=1))  # type: ignore[no-any-return]


class VBNet(nn.Module):
    """Encoder and decoder of five levels.

    Input (batch, 1, slices, rows, columns), sizes multiples of 16 times ``fold``; output (batch,
    ``out_channels``, ...): logits.

    Parameters
    ----------
    widths
        Channels by level; the default is the study's network as far as the study describes it.
    fold
        1 is the study's network. With 2 every cube of 2x2x2 voxels enters as eight channels of a
        grid of half the resolution and leaves as eight voxels again (space to depth, Shi et al.
        2016): the same voxels for an eighth of the work, so that a CPU can train and run it.
    """

    def __init__(
        self,
        out_channels: int,
        widths: Sequence[int] = WIDTHS,
        convolutions: Sequence[int] = CONVOLUTIONS,
        fold: int = 1,
    ) -> None:
        super().__init__()
        self.fold = fold
        self.entry = nn.Sequential(
            *_convolution(fold**3, widths[0], 3),
            nn.ReLU(inplace=True),
            Bottleneck(widths[0], convolutions[0]),
        )
        levels = range(1, len(widths))
        self.down = nn.ModuleList(_Down(widths[n - 1], widths[n], convolutions[n]) for n in levels)
        inputs = [widths[-1], *(2 * widths[n] for n in reversed(levels[:-1]))]
        self.up = nn.ModuleList(
            _Up(width, widths[n - 1], convolutions[n - 1])
            for width, n in zip(inputs, reversed(levels), strict=True)
        )
        self.exit = nn.Conv3d(2 * widths[0], out_channels * fold**3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the same size as the input."""
        maps = [self.entry(folded(x, self.fold))]
        for down in self.down:
            maps.append(down(maps[-1]))
        found = maps.pop()
        for up in self.up:
            found = up(found, maps.pop())
        return unfolded(self.exit(found), self.fold)


def folded(x: torch.Tensor, fold: int) -> torch.Tensor:
    """(batch, channels, D, H, W) to (batch, channels * fold^3, D/fold, H/fold, W/fold)."""
    if fold == 1:
        return x
    batch, channels, depth, height, width = x.shape
    cubes = x.reshape(
        batch, channels, depth // fold, fold, height // fold, fold, width // fold, fold
    )
    return cubes.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        batch, channels * fold**3, depth // fold, height // fold, width // fold
    )


def unfolded(x: torch.Tensor, fold: int) -> torch.Tensor:
    """The inverse of `folded`."""
    if fold == 1:
        return x
    batch, channels, depth, height, width = x.shape
    voxels = x.reshape(batch, channels // fold**3, fold, fold, fold, depth, height, width)
    return voxels.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(
        batch, channels // fold**3, depth * fold, height * fold, width * fold
    )

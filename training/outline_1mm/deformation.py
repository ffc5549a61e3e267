"""Random deformation: the source position in a specimen of every voxel of a training patch."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Source index of every voxel of a patch, and the change of lengths by the deformation.

    Parameters
    ----------
    index : (slices, rows, columns, 3) float32
        Source index (slice, row, column).
    scale
        Millimetres of the patch per millimetre of the source (mean over the axes).
    """

    index: torch.Tensor
    scale: float

    def value(self, volume: NDArray[np.generic], outside: str = "border") -> torch.Tensor:
        """Linear interpolation of a volume; (slices, rows, columns) float32."""
        return self._sampled(volume, "bilinear", outside)

    def nearest(self, volume: NDArray[np.generic]) -> torch.Tensor:
        """Nearest neighbour of a label map; int64."""
        return self._sampled(volume, "nearest", "border").long()

    def _sampled(self, volume: NDArray[np.generic], mode: str, outside: str) -> torch.Tensor:
        shape = np.asarray(volume.shape)
        flat = self.index.reshape(-1, 3)
        low = np.clip(np.floor(flat.amin(dim=0).numpy()), 0, shape - 2).astype(int)
        high = np.clip(np.ceil(flat.amax(dim=0).numpy()) + 1, low + 2, shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        part = torch.from_numpy(np.ascontiguousarray(volume[box], dtype=np.float32))
        size = torch.tensor(part.shape, dtype=torch.float32) - 1
        grid = (2 * (self.index - torch.from_numpy(low.astype(np.float32))) / size - 1).flip(-1)
        found = F.grid_sample(
            part[None, None], grid[None], mode=mode, padding_mode=outside, align_corners=True
        )
        return found[0, 0]


def random_places(
    rng: np.random.Generator,
    patch: tuple[int, int, int],
    centre: NDArray[np.floating],
    *,
    axes: NDArray[np.floating] | None = None,
    turn_deg: float = 9.0,
    stretch: float = 0.14,
    bend_mm: float = 3.0,
) -> Places:
    """Rotate, stretch and bend a patch of 1 mm voxels around ``centre`` of a 1 mm source.

    Parameters
    ----------
    axes : (3, 3)
        Directions of the patch axes in the source, one per row.
    turn_deg
        Standard deviation of the angle about each axis.
    stretch
        Largest change of the size; a third of it differs between the axes.
    bend_mm
        Largest amplitude of the smooth displacement over the whole patch. A displacement over a
        quarter of the patch has a fifth of it.
    """
    matrix = np.eye(3)
    for axis in range(3):
        angle = np.deg2rad(rng.normal(0, turn_deg))
        turn = np.eye(3)
        b, c = [(1, 2), (0, 2), (0, 1)][axis]
        turn[b, b] = turn[c, c] = np.cos(angle)
        turn[b, c], turn[c, b] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    size = 1 + rng.uniform(-stretch, stretch)
    matrix = matrix @ np.diag(size * (1 + rng.uniform(-stretch / 3, stretch / 3, 3)))
    if axes is not None:
        matrix = np.asarray(axes).T @ matrix
    lines = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in patch]
    grid = torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1)
    index = grid @ torch.from_numpy(matrix.T.astype(np.float32))
    index += torch.from_numpy(np.asarray(centre, np.float32))
    for knots, amplitude in ((4, bend_mm), (10, bend_mm / 5)):
        if rng.random() < 0.7:
            field = torch.from_numpy(rng.standard_normal((1, 3, knots, knots, knots), np.float32))
            field = F.interpolate(field, size=patch, mode="trilinear", align_corners=True)
            index += field[0].permute(1, 2, 3, 0) * rng.uniform(0, amplitude)
    return Places(index=index, scale=1 / float(size))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale_mm: float) -> torch.Tensor:
    """Gaussian field of mean 0 and standard deviation about 1 that varies over ``scale_mm`` voxels."""
    knots = [max(2, round(n / scale_mm) + 1) for n in shape]
    field = torch.from_numpy(rng.standard_normal((1, 1, *knots), np.float32))
    return 1.4 * F.interpolate(field, size=shape, mode="trilinear", align_corners=True)[0, 0]

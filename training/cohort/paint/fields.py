"""Smooth random fields in patient coordinates: texture, strands, slow deformation.

A field has no bounds and is never stored as a whole. Its white noise is drawn in blocks; the key of
the field and the position of a block seed the block. Every part of a field can thus be computed
alone, with the same values on every grid.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import correlate1d

from training.cohort.paint.grid import Floats, interpolated

BLOCK = 16
"""Lattice points along the side of a block of white noise."""

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Smoothing kernel, similar to a Gaussian with a standard deviation of one point."""

REACH = len(BINOMIAL) // 2
DEVIATION = float(np.sum(BINOMIAL.astype(np.float64) ** 2) ** 1.5)
"""Standard deviation of white noise after the smoothing along three axes."""

BLOCK_ORIGIN = 2**40
"""Offset that makes block numbers, which may be negative, valid counters of the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Random field: mean 0, SD 1, correlated over two lattice points; the same on every grid.

    Parameters
    ----------
    key
        Key of the counter-based generator (Salmon et al. 2011, Philox).
    steps_mm
        Distance of lattice points along (z, y, x).
    """

    key: tuple[int, int]
    steps_mm: tuple[float, float, float]
    _blocks: dict[tuple[int, int, int], Floats] = field(default_factory=dict, repr=False)

    def at(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the values on regular axes."""
        targets = tuple(np.asarray(axis, np.float64).ravel() for axis in (z, y, x))
        starts, stops = [], []
        for target, step in zip(targets, self.steps_mm, strict=True):
            starts.append(int(np.floor(target[0] / step)))
            stops.append(int(np.floor(target[-1] / step)) + 2)
        values = self._white([start - REACH for start in starts], [stop + REACH for stop in stops])
        for axis in range(3):
            values = correlate1d(values, BINOMIAL, axis=axis)
        inner = values[(slice(REACH, -REACH),) * 3] / np.float32(DEVIATION)
        axes = tuple(
            np.arange(start, stop, dtype=np.float64) * step
            for start, stop, step in zip(starts, stops, self.steps_mm, strict=True)
        )
        return interpolated(inner, axes, targets)

    def _white(self, starts: list[int], stops: list[int]) -> Floats:
        """White noise on a box of lattice points."""
        values = np.empty(
            [stop - start for start, stop in zip(starts, stops, strict=True)], np.float32
        )
        ranges = [
            range(start // BLOCK, (stop - 1) // BLOCK + 1)
            for start, stop in zip(starts, stops, strict=True)
        ]
        for block in ((k, j, i) for k in ranges[0] for j in ranges[1] for i in ranges[2]):
            target, source = [], []
            for number, start, stop in zip(block, starts, stops, strict=True):
                low, high = max(start, number * BLOCK), min(stop, (number + 1) * BLOCK)
                target.append(slice(low - start, high - start))
                source.append(slice(low - number * BLOCK, high - number * BLOCK))
            values[tuple(target)] = self._block(block)[tuple(source)]
        return values

    def _block(self, number: tuple[int, int, int]) -> Floats:
        if number not in self._blocks:
            counter = np.array([0, *(n + BLOCK_ORIGIN for n in number)], np.uint64)
            generator = np.random.Generator(
                np.random.Philox(key=np.array(self.key, np.uint64), counter=counter)
            )
            self._blocks[number] = generator.standard_normal((BLOCK,) * 3, dtype=np.float32)
        return self._blocks[number]


def smooth_field(rng: np.random.Generator, scale_mm: float | tuple[float, float, float]) -> Field:
    """Draw a field; ``scale_mm`` for all axes or for (x, y, z)."""
    scales = (scale_mm,) * 3 if isinstance(scale_mm, int | float) else scale_mm
    key = rng.integers(2**63, size=2)
    return Field(
        key=(int(key[0]), int(key[1])),
        steps_mm=(scales[2] / 2, scales[1] / 2, scales[0] / 2),
    )

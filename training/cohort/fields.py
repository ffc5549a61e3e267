"""Smooth random fields over the patient: texture, strands, slow deformation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.cohort.grid import Bounds, Floats, interpolated

TORSO: Bounds = ((-240.0, 240.0), (-240.0, 170.0), (-320.0, 480.0))
ABDOMEN: Bounds = ((-180.0, 180.0), (-180.0, 120.0), (-160.0, 340.0))
PELVIS: Bounds = ((-190.0, 190.0), (-120.0, 120.0), (-330.0, 80.0))
BACK: Bounds = ((-120.0, 120.0), (-110.0, 120.0), (-190.0, 480.0))
SPINE: Bounds = ((-50.0, 50.0), (-70.0, 110.0), (-130.0, 480.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Zero mean, unit deviation, correlated over ``scale_mm``; the same on every grid.

    Parameters
    ----------
    values : (slices, rows, columns)
    axes
        (z, y, x) of the lattice, LPS mm.
    """

    values: Floats
    axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    def at(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Give the values on regular axes."""
        targets = tuple(np.asarray(axis, np.float64).ravel() for axis in (z, y, x))
        if any(len(axis) < 2 for axis in self.axes):
            raise ValueError("a lattice needs two points along each axis")
        return interpolated(self.values, self.axes, targets)


def smooth_field(
    rng: np.random.Generator,
    scale_mm: float | tuple[float, float, float],
    bounds: Bounds = TORSO,
) -> Field:
    """Draw a field; ``scale_mm`` for all axes or for (x, y, z)."""
    scales = (scale_mm,) * 3 if isinstance(scale_mm, int | float) else scale_mm
    axes = tuple(
        np.arange(low, high + scale / 2, scale / 2)
        for (low, high), scale in zip(bounds[::-1], scales[::-1], strict=True)
    )
    white = rng.standard_normal([len(axis) for axis in axes], dtype=np.float32)
    values = gaussian_filter(white, 1.0)
    values /= values.std()
    return Field(values=values, axes=(axes[0], axes[1], axes[2]))

"""Metal streaks: reconstruct the errors of rays through metal (hardening, photon starvation).

The projections of the metal are computed on a coarse grid. The errors that a polychromatic beam
and few photons cause in them are filtered, back-projected and added to the slice. An ellipse of
water stands for the patient around the metal, so that a crop and a whole slice agree.
Approximation: rays that pass through bone only have no error.

Source: De Man et al. 1999 (beam hardening, noise and their streaks), Kak & Slaney 1988 (filtered
back-projection; ``skimage.transform``).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.transform import iradon, radon

from training.cohort.body.anatomy import Anatomy
from training.cohort.matter.physics import Beam, polychromatic_attenuation, water_attenuation
from training.cohort.paint.grid import Floats, Grid, interpolated
from training.cohort.scan.noise import Section
from training.cohort.scan.water import WaterProfile

METAL_HU: Final = 4000.0
"""Threshold above every bone and cement."""

PIXEL_MM: Final = 4.0
STEP_MM: Final = 2.5
ANGLES: Final = np.arange(0.0, 180.0, 2.0)
PHOTONS: Final = 1e6
"""Unattenuated photons per ray at 200 mAs."""

ELECTRONIC_PHOTONS: Final = 20.0
"""Electronic noise in photons."""

DEEPEST: Final = 9.0
"""Largest line integral that the detector resolves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """Error in HU on a coarse stack.

    Parameters
    ----------
    hu : (planes, rows, columns) float32
    axes
        (z, y, x), LPS mm.
    """

    hu: Floats
    axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    def at(self, z: float, grid: Grid) -> Floats:
        """Return the error at a height on the pixels of a plane of ``grid``."""
        targets = np.array([z]), grid.axis(1), grid.axis(0)
        return np.asarray(interpolated(self.hu, self.axes, targets)[0])

    def reaches(self, z: float) -> bool:
        """Whether the plane at a height has any error."""
        return bool(self.axes[0][0] < z < self.axes[0][-1])


def metal_streaks(
    anatomy: Anatomy,
    beam: Beam,
    water: WaterProfile,
    dose: float,
    key: int,
    *,
    threads: ThreadPoolExecutor | None = None,
) -> Streaks | None:
    """Compute the streaks of all metal in a painted stack; ``None`` without metal.

    Parameters
    ----------
    key
        Seed of the noise in starved rays.
    """
    heights = anatomy.grid.axis(2)
    with_metal = np.flatnonzero((anatomy.hu > METAL_HU).any(axis=(1, 2)))
    if not len(with_metal):
        return None
    first, last = heights[with_metal[0]], heights[with_metal[-1]]
    z = np.arange(np.floor(first / STEP_MM) - 1, np.ceil(last / STEP_MM) + 2) * STEP_MM
    factor = max(1, round(PIXEL_MM / anatomy.grid.spacing_mm[0]))
    x, y = (_coarse(anatomy.grid.axis(k), factor) for k in (0, 1))
    hu = np.zeros((len(z), len(y), len(x)), np.float32)

    def compute(number: int) -> None:
        near = np.abs(heights - z[number]) <= STEP_MM / 2
        if not near.any():
            return
        metal = _metal_per_cm(anatomy.hu[near], factor, beam)
        if metal.any():
            rng = np.random.default_rng([key, number])
            section = water.at(float(z[number]))
            hu[number] = _streaks(metal, factor, anatomy.grid, beam, section, dose, rng)

    planes = range(len(z))
    for _ in map(compute, planes) if threads is None else threads.map(compute, planes):
        pass
    return Streaks(hu=hu, axes=(z, y, x))


def _coarse(axis: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Middles of the blocks of ``factor`` voxels; an incomplete block at the end is dropped."""
    whole = len(axis) // factor * factor
    return np.asarray(axis[:whole].reshape(-1, factor).mean(axis=1))


def _metal_per_cm(planes: Floats, factor: int, beam: Beam) -> NDArray[np.float64]:
    """Attenuation of the metal alone on the coarse grid, 1/cm."""
    hu = np.where(planes > METAL_HU, planes, -1000).mean(axis=0)
    rows, columns = (size // factor for size in hu.shape)
    blocks = hu[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray((blocks.mean(axis=(1, 3)) / 1000 + 1) * water_attenuation(beam), np.float64)


def _streaks(
    metal: NDArray[np.float64],
    factor: int,
    grid: Grid,
    beam: Beam,
    section: Section,
    dose: float,
    rng: np.random.Generator,
) -> Floats:
    """Error of one plane, HU."""
    pixel_cm = factor * grid.spacing_mm[0] / 10
    side = max(metal.shape)
    square = np.zeros((side, side))
    square[: metal.shape[0], : metal.shape[1]] = metal
    ideal = radon(square, ANGLES, circle=False) * pixel_cm
    middle = _middle(section, grid, factor, side)
    around = water_attenuation(beam) * _chords_cm(section, middle, len(ideal), pixel_cm)
    measured = polychromatic_attenuation("titanium", ideal, beam)
    through = ideal > 0.02
    behind = np.minimum(around + measured, DEEPEST)
    extra = np.clip(_variance(behind, dose) - _variance(around, dose), 0, None)
    noise = rng.standard_normal(ideal.shape) * np.sqrt(extra)
    error = np.where(through, measured - ideal + noise, 0.0)
    image = iradon(error / pixel_cm, ANGLES, output_size=side, filter_name="hann", circle=False)
    hu = 1000 * image / water_attenuation(beam)
    return np.asarray(hu[: metal.shape[0], : metal.shape[1]], np.float32)


def _variance(attenuation: NDArray[np.float64], dose: float) -> NDArray[np.float64]:
    """Variance of the logarithm of a measured ray."""
    photons = PHOTONS * dose * np.exp(-attenuation)
    return np.asarray((1 + ELECTRONIC_PHOTONS**2 / photons) / photons)


def _middle(section: Section, grid: Grid, factor: int, side: int) -> tuple[float, float]:
    """Offset of the patient's middle from the middle of the coarse square, cm (x, y)."""
    places = []
    for name in (0, 1):
        first = grid.origin_lps_mm[name] + (factor - 1) / 2 * grid.spacing_mm[name]
        middle = first + (side // 2) * factor * grid.spacing_mm[name]
        places.append((section.middle_lps_mm[name] - middle) / 10)
    return places[0], places[1]


def _chords_cm(
    section: Section, middle: tuple[float, float], rays: int, pixel_cm: float
) -> NDArray[np.float64]:
    """Path lengths of all rays through the ellipse of the patient: (rays, angles)."""
    angle = np.deg2rad(ANGLES)[None, :]
    # skimage: the ray of angle t and detector position s is x cos t - y sin t = s (y downwards).
    shift = middle[0] * np.cos(angle) - middle[1] * np.sin(angle)
    place = (np.arange(rays)[:, None] - rays // 2) * pixel_cm - shift
    a, b = section.lateral_cm / 2, section.frontal_cm / 2
    reach = (a * np.cos(angle)) ** 2 + (b * np.sin(angle)) ** 2
    return np.asarray(2 * a * b * np.sqrt(np.clip(reach - place**2, 0, None)) / reach)

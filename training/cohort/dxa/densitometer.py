"""Simulate a dual-energy X-ray densitometer: areal density from paintings at two tube voltages.

The patient is projected from back to front. As in a real densitometer, the ratio of the two
attenuations beside the bone serves to remove soft tissue; the rest is mineral. All mineral along a
ray counts: body, shell, arch, osteophytes, plaques, ligaments. The code does not distinguish them,
so every painted shape contributes.

Source
------
Two-material decomposition with the soft tissue beside the bone as baseline; pixel, blur and
precision from docs/domain.md 3.6.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, rotate

from training.cohort.body.anatomy import render
from training.cohort.matter.media import Media
from training.cohort.matter.physics import MATERIALS, linear_attenuation
from training.cohort.paint.grid import Floats, Grid
from training.cohort.people.densitometry import t_score
from training.cohort.people.subject import Subject

Image: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

LOW_KVP, HIGH_KVP = 80, 140
PIXEL_MM: Final = 1.0
BLUR_FWHM_MM: Final = 1.5
FWHM_PER_SIGMA: Final = 2.355
EDGE_G_CM2: Final = 0.20
"""Minimum areal density of a bone pixel."""
PRECISION_CV: Final = 0.013
"""Coefficient of variation of a region between two positionings (1.1 to 1.6 %)."""

VENDOR_SCALE: Final = 1.07
"""Areal density of the vendor per g/cm2 of hydroxyapatite: one factor for all regions and patients.
Fitted by ``python -m training.cohort dxa --fit-scale`` so that women of 20 to 29 years have a mean
of 1.05 g/cm2 at L1 to L4 (docs/domain.md 3.6); standard error 0.010 with 60 women."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Reported values of one region.

    Parameters
    ----------
    bmc_g
        Mineral content.
    t_score
        ``None`` if the reference has no values for the region.
    """

    abmd_g_cm2: float
    bmc_g: float
    area_cm2: float
    t_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """Attenuation along every ray at two energies, and the projection of the labelled bones.

    Parameters
    ----------
    low, high : (rows, columns)
        Rows from head to foot, columns from the right of the patient to the left.
    labels
        Projection of each requested label on the same pixels.
    x_mm, z_mm
        Patient coordinates of columns and rows.
    """

    low: Image
    high: Image
    labels: dict[int, Mask]
    x_mm: NDArray[np.float64]
    z_mm: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Areal density image: (rows, columns) of ``Shadow``, g/cm2."""

    abmd_g_cm2: Image
    x_mm: NDArray[np.float64]
    z_mm: NDArray[np.float64]

    def less(self, baseline: Image) -> "Projection":
        """Subtract the soft tissue that differs from the mean."""
        return replace(self, abmd_g_cm2=self.abmd_g_cm2 - baseline)

    def region(
        self, outline: Mask, error: float = 1.0, reference: tuple[float, float] | None = None
    ) -> Region:
        """Return the values within an outline, multiplied by a positioning error."""
        area = float(outline.sum()) * (PIXEL_MM / 10) ** 2
        abmd = float(self.abmd_g_cm2[outline].mean()) * error
        t = None if reference is None else float(t_score(abmd, reference))
        return Region(abmd_g_cm2=abmd, bmc_g=abmd * area, area_cm2=area, t_score=t)


def scan_grid(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    *,
    depth_step_mm: float = PIXEL_MM,
) -> Grid:
    """Return the grid to paint on: pixels of the densitometer, rays from back to front."""
    steps = (PIXEL_MM, depth_step_mm, PIXEL_MM)
    columns, depth, rows = (
        int((high - low) // step) + 1 for (low, high), step in zip((x, y, z), steps, strict=True)
    )
    return Grid(origin_lps_mm=(x[0], y[0], z[0]), spacing_mm=steps, shape=(rows, depth, columns))


def cast_shadow(
    subject: Subject, grid: Grid, *, labels: tuple[int, ...] = (), turn_deg: float = 0.0
) -> Shadow:
    """Paint a patient at both tube voltages and project.

    Parameters
    ----------
    labels
        Bones whose projection is returned.
    turn_deg
        Rotation about the long axis through the middle of the grid before the projection.
    """
    energies, shadows = [], {}
    for kvp in (LOW_KVP, HIGH_KVP):
        anatomy = render(subject, grid, Media(kvp=kvp))
        energies.append(_line_integrals(_turned(anatomy.hu, turn_deg), grid, kvp)[::-1])
        if kvp == LOW_KVP:
            for name in labels:
                bone = _turned((anatomy.labels == name).astype(np.float32), turn_deg)
                shadows[name] = np.asarray((bone.max(axis=1) > 0.5)[::-1])
    return Shadow(
        low=energies[0],
        high=energies[1],
        labels=shadows,
        x_mm=grid.axis(0),
        z_mm=grid.axis(2)[::-1],
    )


def _line_integrals(hu: Floats, grid: Grid, kvp: int) -> Image:
    """(slices, columns) line integrals; HU are converted to attenuation by their definition."""
    step_cm = grid.spacing_mm[1] / 10
    water = linear_attenuation(MATERIALS["water"], kvp)
    return np.asarray((1 + hu / 1000).sum(axis=1, dtype=np.float64) * water * step_cm)


def _turned(volume: Floats, angle_deg: float) -> Floats:
    if not angle_deg:
        return volume
    return np.asarray(rotate(volume, angle_deg, (1, 2), reshape=False, order=1, mode="nearest"))


def areal_image(shadow: Shadow, soft: Mask) -> Projection:
    """Compute areal density from the two attenuations.

    Parameters
    ----------
    soft : (rows, columns)
        Pixels without bone; they define the attenuation ratio of soft tissue.
    """
    ratio = shadow.low[soft].sum() / shadow.high[soft].sum()
    mineral = MATERIALS["mineral"]
    low, high = (linear_attenuation(mineral, kvp) / mineral.density for kvp in (LOW_KVP, HIGH_KVP))
    areal = (shadow.low - ratio * shadow.high) / (low - ratio * high)
    areal = gaussian_filter(areal, BLUR_FWHM_MM / FWHM_PER_SIGMA / PIXEL_MM)
    return Projection(abmd_g_cm2=VENDOR_SCALE * areal, x_mm=shadow.x_mm, z_mm=shadow.z_mm)

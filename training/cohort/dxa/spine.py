"""Simulate DXA of the lumbar spine, L1 to L4, from back to front."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter, label, median_filter

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.dxa.densitometer import (
    EDGE_G_CM2,
    PIXEL_MM,
    PRECISION_CV,
    Image,
    Mask,
    Projection,
    Region,
    areal_image,
    cast_shadow,
    scan_grid,
)
from training.cohort.paint.grid import Grid
from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III, t_score
from training.cohort.people.subject import Subject

HALF_WIDTH_MM: Final = 75.0
FRONT_MM, BACK_MM = 190.0, 130.0
DEPTH_STEP_MM: Final = 1.5
FLANK_MM: Final = (32.0, 52.0)
"""Soft tissue is sampled at these distances from the middle of the spine, on either side."""
BASELINE_MM: Final = 60.0
"""Rows of the median of soft tissue; more than half of them have no rib or process."""
WIDEST_ROW: Final = 1.08
"""Maximum width of a row relative to the median row; it cuts the transverse processes."""
DISC_SEARCH_MM: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineScan:
    """A scan of the lumbar spine.

    Parameters
    ----------
    outlines
        Region of interest of each level, on the image.
    total
        L1 to L4 together.
    """

    image: Projection
    outlines: dict[Level, Mask]
    levels: dict[Level, Region]
    total: Region


def scan_spine(subject: Subject, *, precision_cv: float = PRECISION_CV) -> SpineScan:
    """Simulate a scan of L1 to L4.

    Parameters
    ----------
    precision_cv
        Coefficient of variation of a region between positionings; 0 for none.
    """
    plan = plan_body(subject)
    shadow = cast_shadow(subject, _grid(plan))
    aside = _aside(shadow.x_mm, plan)
    soft = np.broadcast_to(np.abs(aside) > FLANK_MM[0], shadow.low.shape)
    image = areal_image(shadow, soft)
    image = image.less(_baseline(image.abmd_g_cm2, aside))
    cuts = [_disc_row(image, plan, level) for level in (Level.T12, *DXA_LEVELS)]
    column = _column(image, aside)
    outlines = {
        level: _level_outline(column, above, below)
        for level, (above, below) in zip(DXA_LEVELS, pairwise(cuts), strict=True)
    }
    errors = subject.rng("dxa spine").normal(1, precision_cv, len(DXA_LEVELS))
    levels = {
        level: image.region(outline, float(error))
        for (level, outline), error in zip(outlines.items(), errors, strict=True)
    }
    return SpineScan(image=image, outlines=outlines, levels=levels, total=_total(levels))


def _grid(plan: BodyPlan) -> Grid:
    low = float(plan.vertebra(Level.L5).centre_lps_mm[2])
    high = float(plan.vertebra(Level.T12).centre_lps_mm[2])
    x, y = plan.vertebra(Level.L2).centre_lps_mm[0], float(plan.spine_y((low + high) / 2))
    return scan_grid(
        (float(x) - HALF_WIDTH_MM, float(x) + HALF_WIDTH_MM),
        (y - FRONT_MM, y + BACK_MM),
        (low, high),
        depth_step_mm=DEPTH_STEP_MM,
    )


def _aside(x_mm: Image, plan: BodyPlan) -> Image:
    return np.asarray(x_mm - plan.vertebra(Level.L2).centre_lps_mm[0])


def _baseline(areal: Image, aside: Image) -> Image:
    """Soft tissue in every pixel, interpolated between the left and right side of the spine.

    Medians over neighbouring rows exclude ribs and transverse processes.
    """
    near, far = FLANK_MM
    sides = []
    for side in (-1, 1):
        chosen = (side * aside > near) & (side * aside < far)
        profile = np.median(areal[:, chosen], axis=1)
        smooth = median_filter(profile, round(BASELINE_MM / PIXEL_MM), mode="nearest")
        sides.append(gaussian_filter(smooth, 10 / PIXEL_MM))
    place = np.clip(aside / (near + far) + 0.5, 0, 1)
    return np.asarray(sides[0][:, None] * (1 - place) + sides[1][:, None] * place)


def _disc_row(image: Projection, plan: BodyPlan, above: Level) -> int:
    """Row of minimum density between a vertebra and the next, near the disc."""
    vertebra = plan.vertebra(above)
    down = vertebra.size_mm[2] / 2 + vertebra.disc_below_mm / 2
    place = vertebra.lps(0.0, 0.0, -down)
    middle = np.abs(image.x_mm - place[0]) < vertebra.size_mm[0] * 0.35
    near = np.flatnonzero(np.abs(image.z_mm - place[2]) <= DISC_SEARCH_MM)
    return int(near[np.argmin(image.abmd_g_cm2[near][:, middle].mean(axis=1))])


def _column(image: Projection, aside: Image) -> Mask:
    """Bone pixels that are connected to the spine."""
    bone = median_filter((image.abmd_g_cm2 > EDGE_G_CM2).astype(np.uint8), 3) > 0
    parts, _ = label(bone)
    names = np.unique(parts[:, np.abs(aside) < 4])
    return np.asarray(np.isin(parts, names[names > 0]))


def _level_outline(column: Mask, above: int, below: int) -> Mask:
    """Pixels between two discs; no row is much wider than the median row."""
    outline = np.zeros_like(column)
    rows = column[above + 1 : below]
    half = np.median(rows.sum(axis=1)) * WIDEST_ROW / 2
    places = np.arange(column.shape[1])
    centre = (rows * places).sum() / rows.sum()
    outline[above + 1 : below] = rows & (np.abs(places - centre) <= half)
    return outline


def _total(levels: dict[Level, Region]) -> Region:
    """Mineral of all levels over the area of all levels."""
    bmc = sum(one.bmc_g for one in levels.values())
    area = sum(one.area_cm2 for one in levels.values())
    t = float(t_score(bmc / area, NHANES_III.spine))
    return Region(abmd_g_cm2=bmc / area, bmc_g=bmc, area_cm2=area, t_score=t)

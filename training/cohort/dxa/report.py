"""Report simulated DXA of one virtual patient, as numbers and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image as PillowImage
from scipy.ndimage import binary_erosion

from training.cohort.dxa.densitometer import Mask, Projection, Region
from training.cohort.dxa.hip import HipScan, scan_hip
from training.cohort.dxa.spine import SpineScan, scan_spine
from training.cohort.people.densitometry import NHANES_III
from training.cohort.people.population import draw_population, seeds_of
from training.cohort.people.studies import study_groups
from training.cohort.people.subject import Subject, subject_of

YOUNG_WOMEN_G_CM2: Final = 1.05
"""Mean at L1 to L4 of women of 20 to 29 years on the vendor's scale."""
BRIGHTEST_G_CM2: Final = 1.8
ZOOM: Final = 3


def dxa_block(spine: SpineScan, hip: HipScan | None = None) -> dict[str, Any]:
    """Return scans as a block of ``truth.json``."""
    block: dict[str, Any] = {
        "t_score_reference": NHANES_III.name,
        "levels": {level.name: _as_json(region) for level, region in spine.levels.items()},
        "spine_total": _as_json(spine.total),
    }
    if hip is not None:
        block["hip"] = {
            "side": "left" if hip.side == 1 else "right",
            "femoral_neck": _as_json(hip.neck),
            "total": _as_json(hip.total),
        }
    return block


def dxa_truth(subject: Subject) -> dict[str, Any]:
    """Scan the spine and a hip without a prosthesis (the left hip if both have none)."""
    side = -1 if subject.findings.hip_prosthesis == "left" else 1
    return dxa_block(scan_spine(subject), scan_hip(subject, side))


def _as_json(region: Region) -> dict[str, float]:
    values = {
        "abmd_g_cm2": round(region.abmd_g_cm2, 4),
        "bmc_g": round(region.bmc_g, 2),
        "area_cm2": round(region.area_cm2, 2),
    }
    return values if region.t_score is None else {**values, "t_score": round(region.t_score, 2)}


def fitted_scale(n: int, seed: int = 20) -> tuple[float, float]:
    """Return the factor on ``VENDOR_SCALE`` that fits the young mean, and its standard error.

    The women are the first ``n`` of 20 to 29 years of the chest cohort, scanned without a
    positioning error.
    """
    groups = study_groups("chest")
    people = draw_population(seeds_of(seed, 100 * n), groups, sex="F")
    young = np.flatnonzero((people.age_years >= 20) & (people.age_years < 30))[:n]
    found = np.array(
        [scan_spine(subject_of(people, int(row)), precision_cv=0).total.abmd_g_cm2 for row in young]
    )
    factor = YOUNG_WOMEN_G_CM2 / found.mean()
    return float(factor), float(factor * found.std(ddof=1) / found.mean() / np.sqrt(len(found)))


def write_picture(scans: Sequence[SpineScan | HipScan], file: Path) -> None:
    """Write scans side by side with the outlines of their regions, PNG."""
    panels = [_panel(scan.image, list(scan.outlines.values())) for scan in scans]
    height = max(len(panel) for panel in panels)
    padded = [np.pad(p, ((0, height - len(p)), (0, 6), (0, 0))) for p in panels]
    PillowImage.fromarray(np.concatenate(padded, axis=1)).save(file, optimize=True)


def _panel(image: Projection, outlines: list[Mask]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    grey = np.clip(image.abmd_g_cm2 / BRIGHTEST_G_CM2, 0, 1) * 255
    colour = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    colour = colour.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    for outline in outlines:
        large = outline.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        colour[large & ~binary_erosion(large)] = (0, 200, 220)
    return colour

"""Simulate a CT of a small part of a patient: training crops in a fraction of a second.

The anatomy is the same, voxel for voxel, as in a whole examination of the patient. Only
structures that touch the grid are painted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.icrp110.soft_body import context_name, phantom_context
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import BODY_PARTS, Part
from training.cohort.people.subject import Subject
from training.cohort.scan.image import CtImage
from training.cohort.scan.scanner import Scanner, fine_grid, on_image_grid, scan
from training.cohort.scan.truth import levels_truth, scan_truth, subject_truth
from training.cohort.scan.water import patient_water_cm, water_profile

Mask = NDArray[np.bool_]

VERTEBRA_SHAPE: Final = (64, 128, 128)
VERTEBRA_SPACING_MM: Final = (0.4, 0.4, 0.625)
"""Study 1: 128 x 128 x 64 voxels around one vertebral body."""

FEMUR_SHAPE: Final = (160, 160, 160)
FEMUR_SPACING_MM: Final = (1.0, 1.0, 1.0)
"""Study 3: one proximal femur at 1 mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A part of a simulated CT.

    Parameters
    ----------
    labels, parts : (slices, rows, columns) uint8
        Bone and part of the bone at each voxel of ``image``.
    truth
        ``subject``, ``scan`` and ``levels`` as in the truth of an examination.
    """

    image: CtImage
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    truth: dict[str, Any]

    def bone(self, label: int) -> Mask:
        """Voxels of a whole bone; a vertebra includes its arch."""
        return np.asarray(self.labels == label)

    def body(self, label: int) -> Mask:
        """Voxels of a bone without posterior elements and osteophytes, with its cortex."""
        return np.asarray(self.bone(label) & np.isin(self.parts, BODY_PARTS))

    def core(self, label: int) -> Mask:
        """Trabecular voxels: no cortex, end plates or posterior elements."""
        return np.asarray(self.bone(label) & (self.parts == Part.CORE))


def simulate_crop(
    subject: Subject,
    grid: Grid,
    scanner: Scanner,
    *,
    phase: str = "none",
    iodine: float = 1.0,
    marrow_uptake: float = 1.0,
    data: Path | None = None,
) -> Crop:
    """Simulate a CT of the patient on a grid.

    Raises
    ------
    BadCohortConfig
        The phase is unknown, or ``data`` lacks the phantoms.
    """
    body = plan_body(subject)
    beam = scanner.beam(patient_water_cm(body))
    media = Media(kvp=beam, phase=phase, iodine=iodine, marrow_uptake=marrow_uptake)
    heights = grid.axis(2)
    water = water_profile(body, heights[0], heights[-1])
    context = None if data is None else phantom_context(data)
    anatomy = render(subject, fine_grid(grid, scanner), media, context=context)
    image = scan(anatomy, scanner, grid, water)
    return Crop(
        image=image,
        labels=on_image_grid(anatomy.labels, anatomy.grid, grid),
        parts=on_image_grid(anatomy.parts, anatomy.grid, grid),
        truth={
            "simulated": True,
            "context": context_name(data),
            "subject": subject_truth(subject),
            "scan": scan_truth(scanner, media),
            "levels": levels_truth(anatomy, image, scanner, media),
        },
    )


def vertebra_grid(
    body: BodyPlan,
    level: Level,
    *,
    shape: tuple[int, int, int] = VERTEBRA_SHAPE,
    spacing_mm: tuple[float, float, float] = VERTEBRA_SPACING_MM,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Grid:
    """Return a grid around a vertebral body.

    Parameters
    ----------
    shape
        (slices, rows, columns).
    spacing_mm, shift_mm
        (x, y, z); the shift moves the grid away from the middle of the body.
    """
    centre = body.vertebra(level).centre_lps_mm + np.array(shift_mm)
    return _around(centre, shape, spacing_mm)


def femur_grid(
    body: BodyPlan,
    side: int,
    *,
    shape: tuple[int, int, int] = FEMUR_SHAPE,
    spacing_mm: tuple[float, float, float] = FEMUR_SPACING_MM,
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Grid:
    """Return a grid around a proximal femur; side 1 is left, -1 right."""
    # From above the head to below the lesser trochanter; the head is medial.
    centre = (body.hip_lps_mm + np.array([18.0, 8.0, -32.0]) * body.scale) * np.array([side, 1, 1])
    return _around(centre + np.array(shift_mm), shape, spacing_mm)


def _around(
    centre: NDArray[np.float64], shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> Grid:
    half = [(count - 1) / 2 * step for count, step in zip(shape[::-1], spacing_mm, strict=True)]
    x, y, z = (round(float(c - h), 3) for c, h in zip(centre, half, strict=True))
    return Grid(origin_lps_mm=(x, y, z), spacing_mm=spacing_mm, shape=shape)

"""Virtual patients as training volumes: HU and the structure of every voxel.

Takes  Subject
Gives  Specimen
Next   training.segmentation.sampler
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.structures import Structure
from pipelines.anatomy import Level
from training.cohort.anatomy import LABEL_FEMUR, LABEL_HIP_BONE, render
from training.cohort.grid import Grid
from training.cohort.media import Media
from training.cohort.plan import BodyPlan
from training.cohort.raster import Shape, Volume
from training.cohort.ribs import rib_shapes
from training.cohort.subject import draw_subject
from training.cohort.trunk import plan_trunk
from training.cohort.vertebra import body_distance, disc_shape, local_axes, vertebra_shape

SPACING_MM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A patient to draw training patches from.

    Parameters
    ----------
    image : (slices, rows, columns) int16
        HU, or an organ number where ``organs`` is set; axes up, posterior, left.
    parts : (slices, rows, columns) uint8
        ``models.structures.Structure``.
    centres : (vertebrae, 3) float32
        Index coordinates (slice, row, column) of the vertebral bodies' centres.
    spacing_mm
        Isotropic.
    organs
        Names of the organ numbers (ICRP 110), or empty for HU.
    """

    image: NDArray[np.int16]
    parts: NDArray[np.uint8]
    centres: NDArray[np.float32]
    spacing_mm: float
    organs: dict[int, str]


def virtual_specimen(seed: int, folder: Path) -> Specimen:
    """Virtual patient by seed, kept as a file in ``folder`` after its first rendering."""
    path = folder / f"virtual{seed:04d}.npz"
    if not path.exists():
        image, parts, centres = _render(seed)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, image=image, parts=parts, centres=centres)
    with np.load(path) as stored:
        return Specimen(
            image=stored["image"],
            parts=stored["parts"],
            centres=stored["centres"],
            spacing_mm=SPACING_MM,
            organs={},
        )


def _render(seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.float32]]:
    rng = np.random.default_rng([seed, 77])
    subject = draw_subject(seed)
    phase = ("none", "none", "portal", "arterial")[int(rng.integers(4))]
    shape = (300, 180, 220)
    grid = Grid(origin_lps_mm=(-220.0, -230.0, -190.0), spacing_mm=(SPACING_MM,) * 3, shape=shape)
    anatomy = render(subject, grid, Media(kvp=120, phase=phase))
    parts = structures(anatomy.plan, grid, anatomy.labels)
    centres = [
        (np.asarray(v.centre_lps_mm)[::-1] - np.asarray(grid.origin_lps_mm)[::-1]) / SPACING_MM
        for v in anatomy.plan.vertebrae
    ]
    return anatomy.hu.round().astype(np.int16), parts, np.asarray(centres, np.float32)


def structures(plan: BodyPlan, grid: Grid, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Structure of every voxel of a virtual patient on ``grid``."""
    volume = Volume.of_air(grid)
    parts = volume.labels
    for shape in rib_shapes(plan, plan_trunk(plan)):
        _fill(volume, shape, Structure.RIB)
    for vertebra in plan.vertebrae:
        _fill(volume, disc_shape(vertebra), Structure.DISC)
    parts[labels == Level.SACRUM] = Structure.SACRUM
    for values, left, right in (
        (LABEL_FEMUR, Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT),
        (LABEL_HIP_BONE, Structure.HIP_BONE, Structure.HIP_BONE),
    ):
        parts[labels == values[1]] = left
        parts[labels == values[-1]] = right
    for vertebra in plan.vertebrae:
        body = Structure.LUMBAR_BODY if Level(vertebra.level).is_lumbar else Structure.THORACIC_BODY
        for patch in volume.patches(vertebra_shape(vertebra)):
            bone = labels[patch.where] == vertebra.label
            inside = body_distance(vertebra, local_axes(vertebra, patch.x, patch.y, patch.z)) < 0
            part = parts[patch.where]
            part[bone & inside] = body
            part[bone & ~inside] = Structure.POSTERIOR_ELEMENTS
    return parts


def _fill(volume: Volume, shape: Shape, structure: Structure) -> None:
    for patch in volume.patches(shape):
        volume.labels[patch.where][patch.distance < 0] = structure

"""Render virtual patients as training volumes: HU and structure of every voxel."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.structures_3mm import Structure
from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import LABEL_FEMUR, LABEL_HIP_BONE, render
from training.cohort.body.plan import BodyPlan
from training.cohort.body.ribs import rib_shapes
from training.cohort.body.trunk import plan_trunk
from training.cohort.body.vertebra import body_distance, disc_shape, local_axes, vertebra_shape
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Shape, Volume
from training.cohort.people.form import draw_form
from training.cohort.people.subject import draw_subject

SPACING_MM = 2.0
PELVIC = (Structure.SACRUM, Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT)
PELVIC_PLACES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A patient from which training patches are drawn.

    Parameters
    ----------
    image : (slices, rows, columns) int16
        HU, or an organ number where ``organs`` is set; axes up, posterior, left.
    parts : (slices, rows, columns) uint8
        ``models.structures_3mm.Structure``.
    centres : (vertebrae, 3) float32
        Index coordinates (slice, row, column) of the centres of the vertebral bodies.
    pelvic : (places, 3) float32
        Index coordinates of some voxels of sacrum and femora.
    spacing_mm
        Isotropic voxel spacing.
    organs
        Names of the organ numbers (ICRP 110), or empty for HU.
    last_ribs_mm : (slices, rows, columns) uint8, or ``None``
        Distance from the head of the rib in the twelfth ribs, else 0; the sampler shortens the ribs.
    """

    image: NDArray[np.int16]
    parts: NDArray[np.uint8]
    centres: NDArray[np.float32]
    spacing_mm: float
    organs: dict[int, str]
    last_ribs_mm: NDArray[np.uint8] | None = None
    pelvic: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        """Find the pelvis once, because many patches are drawn around it."""
        places = np.argwhere(np.isin(self.parts, PELVIC))
        some = places[:: max(1, len(places) // PELVIC_PLACES)].astype(np.float32)
        object.__setattr__(self, "pelvic", some)


def virtual_specimen(seed: int, folder: Path, family: str = "") -> Specimen:
    """Return a virtual patient by seed; the first call renders it and writes a file in ``folder``.

    Parameters
    ----------
    family
        Family of skeletons (``training.cohort.people.form``), with degeneration, fractures, lesions
        and implants; empty for a healthy spine of the default form.
    """
    return kept(folder / f"virtual{seed:04d}{family}.npz", lambda: _render(seed, family))


def kept(path: Path, make: Callable[[], Specimen]) -> Specimen:
    """Read a specimen from a file; make and write it first if the file does not exist."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        ribs = made.last_ribs_mm
        partial = path.with_suffix(".part.npz")
        np.savez_compressed(
            partial,
            image=made.image,
            parts=made.parts,
            centres=made.centres,
            organs=json.dumps(made.organs),
            last_ribs_mm=np.zeros(0, np.uint8) if ribs is None else ribs,
        )
        partial.replace(path)
    with np.load(path) as stored:
        ribs = stored["last_ribs_mm"]
        return Specimen(
            image=stored["image"],
            parts=stored["parts"],
            centres=stored["centres"],
            spacing_mm=SPACING_MM,
            organs={int(k): v for k, v in json.loads(str(stored["organs"])).items()},
            last_ribs_mm=ribs if ribs.size else None,
        )


def _render(seed: int, family: str) -> Specimen:
    """Render a patient; size and posture vary slightly more than in the cohort."""
    rng = np.random.default_rng([seed, 77])
    drawn = draw_subject(seed, with_findings=bool(family))
    subject = replace(
        replace(drawn, form=draw_form(seed, family)) if family else drawn,
        lordosis_deg=float(rng.uniform(28, 70)),
        bmi_kg_m2=float(rng.uniform(17, 40)),
    )
    phase = ("none", "none", "portal", "arterial")[int(rng.integers(4))]
    shape = (300, 180, 220)
    grid = Grid(origin_lps_mm=(-220.0, -230.0, -190.0), spacing_mm=(SPACING_MM,) * 3, shape=shape)
    anatomy = render(subject, grid, Media(kvp=120, phase=phase))
    parts = structures(anatomy.plan, grid, anatomy.labels)
    centres = [
        (np.asarray(v.centre_lps_mm)[::-1] - np.asarray(grid.origin_lps_mm)[::-1]) / SPACING_MM
        for v in anatomy.plan.vertebrae
    ]
    return Specimen(
        image=anatomy.hu.round().astype(np.int16),
        parts=parts,
        centres=np.asarray(centres, np.float32),
        spacing_mm=SPACING_MM,
        organs={},
        last_ribs_mm=_along_last_ribs(anatomy.plan, grid),
    )


def _along_last_ribs(plan: BodyPlan, grid: Grid) -> NDArray[np.uint8]:
    """Distance of every voxel of the twelfth ribs from the head of the rib, mm; 0 elsewhere."""
    volume = Volume.of_air(grid)
    along = np.zeros(volume.labels.shape, np.uint8)
    vertebra = plan.vertebra(Level.T12)
    width, depth, height = vertebra.size_mm
    head = vertebra.lps(width * 0.47, depth * 0.42, height * 0.30)
    for shape, side in zip(rib_shapes(plan, plan_trunk(plan))[-2:], (1, -1), strict=True):
        for patch in volume.patches(shape):
            away = np.sqrt(
                (patch.x - np.float32(side * head[0])) ** 2
                + (patch.y - np.float32(head[1])) ** 2
                + (patch.z - np.float32(head[2])) ** 2
            )
            rib = patch.distance < 0
            along[patch.where][rib] = np.clip(away, 1, 255)[rib]
    return along


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

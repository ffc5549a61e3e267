"""Training samples of the proximal femur: real shapes with painted tissue, and virtual patients.

Every femur is stored as a left one; right ones are mirrored. Axes: up, posterior, lateral; 1 mm.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from models.structures_1mm import FEMUR_CROP
from pipelines.outline.proximal_femur import CROP_OFFSET_MM, head_centre_index
from training.cohort.body.anatomy import render
from training.cohort.body.femur import femur_shape, plan_femur
from training.cohort.body.pelvis import hip_bone_shape
from training.cohort.body.plan import plan_body
from training.cohort.icrp110.organ_maps import DISC, FEMORA, reference_specimen
from training.cohort.icrp110.specimen import SPACING_MM
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Shape, broadcastable
from training.cohort.people.subject import draw_subject
from training.loop.about import Kind, Source, used_sources
from training.outline_1mm.bone import (
    BoneLook,
    add_clutter,
    coverage,
    paint_bone,
    random_look,
    recoloured,
    soft_tissue,
    trabecular_texture,
)
from training.outline_1mm.deformation import Places, random_places, smooth_noise
from training.outline_1mm.imaging import cut_off, imaged
from training.outline_1mm.sample import FineSample, as_sample

PATCH: Final = (96, 96, 96)
REAL_SHARE: Final = 0.67
COLUMN_SHARE: Final = 0.5
"""Share of painted heads with a column of trabeculae and little bone beside it."""
SIDES: Final = (("right", 1, 3), ("left", 2, 4))
"""Side, and the labels of its femur and hip bone in the hip masks."""
STEPS_PER_MM: Final = 8
"""Signed distances are stored as whole numbers of 1/8 mm, up to 15.8 mm."""
ABOVE_MM, BELOW_MM, AROUND_MM, MEDIAL_MM, LATERAL_MM = 60, 120, 75, 70, 110
"""Box of a specimen around the centre of the femoral head, mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FemurSpecimen:
    """One femur as a left one.

    Parameters
    ----------
    femur, hip : (slices, rows, columns) int8
        Signed distance in 1/8 mm, negative inside; axes up, posterior, lateral, 1 mm.
    head : (3,) float32
        Index of the centre of the femoral head.
    hu : (slices, rows, columns) int16 or None
        Simulated CT of a virtual patient.
    """

    femur: NDArray[np.int8]
    hip: NDArray[np.int8]
    head: NDArray[np.float32]
    hu: NDArray[np.int16] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Soft tissue of an ICRP phantom around one hip; soft tissue replaces its bones.

    Parameters
    ----------
    organs : (slices, rows, columns) uint8
        Organ numbers; 1 mm per ``spacing_mm`` voxels, axes as in `FemurSpecimen`.
    head : (3,)
        Index of the centre of the femoral head.
    names
        Name of the organ by its number.
    """

    organs: NDArray[np.uint8]
    head: NDArray[np.float32]
    names: dict[int, str]


def signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Signed distance of a 1 mm mask, smoothed by 0.6 mm, in 1/8 mm."""
    if not mask.any():
        return np.full(mask.shape, 127, np.int8)
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    distance = np.where(mask, 0.5 - inside, outside - 0.5).astype(np.float32)
    return packed(ndimage.gaussian_filter(distance, 0.6))


def packed(distance_mm: NDArray[np.float32]) -> NDArray[np.int8]:
    """Convert a signed distance to whole numbers of 1/8 mm."""
    return np.clip(np.rint(distance_mm * STEPS_PER_MM), -127, 127).astype(np.int8)


def distances(shape: Shape, grid: Grid) -> NDArray[np.int8]:
    """Signed distance of a shape of the cohort at every voxel of a grid, in 1/8 mm."""
    z, y, x = broadcastable((grid.axis(2), grid.axis(1), grid.axis(0)))
    return packed(np.broadcast_to(shape.distance(x, y, z), grid.shape))


def hip_specimens(path: Path) -> list[FemurSpecimen]:
    """Read both femora of a hip mask (RAS; labels: 1, 2 femur right, left; 3, 4 hip bone)."""
    image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    zooms = np.asarray(image.header.get_zooms()[:3], float)[::-1]
    found = []
    for side, femur_label, hip_label in SIDES:
        masks = []
        for label in (femur_label, hip_label):
            # (right, anterior, up) to (up, posterior, lateral): lateral of the right hip is right.
            share = np.transpose(labels == label, (2, 1, 0))[:, ::-1].astype(np.float32)
            share = share if side == "right" else share[:, :, ::-1]
            masks.append(ndimage.zoom(share, zooms, order=1, grid_mode=True, mode="nearest") > 0.5)
        found.append(_from_masks(masks[0], masks[1]))
    return found


def _from_masks(femur: NDArray[np.bool_], hip: NDArray[np.bool_]) -> FemurSpecimen:
    """Crop the box around the head; the last slice is repeated below the end of the scan."""
    head = head_centre_index(femur, spacing_mm=1.0)
    margin = [(BELOW_MM, ABOVE_MM), (AROUND_MM, AROUND_MM), (MEDIAL_MM, LATERAL_MM)]
    start = np.rint(head).astype(int) - [low for low, _ in margin]
    boxes = []
    for mask in (femur, hip):
        padded = np.pad(mask, [(BELOW_MM, 0), (0, 0), (0, 0)], mode="edge")
        padded = np.pad(padded, [(0, ABOVE_MM), *margin[1:]])
        at = start + np.array([BELOW_MM, AROUND_MM, MEDIAL_MM])
        box = tuple(slice(a, a + low + high) for a, (low, high) in zip(at, margin, strict=True))
        boxes.append(signed_distance(padded[box]))
    return FemurSpecimen(femur=boxes[0], hip=boxes[1], head=(head - start).astype(np.float32))


def virtual_femur(seed: int) -> FemurSpecimen:
    """Left hip of a virtual patient: exact distances, and HU without blur and noise."""
    rng = np.random.default_rng([seed, 31])
    plan = plan_body(draw_subject(seed))
    head = plan.hip_lps_mm
    shape = (BELOW_MM + ABOVE_MM, 2 * AROUND_MM, MEDIAL_MM + LATERAL_MM)
    origin = tuple(
        float(h - low) for h, low in zip(head, (MEDIAL_MM, AROUND_MM, BELOW_MM), strict=True)
    )
    grid = Grid(origin_lps_mm=origin, spacing_mm=(1.0, 1.0, 1.0), shape=shape)  # type: ignore[arg-type]
    phase = ("none", "none", "portal", "arterial")[int(rng.integers(4))]
    anatomy = render(plan.subject, grid, Media(kvp=int(rng.choice([100, 120])), phase=phase))
    return FemurSpecimen(
        femur=distances(femur_shape(plan_femur(plan), side=1), grid),
        hip=distances(hip_bone_shape(plan, side=1), grid),
        head=np.array([BELOW_MM, AROUND_MM, MEDIAL_MM], np.float32),
        hu=anatomy.hu.round().clip(-1024, 3071).astype(np.int16),
    )


def phantom_surroundings(which: str, data: Path) -> list[Surroundings]:
    """Soft tissue around both hips of an ICRP phantom; the right one is mirrored."""
    phantom = reference_specimen(which, data, rng=np.random.default_rng(0))
    femora = np.isin(phantom.image, FEMORA)
    bones = np.isin(phantom.image, range(13, 59)) | (phantom.image >= DISC)
    nearest = ndimage.distance_transform_edt(bones, return_distances=False, return_indices=True)
    tissue = phantom.image[tuple(nearest)].astype(np.uint8)
    middle = tissue.shape[2] // 2
    found = []
    for side in ("left", "right"):
        mirrored, mask = (
            (tissue, femora) if side == "left" else (tissue[:, :, ::-1], femora[:, :, ::-1])
        )
        mask = mask.copy()
        mask[:, :, :middle] = False
        head = head_centre_index(mask, spacing_mm=phantom.spacing_mm)
        found.append(
            Surroundings(
                organs=np.ascontiguousarray(mirrored),
                head=head.astype(np.float32),
                names=phantom.organs,
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FemurShelf:
    """All specimens and surroundings of a run."""

    masks: tuple[FemurSpecimen, ...]
    virtual: tuple[FemurSpecimen, ...]
    surroundings: tuple[Surroundings, ...]

    def draw(self, rng: np.random.Generator) -> FemurSpecimen:
        """Draw one specimen; two of three have a real shape if the shelf has any."""
        use_mask = bool(self.masks) and (not self.virtual or rng.random() < REAL_SHARE)
        group = self.masks if use_mask else self.virtual
        return group[int(rng.integers(len(group)))]


def femur_shelf(
    data: Path | None, cache: Path, *, patients: int = 40, first_seed: int = 1000
) -> FemurShelf:
    """Load specimens from the cohort and, if given, from ``data``; keep them in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    masks, surroundings = [], []
    if data is not None:
        for path in sorted((data / "masks" / "hips").glob("*.nii.gz")):
            stem = path.name.split(".")[0]
            masks += _cached(cache, f"hip-{stem}", lambda path=path: hip_specimens(path))  # type: ignore[misc]
        for which in ("af", "am"):
            if (data / "icrp110" / f"{which}_organs.nii.gz").exists():
                surroundings += phantom_surroundings(which, data)
    virtual = []
    for seed in range(first_seed, first_seed + patients):
        virtual += _cached(cache, f"virtual-{seed}", lambda seed=seed: [virtual_femur(seed)])  # type: ignore[misc]
    return FemurShelf(masks=tuple(masks), virtual=tuple(virtual), surroundings=tuple(surroundings))


def femur_sources_of(data: Path | None, patients: int) -> tuple[Source, ...]:
    """Training data of `femur_shelf`, for the record of a run."""
    masks = [] if data is None else sorted((data / "masks" / "hips").glob("*.nii.gz"))
    phantoms = [] if data is None else sorted((data / "icrp110").glob("*_organs.nii.gz"))
    found = (
        Source(
            kind=Kind.SHAPES,
            count=len(masks),
            what="pairs of hips (Hip-Joints AutoSeg masks)",
            licence="MIT",
        ),
        Source(kind=Kind.VIRTUAL, count=patients, what="of training/cohort, their femora"),
        Source(kind=Kind.PHANTOM, count=len(phantoms), what="of ICRP 110, soft tissue around hips"),
    )
    return used_sources(found)


def _cached(
    folder: Path, name: str, make: Callable[[], list[FemurSpecimen]]
) -> list[FemurSpecimen]:
    path = folder / f"{name}.npz"
    if not path.exists():
        arrays: dict[str, NDArray[Any]] = {}
        for number, one in enumerate(make()):
            arrays |= {f"femur{number}": one.femur, f"hip{number}": one.hip}
            arrays[f"head{number}"] = one.head
            if one.hu is not None:
                arrays[f"hu{number}"] = one.hu
        partial = folder / f"{name}.partial.npz"
        np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    with np.load(path) as stored:
        count = sum(key.startswith("femur") for key in stored.files)
        return [
            FemurSpecimen(
                femur=stored[f"femur{n}"],
                hip=stored[f"hip{n}"],
                head=stored[f"head{n}"],
                hu=stored.get(f"hu{n}"),
            )
            for n in range(count)
        ]


def femur_samples(shelf: FemurShelf, seed: int) -> Iterator[FineSample]:
    """Endless stream of random patches; two of three have a real shape if the shelf has any."""
    rng = np.random.default_rng(seed)
    while True:
        yield draw_femur(shelf.draw(rng), shelf.surroundings, rng)


def draw_femur(
    specimen: FemurSpecimen,
    surroundings: Sequence[Surroundings],
    rng: np.random.Generator,
    patch: tuple[int, int, int] = PATCH,
) -> FineSample:
    """Draw one random patch of a femur, placed as for the network in the product."""
    room = (np.array(FEMUR_CROP) - np.array(patch)) / 2 + 10
    centre = specimen.head + CROP_OFFSET_MM + rng.uniform(-room, room)
    hu, femur, _ = femur_scene(specimen, surroundings, random_places(rng, patch, centre), rng)
    hu, labels = cut_off(imaged(hu, rng), (femur < 0).long(), rng)
    return as_sample(hu, labels)


def femur_scene(
    specimen: FemurSpecimen,
    surroundings: Sequence[Surroundings],
    places: Places,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """HU of one hip without blur and noise, and signed distances of femur and hip bone in mm."""
    femur = places.value(specimen.femur) / STEPS_PER_MM * places.scale
    hip = places.value(specimen.hip) / STEPS_PER_MM * places.scale
    if specimen.hu is not None and rng.random() < 0.6:
        hu = places.value(specimen.hu)
        return recoloured(hu, (femur < 0) | (hip < 0), rng), femur, hip
    hu = _soft_tissue(specimen, surroundings, places, rng)
    hu = add_clutter(hu, (femur > 3) & (hip > 2), rng)
    return _painted(hu, specimen, places, femur, hip, rng), femur, hip


def _soft_tissue(
    specimen: FemurSpecimen,
    surroundings: Sequence[Surroundings],
    places: Places,
    rng: np.random.Generator,
) -> torch.Tensor:
    shape = tuple(places.index.shape[:3])
    hu = soft_tissue(rng, shape)
    if surroundings and rng.random() < 0.5:
        donor = surroundings[int(rng.integers(len(surroundings)))]
        offset = torch.from_numpy(donor.head + rng.normal(0, 3, 3).astype(np.float32))
        index = (places.index - torch.from_numpy(specimen.head)) / SPACING_MM + offset
        organs = Places(index=index, scale=1.0).nearest(donor.organs)
        return torch.from_numpy(soft_organ_hu(donor.names, rng))[organs] + rng.uniform(
            0, 15
        ) * smooth_noise(rng, shape, 8)
    # Fat beneath skin on the lateral, anterior or posterior side, and air beyond it.
    for axis, towards in ((2, 1), (1, -1), (1, 1)):
        if rng.random() < 0.6:
            place = (places.index[..., axis] - float(specimen.head[axis])) * towards
            place = place + 4 * smooth_noise(rng, shape, 40)
            muscle = rng.uniform(45, 90) if axis == 2 else rng.uniform(25, 60)
            skin = muscle + rng.uniform(3, 70)
            hu = torch.where(place > muscle, torch.full_like(hu, rng.uniform(-130, -75)), hu)
            hu = torch.where(place > skin, torch.full_like(hu, rng.uniform(-30, 60)), hu)
            hu = torch.where(place > skin + 2, torch.full_like(hu, -1000.0), hu)
    return hu


def _painted(
    hu: torch.Tensor,
    specimen: FemurSpecimen,
    places: Places,
    femur: torch.Tensor,
    hip: torch.Tensor,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Paint joint, hip bone and femur: dense head, sparse neck, shaft with marrow and thick cortex."""
    shape = tuple(femur.shape)
    look = random_look(rng)
    near_joint = coverage(torch.maximum(femur - 5, hip - 5), 2.0)
    hu = hu + near_joint * (rng.uniform(10, 130) - hu)
    wobble = torch.exp(0.3 * smooth_noise(rng, shape, 14))
    hu = paint_bone(
        hu,
        hip,
        cortex_mm=rng.uniform(0.5, 2.4) * wobble,
        cortex_hu=look.cortex_hu * rng.uniform(0.7, 1.1),
        inside_hu=trabecular_texture(rng, look, hip),
    )
    away = places.index - torch.from_numpy(specimen.head)
    below = -away[..., 0]
    radius = away.norm(dim=-1)
    inside = trabecular_texture(rng, look, femur)
    # One part of the head carries the load of standing; the rest may be as sparse as marrow.
    lean = rng.normal(0, 1, 3)
    lopsided = (away @ torch.from_numpy((lean / np.linalg.norm(lean)).astype(np.float32))) / 22
    head = torch.sigmoid((rng.uniform(14, 30) - radius) / rng.uniform(2, 8))
    inside = inside + rng.uniform(-40, 240) * head * (1 + rng.uniform(0, 1.2) * lopsided)
    patchy = smooth_noise(rng, shape, rng.uniform(14, 30)) * rng.uniform(0, 0.6)
    inside = inside + patchy * (look.trabecular_hu - look.marrow_hu + 60)
    if rng.random() < COLUMN_SHARE:
        inside = _with_column(inside, away, look, rng)
    marrow = torch.sigmoid((below - rng.uniform(25, 70)) / rng.uniform(5, 15))
    inside = inside + marrow * (look.marrow_hu - inside) * rng.uniform(0.4, 1.0)
    shaft = torch.sigmoid((below - rng.uniform(30, 60)) / rng.uniform(5, 14))
    thin, thick = rng.uniform(0.25, 1.5), rng.uniform(1.5, 7)
    return paint_bone(
        hu,
        femur,
        cortex_mm=(thin + (thick - thin) * shaft) * wobble,
        cortex_hu=look.cortex_hu * (1 + 0.12 * smooth_noise(rng, shape, 10)),
        inside_hu=inside,
    )


def _with_column(
    inside: torch.Tensor, away: torch.Tensor, look: BoneLook, rng: np.random.Generator
) -> torch.Tensor:
    """Keep a column of trabeculae through the head and thin out the bone beside it.

    Source: the principal compressive group, which osteoporosis removes last (Singh 1970).
    """
    along = np.array([1.0, rng.normal(0, 0.3), rng.normal(0, 0.4)])
    along /= np.linalg.norm(along)
    axis = torch.from_numpy(along.astype(np.float32))
    offset = away - torch.from_numpy(rng.normal(0, 4, 3).astype(np.float32))
    aside = (offset - (offset @ axis)[..., None] * axis).norm(dim=-1)
    column = torch.exp(-0.5 * (aside / rng.uniform(5, 12)) ** 2)
    floor = look.marrow_hu + rng.uniform(0, 80)
    dim = torch.maximum(inside - (1 - column) * rng.uniform(40, 300), torch.tensor(floor))
    in_head = torch.sigmoid((rng.uniform(22, 32) - away.norm(dim=-1)) / rng.uniform(1, 5))
    return inside + in_head * (dim - inside)


def soft_organ_hu(names: dict[int, str], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw plausible HU for every soft organ of an ICRP phantom."""
    lut = np.full(256, -1000, np.float32)
    contrast = rng.random() < 0.5
    soft = rng.uniform(15, 110 if contrast else 70, 256)
    muscle, fat = rng.uniform(20, 80), rng.uniform(-130, -75)
    blood = rng.uniform(80, 300) if contrast else rng.uniform(25, 65)
    for number, name in names.items():
        lut[number] = soft[number]
        for words, value in (
            (("contents",), rng.choice([rng.uniform(-900, -300), rng.uniform(0, 200)])),
            (("muscle",), muscle),
            (("urine", "bladder contents"), rng.uniform(-5, 40)),
            (("blood", "aorta"), blood),
            (("adipose", "residual", "fat"), fat),
            (("skin",), rng.uniform(-40, 60)),
        ):
            if any(word in name for word in words):
                lut[number] = value
    return lut

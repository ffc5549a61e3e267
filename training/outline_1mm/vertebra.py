"""Training samples of single vertebrae in their own axes: virtual patients, and painted real shapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from models.structures_1mm import CORE_DEPTH_MM, VERTEBRA_CROP, VertebraStructure
from pipelines.contract.anatomy import Level
from pipelines.outline.vertebrae_1mm import CROP_OFFSET_MM
from pipelines.space.masks import connected_parts
from training.cohort.body.anatomy import render
from training.cohort.body.pelvis import sacrum_shape
from training.cohort.body.plan import VertebraPlan, plan_body
from training.cohort.body.vertebra import body_shape, vertebra_shape
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.loop.about import Kind, Source, used_sources
from training.outline_1mm.bone import (
    add_clutter,
    coverage,
    paint_bone,
    random_look,
    recoloured,
    soft_tissue,
    trabecular_texture,
)
from training.outline_1mm.deformation import Places, random_places, smooth_noise
from training.outline_1mm.femur import STEPS_PER_MM, distances, signed_distance
from training.outline_1mm.imaging import cut_off, imaged
from training.outline_1mm.sample import FineSample, as_sample

LOWEST: Final = np.array([-52.0, -48.0, -72.0])
HIGHEST: Final = np.array([48.0, 88.0, 72.0])
"""Box of a specimen around the centre of the body: up, posterior, left, mm."""
JITTER_MM: Final = 5.0
WALL_HALF_WIDTH_MM: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraSpecimen:
    """One vertebra and its neighbours.

    Parameters
    ----------
    bone, body, neighbours : (slices, rows, columns) int8
        Signed distance in 1/8 mm, negative inside; patient axes up, posterior, left, 1 mm.
        ``body`` has no pedicles; ``neighbours`` are vertebrae or sacrum.
    centre : (3,) float32
        Index of the centre of the body.
    axes : (3, 3) float32
        Rows: up, posterior and left of the vertebra, as (up, posterior, left) of the patient.
    hu : (slices, rows, columns) int16 or None
        Simulated CT of a virtual patient.
    """

    bone: NDArray[np.int8]
    body: NDArray[np.int8]
    neighbours: NDArray[np.int8]
    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    hu: NDArray[np.int16] | None = None


def virtual_vertebra(seed: int, level: Level) -> VertebraSpecimen:
    """Vertebra of a virtual patient with the patient's findings: exact distances and HU."""
    rng = np.random.default_rng([seed, int(level)])
    plan = plan_body(draw_subject(seed, with_findings=bool(rng.random() < 0.6)))
    vertebra = next(v for v in plan.vertebrae if v.level == level)
    centre = np.rint(vertebra.centre_lps_mm)
    origin = centre + LOWEST[::-1]
    grid = Grid(
        origin_lps_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        spacing_mm=(1.0, 1.0, 1.0),
        shape=tuple(int(n) for n in HIGHEST - LOWEST),  # type: ignore[arg-type]
    )
    phase = ("none", "none", "portal", "arterial")[int(rng.integers(4))]
    anatomy = render(plan.subject, grid, Media(kvp=int(rng.choice([100, 120])), phase=phase))
    others = [v for v in plan.vertebrae if v is not vertebra and _near(v, vertebra)]
    around = np.full(grid.shape, 127, np.int8)
    for other in others:
        np.minimum(around, distances(vertebra_shape(other), grid), out=around)
    if level >= Level.L4:
        np.minimum(around, distances(sacrum_shape(plan), grid), out=around)
    turn = vertebra.axes[[2, 1, 0]][:, [2, 1, 0]]
    return VertebraSpecimen(
        bone=distances(vertebra_shape(vertebra), grid),
        body=distances(body_shape(vertebra), grid),
        neighbours=around,
        centre=(vertebra.centre_lps_mm - origin)[::-1].astype(np.float32),
        axes=turn.astype(np.float32),
        hu=anatomy.hu.round().clip(-1024, 3071).astype(np.int16),
    )


def _near(one: VertebraPlan, other: VertebraPlan) -> bool:
    return bool(np.linalg.norm(one.centre_lps_mm - other.centre_lps_mm) < 90)


def mask_specimens(path: Path) -> list[VertebraSpecimen]:
    """Read the vertebrae of a VerSe label map (16 = T9 ... 24 = L5)."""
    image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
    zooms = np.asarray(image.header.get_zooms()[:3], float)[::-1]
    # RAS (right, anterior, up) to (up, posterior, left).
    labels = np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0)[:, ::-1, ::-1]
    masks = {
        int(value): ndimage.zoom((labels == value).astype(np.float32), zooms, order=1) > 0.5
        for value in np.unique(labels[labels > 0])
    }
    centres = {value: _body_centre(mask) for value, mask in masks.items()}
    return [_from_masks(value, masks, centres) for value in masks]


def _body_centre(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Centre of the solid anterior part: the point with the largest distance to the surface."""
    inside = ndimage.distance_transform_edt(mask)
    return np.asarray(np.argwhere(inside > 0.75 * inside.max()).mean(axis=0))


def _from_masks(
    value: int, masks: dict[int, NDArray[np.bool_]], centres: dict[int, NDArray[np.float64]]
) -> VertebraSpecimen:
    above, below = centres.get(value - 1, centres[value]), centres.get(value + 1, centres[value])
    up = (above - below) / np.linalg.norm(above - below)
    posterior = np.cross(up, (0.0, 0.0, 1.0)) * -1
    posterior /= np.linalg.norm(posterior)
    axes = np.stack([up, posterior, np.cross(up, posterior)])
    start = np.rint(centres[value] + LOWEST).astype(int)
    bone = _boxed(masks[value], start)
    others = np.zeros_like(bone)
    for other, mask in masks.items():
        if other != value:
            others |= _boxed(mask, start)
    pitch = np.linalg.norm(above - below) / (
        2 if value - 1 in centres and value + 1 in centres else 1
    )
    for missing, way in ((value - 1, 1), (value + 1, -1)):
        if missing not in masks:  # the mask ends here, but the patient has more vertebrae
            copy = ndimage.shift(bone.astype(np.float32), way * pitch * up, order=1) > 0.5
            others |= copy & ~bone
    centre = centres[value] - start
    body = _body_of(bone, centre, axes)
    return VertebraSpecimen(
        bone=signed_distance(bone),
        body=signed_distance(body),
        neighbours=signed_distance(others),
        centre=np.argwhere(body).mean(axis=0).astype(np.float32),
        axes=axes.astype(np.float32),
    )


def _boxed(mask: NDArray[np.bool_], start: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Crop a mask from ``start`` to the size of the box; beyond its borders it is empty."""
    shape = (HIGHEST - LOWEST).astype(int)
    result = np.zeros(tuple(shape), bool)
    low = np.maximum(start, 0)
    high = np.minimum(start + shape, mask.shape)
    into = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    result[into] = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return result


def _body_of(
    bone: NDArray[np.bool_], centre: NDArray[np.float64], axes: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Part of a vertebra anterior to the spinal canal.

    In the midline, the first exit from the bone behind the centre of the body is the posterior wall.
    The median of these points over all heights gives the plane that cuts the pedicles.
    """
    places = np.argwhere(bone) - centre
    up, back, left = (places @ axis for axis in axes)
    walls = []
    for height in range(-14, 15, 2):
        near = (np.abs(up - height) < 1.5) & (np.abs(left) < WALL_HALF_WIDTH_MM) & (back > -5)
        depths = np.unique(np.rint(back[near]))
        gaps = np.flatnonzero(np.diff(depths) > 1)
        if len(depths) and len(gaps):
            walls.append(depths[gaps[0]])
    wall = float(np.median(walls)) if walls else 17.0
    body = np.zeros_like(bone)
    front = np.argwhere(bone)[back <= wall + 0.5]
    body[tuple(front.T)] = True
    parts, _ = connected_parts(ndimage.binary_opening(body, iterations=2))
    middle = parts[tuple(np.rint(centre).astype(int))]
    return np.asarray(ndimage.binary_dilation(parts == middle, iterations=3) & body)


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraShelf:
    """All specimens of a run."""

    masks: tuple[VertebraSpecimen, ...]
    virtual: tuple[VertebraSpecimen, ...]


def vertebra_shelf(
    data: Path | None, cache: Path, *, patients: int = 60, first_seed: int = 3000
) -> VertebraShelf:
    """Load one vertebra (T10 to L5) per virtual patient and the masks of ``data``; keep in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    masks: list[VertebraSpecimen] = []
    for path in sorted((data / "masks").glob("verse*.nii.gz")) if data is not None else ():
        folder = cache / path.name.split(".")[0]
        if not folder.exists():
            part = folder.with_suffix(".partial")
            part.mkdir(exist_ok=True)
            for number, one in enumerate(mask_specimens(path)):
                _store(one, part / f"{number:02d}.npz")
            part.rename(folder)
        masks += [_stored(one) for one in sorted(folder.iterdir())]
    virtual = []
    for seed in range(first_seed, first_seed + patients):
        level = Level(int(Level.T10) + (seed * 5) % 8)
        path = cache / f"virtual-{seed}-{level.name}.npz"
        if not path.exists():
            _store(virtual_vertebra(seed, level), path)
        virtual.append(_stored(path))
    return VertebraShelf(masks=tuple(masks), virtual=tuple(virtual))


def vertebra_sources_of(data: Path | None, patients: int) -> tuple[Source, ...]:
    """Training data of `vertebra_shelf`, for the record of a run."""
    masks = [] if data is None else sorted((data / "masks").glob("verse*.nii.gz"))
    found = (
        Source(
            kind=Kind.SHAPES, count=len(masks), what="spines (VerSe masks)", licence="CC BY-SA 4.0"
        ),
        Source(kind=Kind.VIRTUAL, count=patients, what="of training/cohort, a vertebra of each"),
    )
    return used_sources(found)


def _store(one: VertebraSpecimen, path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "bone": one.bone,
        "body": one.body,
        "neighbours": one.neighbours,
    }
    arrays |= {"centre": one.centre, "axes": one.axes}
    if one.hu is not None:
        arrays["hu"] = one.hu
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def _stored(path: Path) -> VertebraSpecimen:
    with np.load(path) as stored:
        return VertebraSpecimen(
            bone=stored["bone"],
            body=stored["body"],
            neighbours=stored["neighbours"],
            centre=stored["centre"],
            axes=stored["axes"],
            hu=stored.get("hu"),
        )


def vertebra_samples(shelf: VertebraShelf, seed: int) -> Iterator[FineSample]:
    """Endless stream of random crops; two of five have a real shape if the shelf has any."""
    rng = np.random.default_rng(seed)
    while True:
        use_mask = bool(shelf.masks) and (not shelf.virtual or rng.random() < 0.4)
        group = shelf.masks if use_mask else shelf.virtual
        yield draw_vertebra(group[int(rng.integers(len(group)))], rng)


def draw_vertebra(specimen: VertebraSpecimen, rng: np.random.Generator) -> FineSample:
    """Draw one crop of a vertebra, placed as for the network in the product."""
    jitter = rng.uniform(-JITTER_MM, JITTER_MM, 3)
    places = random_places(
        rng,
        VERTEBRA_CROP,
        specimen.centre + (np.array(CROP_OFFSET_MM) + jitter) @ specimen.axes,
        axes=specimen.axes,
        turn_deg=6.0,
        bend_mm=2.0,
    )
    bone, body, neighbours = (
        places.value(volume) / STEPS_PER_MM * places.scale
        for volume in (specimen.bone, specimen.body, specimen.neighbours)
    )
    solid = (bone < 0) | (neighbours < 0)
    if specimen.hu is not None and rng.random() < 0.7:
        hu = recoloured(places.value(specimen.hu), solid, rng)
    else:
        hu = soft_tissue(rng, VERTEBRA_CROP)
        hu = add_clutter(hu, torch.minimum(bone, neighbours) > 2, rng)
        hu = _painted(hu, specimen, places, bone, body, neighbours, rng)
    hu, labels = cut_off(imaged(hu, rng), labels_of(bone, body, neighbours), rng, chance=0.1)
    return as_sample(hu, labels)


def labels_of(bone: torch.Tensor, body: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
    """``VertebraStructure`` of every voxel from signed distances in mm."""
    labels = torch.zeros(bone.shape, dtype=torch.int64)
    labels[neighbours < 0] = int(VertebraStructure.NEIGHBOUR)
    labels[bone < 0] = int(VertebraStructure.POSTERIOR_ELEMENTS)
    labels[(body < 0) & (bone < 0)] = int(VertebraStructure.BODY_SHELL)
    labels[(body < -CORE_DEPTH_MM) & (bone < 0)] = int(VertebraStructure.TRABECULAR_CORE)
    return labels


def _painted(
    hu: torch.Tensor,
    specimen: VertebraSpecimen,
    places: Places,
    bone: torch.Tensor,
    body: torch.Tensor,
    neighbours: torch.Tensor,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Paint discs, neighbours, then the vertebra with thin cortex, vein and a denser arch."""
    shape = tuple(bone.shape)
    look = random_look(rng)
    disc = coverage(torch.maximum(body, neighbours) - rng.uniform(6, 11), 2.0)
    hu = hu + disc * (rng.uniform(30, 140) - hu)
    wobble = torch.exp(0.3 * smooth_noise(rng, shape, 12))
    thin, thick = rng.uniform(0.3, 1.4), rng.uniform(0.6, 2.4)
    cortex_hu = look.cortex_hu * (1 + 0.12 * smooth_noise(rng, shape, 9))
    hu = paint_bone(
        hu,
        neighbours,
        cortex_mm=rng.uniform(0.4, 1.8) * wobble,
        cortex_hu=cortex_hu,
        inside_hu=trabecular_texture(rng, look, neighbours),
    )
    in_arch = (body / 3).clamp(0, 1)
    inside = trabecular_texture(rng, look, bone) + rng.uniform(0, 180) * in_arch
    inside = _with_vein(inside, specimen, places, look.marrow_hu, rng)
    return paint_bone(
        hu,
        bone,
        cortex_mm=(thin + (thick - thin) * in_arch) * wobble,
        cortex_hu=cortex_hu,
        inside_hu=inside,
    )


def _with_vein(
    hu: torch.Tensor,
    specimen: VertebraSpecimen,
    places: Places,
    marrow_hu: float,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Add the basivertebral vein: a wedge at mid-height from the posterior wall to the body's centre."""
    away = places.index - torch.from_numpy(specimen.centre)
    up, back, left = (away @ torch.from_numpy(specimen.axes).T).unbind(-1)
    reach = ((back + rng.uniform(-3, 5)) / 14).clamp(0, 1)
    place = (up.abs() < 2.8 * reach) & (left.abs() < 7 * reach) & (back < 22)
    value = marrow_hu if rng.random() < 0.6 else rng.uniform(0, 200)
    return torch.where(place, torch.full_like(hu, float(value)), hu)

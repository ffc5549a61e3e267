"""Compose training specimens: masks of real vertebrae and hips in the soft tissue of a phantom.

The masks have shapes that no parametric model has: real arches and processes, sacra, hip bones
and femora. The spine of one person stands on the sacrum of another. Discs fill the gaps, and
generated ribs start at the thoracic vertebrae. Organs, muscles and fat come from the phantom.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from models.structures_3mm import Structure
from pipelines.contract.anatomy import Level
from pipelines.space.masks import connected_parts
from training.cohort.icrp110.organ_maps import (
    DISC,
    FEMORA,
    LUMBAR,
    PELVIS,
    RIBS,
    SACRUM,
    SHELL,
    SPONGIOSA,
    THORACIC,
    phantom,
    phantom_names,
)
from training.cohort.icrp110.specimen import SPACING_MM, Specimen

Mask = NDArray[np.bool_]

MUSCLE: Final = 204
HIP_CORTEX, HIP_SPONGIOSA = PELVIS
SACRUM_CORTEX, SACRUM_SPONGIOSA = SACRUM
FEMUR_CORTEX, FEMUR_SPONGIOSA = FEMORA[0], FEMORA[1]
RIB_CORTEX, RIB_SPONGIOSA = RIBS
NAMES: Final = {MUSCLE: "muscle"}
HELD_OUT_PELVES: Final = 4
GAP_MM: Final = 14.0
"""A disc lies between two bodies that are closer than this."""
OPENING_MM: Final = 6.5
"""Radius of a ball that fits into a vertebral body, also a wedged one, but rarely into an arch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """Vertebrae of one or two people, one above the other.

    Parameters
    ----------
    labels : (slices, rows, columns) uint8
        ``Level``; axes up, posterior, left.
    bodies : same shape, bool
    centres
        Index coordinates of the bodies' centres.
    """

    labels: NDArray[np.uint8]
    bodies: Mask
    centres: dict[Level, NDArray[np.float64]]


def composed_specimen(seed: int, data: Path, *, held_out: bool = False) -> Specimen:
    """Compose a random spine, pelvis and phantom; ``held_out`` selects the pelves kept for tests."""
    rng = np.random.default_rng([seed, 5])
    spine = _spine(data, rng)
    hips = sorted((data / "masks" / "hips").glob("*.nii.gz"))
    hips = hips[-HELD_OUT_PELVES:] if held_out else hips[:-HELD_OUT_PELVES]
    pelvis = read_mask(hips[int(rng.integers(len(hips)))])
    which = str(rng.choice(["af", "am"]))
    organs = phantom(which, data)
    names = phantom_names(which, data) | NAMES
    return _compose(spine, pelvis, organs, names, rng)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a label map on the 2 mm grid; axes up, posterior, left."""
    image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
    zoom = np.asarray(image.header.get_zooms()[:3])[::-1] / SPACING_MM
    labels = np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0)[:, ::-1, ::-1]
    return np.asarray(ndimage.zoom(labels, zoom, order=0))


def _spine(data: Path, rng: np.random.Generator) -> Spine:
    """T9 to L5 of one person, or T9 to T12 of one and L1 to L5 of another."""
    long = read_mask(data / "masks" / "verse004_vertebrae.nii.gz")
    if rng.random() < 0.5:
        return _split(long)
    short = read_mask(data / "masks" / "verse010_vertebrae.nii.gz")
    below = _split(np.pad(short, ((0, 110), (10, 10), (10, 10))))
    above = _split(np.where(long <= Level.T12, long, 0).astype(np.uint8))
    gap = rng.uniform(7, 10) / SPACING_MM
    up = _up(below.centres, Level.L1)
    top = _end(below, Level.L1, up, upper=True) + gap * up
    shift = np.round(top - _end(above, Level.T12, up, upper=False)).astype(int)
    labels, bodies = below.labels.copy(), below.bodies.copy()
    _paste(labels, above.labels, shift)
    moved = np.zeros_like(labels)
    _paste(moved, above.bodies.astype(np.uint8), shift)
    centres = below.centres | {level: c + shift for level, c in above.centres.items()}
    return Spine(labels=labels, bodies=bodies | (moved > 0), centres=centres)


def _split(labels: NDArray[np.uint8]) -> Spine:
    """Separate the body of every vertebra from its arch by morphological opening with a ball."""
    labels = np.pad(np.where((labels >= Level.T9) & (labels <= Level.L5), labels, 0), 4)
    bodies = np.zeros(labels.shape, bool)
    cores, centres = {}, {}
    for level in map(Level, np.unique(labels)[1:]):
        mask = labels == level
        inside = ndimage.distance_transform_edt(mask) * SPACING_MM > OPENING_MM - 1
        core = ndimage.distance_transform_edt(~_foremost(inside)) * SPACING_MM < OPENING_MM
        cores[level] = core & mask
        centres[level] = np.argwhere(cores[level]).mean(axis=0)
    for level, core in cores.items():
        up = _up(centres, level)
        behind = np.array([-up[1], up[0], 0.0])
        depth = (np.argwhere(core) - centres[level]) @ behind
        where = np.argwhere(labels == level)
        near = ndimage.distance_transform_edt(~core)[tuple(where.T)] * SPACING_MM < 7
        front = (where - centres[level]) @ behind <= np.percentile(depth, 97) + 1
        bodies[tuple(where[near & front].T)] = True
        centres[level] = np.argwhere(bodies & (labels == level)).mean(axis=0)
    return Spine(labels=labels.astype(np.uint8), bodies=bodies, centres=centres)


def _foremost(mask: Mask) -> Mask:
    """The most anterior of the larger parts: the body, not the joints."""
    parts, sizes = connected_parts(mask)
    large = np.flatnonzero(sizes > 0.3 * sizes.max())
    return np.asarray(parts == min(large, key=lambda one: np.nonzero(parts == one)[1].mean()))


def _up(centres: dict[Level, NDArray[np.float64]], level: Level) -> NDArray[np.float64]:
    """Direction of the spine at a vertebra."""
    above = centres.get(Level(max(level - 1, min(centres))), centres[level])
    below = centres.get(Level(min(level + 1, max(centres))), centres[level])
    way = above - below
    return np.asarray(way / np.linalg.norm(way))


def _end(
    spine: Spine, level: Level, up: NDArray[np.float64], *, upper: bool
) -> NDArray[np.float64]:
    """Centre of an end plate."""
    heights = (np.argwhere(spine.bodies & (spine.labels == level)) - spine.centres[level]) @ up
    return np.asarray(spine.centres[level] + np.percentile(heights, 97 if upper else 3) * up)


def _paste(target: NDArray[np.uint8], source: NDArray[np.uint8], shift: NDArray[np.int_]) -> None:
    """Copy the voxels that are not zero and lie within the target."""
    places = np.argwhere(source > 0)
    moved = places + shift
    fits = np.all((moved >= 0) & (moved < target.shape), axis=1)
    target[tuple(moved[fits].T)] = source[tuple(places[fits].T)]


def _compose(
    spine: Spine,
    pelvis: NDArray[np.uint8],
    organs: NDArray[np.int16],
    names: dict[int, str],
    rng: np.random.Generator,
) -> Specimen:
    """Place the spine on the sacrum, then both into the phantom so that the sacra coincide."""
    old = _first_sacral_endplate(np.isin(organs, SACRUM))
    bones = RIBS + PELVIS + FEMORA + THORACIC + LUMBAR + SACRUM
    image = np.where(np.isin(organs, bones), MUSCLE, organs).astype(np.int16)
    middle, normal = _first_sacral_endplate(pelvis == 5)
    to_phantom = np.round(old[0] - middle).astype(int)
    placed = np.zeros(image.shape, np.uint8)
    _paste(placed, pelvis, to_phantom)
    up = _up(spine.centres, Level.L5)
    foot = middle + to_phantom + normal * rng.uniform(6, 11) / SPACING_MM
    to_spine = np.round(foot - _end(spine, Level.L5, up, upper=False)).astype(int)
    labels, bodies = np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.uint8)
    _paste(labels, spine.labels, to_spine)
    _paste(bodies, spine.bodies.astype(np.uint8), to_spine)
    centres = {level: c + to_spine for level, c in spine.centres.items()}
    parts = np.zeros(image.shape, np.uint8)
    last_ribs = _hang_ribs(image, parts, centres, rng)
    _paint_pelvis(image, parts, placed, rng)
    _paint_spine(image, parts, labels, bodies > 0, placed == 5)
    last_ribs[parts != Structure.RIB] = 0
    top = int(max(c[0] for c in centres.values()) + 6)
    return Specimen(
        image=image[:top],
        parts=parts[:top],
        centres=np.asarray(list(centres.values()), np.float32),
        spacing_mm=SPACING_MM,
        organs=names,
        last_ribs_mm=last_ribs[:top],
    )


def _first_sacral_endplate(sacrum: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of the upper end plate of S1 and its unit normal upward, in index coordinates."""
    places = np.argwhere(sacrum)
    column = places[:, 2].mean()
    slab = places[np.abs(places[:, 2] - column) * SPACING_MM < 8]
    upper = slab[slab[:, 0] > slab[:, 0].max() - 35 / SPACING_MM]
    front = np.percentile(upper[:, 1], 1)
    rows = np.arange(round(front) + 1, round(front + 26 / SPACING_MM))
    tops = [upper[upper[:, 1] == row][:, 0].max(initial=0) for row in rows]
    slope, _ = np.polyfit(rows, tops, 1)
    middle = np.array([np.median(tops), rows.mean(), column])
    normal = np.array([1.0, -slope, 0.0])
    return middle, normal / np.linalg.norm(normal)


def _paint(
    image: NDArray[np.int16],
    parts: NDArray[np.uint8],
    mask: Mask,
    part: int,
    dense: int,
    core: int,
    shell: int = 1,
) -> None:
    """Paint the shell (thickness in voxels) and the inside of a bone."""
    image[mask] = dense
    image[ndimage.binary_erosion(mask, iterations=shell)] = core
    parts[mask] = part


def _paint_pelvis(
    image: NDArray[np.int16],
    parts: NDArray[np.uint8],
    pelvis: NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    """Paint hip bones, sacrum and femora: cortex of 2 to 6 mm in femoral shafts, 2 mm elsewhere."""
    thick = int(rng.integers(1, 4))
    femur = (FEMUR_CORTEX, FEMUR_SPONGIOSA)
    for value, part, (dense, core) in (
        (3, Structure.HIP_BONE, (HIP_CORTEX, HIP_SPONGIOSA)),
        (4, Structure.HIP_BONE, (HIP_CORTEX, HIP_SPONGIOSA)),
        (5, Structure.SACRUM, (SACRUM_CORTEX, SACRUM_SPONGIOSA)),
        (1, Structure.FEMUR_RIGHT, femur),
        (2, Structure.FEMUR_LEFT, femur),
    ):
        shell = thick if value in (1, 2) else 1
        _paint(image, parts, pelvis == value, part, dense, core, shell)


def _paint_spine(
    image: NDArray[np.int16],
    parts: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    bodies: Mask,
    sacrum: Mask,
) -> None:
    """Paint the vertebrae and the discs between them and above the sacrum."""
    levels = [Level(value) for value in np.unique(labels)[1:]]
    for level in levels:
        below = labels == level + 1 if level < Level.L5 else sacrum
        _fill_disc(image, parts, bodies & (labels == level), below & (bodies | sacrum))
    for level in levels:
        vertebra = labels == level
        body = Structure.LUMBAR_BODY if level.is_lumbar else Structure.THORACIC_BODY
        _paint(image, parts, vertebra, Structure.POSTERIOR_ELEMENTS, SHELL, SPONGIOSA)
        parts[vertebra & bodies] = body


def _fill_disc(
    image: NDArray[np.int16], parts: NDArray[np.uint8], upper: Mask, lower: Mask
) -> None:
    if not (upper.any() and lower.any()):
        return
    reach = round(GAP_MM / SPACING_MM) + 1
    low = np.maximum(np.argwhere(upper).min(axis=0) - reach, 0)
    high = np.argwhere(upper).max(axis=0) + reach + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    if not lower[box].any():
        return
    one, other = (ndimage.distance_transform_edt(~m[box]) * SPACING_MM for m in (upper, lower))
    gap = float(one[lower[box]].min())
    between = (one + other < min(gap + 7.0, GAP_MM + 4.0)) & (one > 0) & (other > 0)
    image[box][between] = DISC
    parts[box][between] = Structure.DISC


def _hang_ribs(
    image: NDArray[np.int16],
    parts: NDArray[np.uint8],
    centres: dict[Level, NDArray[np.float64]],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Add ribs to the thoracic vertebrae; return the distance along the last rib from its head, mm."""
    last = np.zeros(image.shape, np.uint8)
    scale = rng.uniform(0.9, 1.1)
    for level in (level for level in centres if level <= Level.T12):
        full = {Level.T12: 120.0, Level.T11: 200.0}.get(level, 260.0)
        drop = rng.uniform(0.35, 0.9)
        for side in (1, -1):
            path = rib_path(side, full * rng.uniform(0.8, 1.2), drop, scale, rng)
            path = path / SPACING_MM + centres[level]
            way = np.arange(len(path), dtype=float) * 1.5
            radius = rng.uniform(3.0, 5.0) * (0.85 if level == Level.T12 else 1.0)
            _paint_tube(image, parts, last if level == Level.T12 else None, path, way, radius)
    return last


def rib_path(
    side: int, length_mm: float, drop: float, scale: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(points, 3) offsets (up, posterior, left) in mm from the body's centre, 1.5 mm apart.

    The path runs from the head beside the body over the tubercle around the trunk. ``drop`` is the
    descent per millimetre of path beyond the tubercle.
    """
    jitter = rng.normal(0, 1.5, (3, 2))
    neck = np.array([[17.0, 19.0], [27.0, 33.0], [46.0, 44.0]]) * scale + jitter
    half, front = rng.uniform(105, 135) * scale, rng.uniform(60, 85) * scale
    angles = np.deg2rad(np.arange(32.0, 150.0, 8.0))
    round_trunk = np.stack(
        [half * np.sin(angles), -front + (front + 42 * scale) * np.cos(angles) ** 1], axis=1
    )
    plane = np.concatenate([neck, round_trunk])
    steps = np.linalg.norm(np.diff(plane, axis=0), axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.arange(0, min(length_mm, way[-1]), 1.5)
    curve = make_interp_spline(way, plane, k=3)(places)
    up = rng.uniform(2, 9) - drop * np.maximum(places - way[1], 0)
    return np.stack([up, curve[:, 1], side * curve[:, 0]], axis=1)


def _paint_tube(
    image: NDArray[np.int16],
    parts: NDArray[np.uint8],
    last: NDArray[np.uint8] | None,
    path: NDArray[np.float64],
    way_mm: NDArray[np.float64],
    radius_mm: float,
) -> None:
    reach = int(np.ceil(radius_mm / SPACING_MM))
    ball = np.argwhere(np.ones((2 * reach + 1,) * 3)) - reach
    far = np.linalg.norm(ball, axis=1) * SPACING_MM
    for inner, value in ((radius_mm, RIB_CORTEX), (radius_mm - SPACING_MM, RIB_SPONGIOSA)):
        offsets = ball[far <= inner]
        for point, way in zip(np.round(path).astype(int), way_mm, strict=True):
            places = point + offsets
            fits = np.all((places >= 0) & (places < image.shape), axis=1)
            index = tuple(places[fits].T)
            image[index] = value
            parts[index] = Structure.RIB
            if last is not None:
                last[index] = max(1, min(255, round(way)))

"""Paint the soft body of a patient from the ICRP 110 reference phantom of the same sex.

The phantom is warped to the plan. Vertebral centres and femoral heads determine the heights.
Within a slice, every point moves along its ray from the spine so that cavity, muscles and skin of
the phantom match those of the plan. Skin, ribs and attenuation of the plan therefore fit the
soft body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import BodyPlan
from training.cohort.body.trunk import plan_trunk
from training.cohort.errors import BadCohortConfig
from training.cohort.icrp110.organ_maps import FEMORA, reference_specimen
from training.cohort.icrp110.specimen import SPACING_MM
from training.cohort.matter.media import Media
from training.cohort.paint.fields import Field, smooth_field
from training.cohort.paint.grid import Floats, interpolated
from training.cohort.paint.raster import Distance, Patch, Shape, Volume, broadcastable

FAT, MUSCLE, LUNG, SMALL_BOWEL, COLON, STOMACH, GAS = "fat", "muscle", "lung", "ileum", "colon", "stomach", "gas"  # fmt: skip
HIGHEST_ORGAN: Final = 255

TISSUES: Final = MappingProxyType(
    {
        MUSCLE: (*range(24, 58), 58, 60, 63, 65, 106, 107, 109, 126, *range(200, 204)),
        LUNG: (97, 99),
        GAS: (140,),
        SMALL_BOWEL: (75,),
        COLON: (77, 79, 81, 83, 85),
        STOMACH: (73,),
        "vein": (9, 10, 12, 96, 98),
        "heart": (87, 88),
        "liver": (95,),
        "spleen": (113, 127),
        "kidney": (89, 90, 92, 93),
        "urine": (71, 138),
        "gut wall": (
            *(1, 2, 7, 8, 70, 72, 74, 76, 78, 80, 82, 84, 86, *range(100, 104), 105, 110, 111),
            *(112, 114, 115, 129, 130, 131, 132, 135, 136, 137, 139),
        ),
    }
)
"""Organ numbers of each tissue; bones become muscle because the bones of the plan overwrite them.

The rest (adipose tissue, skin, arms, air around) becomes fat within the skin of the plan.
"""

NAMES: Final = (FAT, *TISSUES)
INNER: Final = tuple(n for n in NAMES if n not in {FAT, MUSCLE})
RIB_CAGE: Final = (43, 44)
VESSELS: Final = 10
GAS_HU, LUNG_HU = -985.0, -860.0

GAS_SHARE: Final = MappingProxyType(
    {STOMACH: (0.08, 0.35), COLON: (0.10, 0.45), SMALL_BOWEL: (0.0, 0.06)}
)
"""Range of the share of gas in the contents; the gas lies in front of a level."""

STAIRS: Final = MappingProxyType({"am": 2.4, "af": 1.7})
"""Smoothing between slices of 8 and 4.84 mm, in voxels of ``SPACING_MM``."""

ANGLES: Final = 72
RAY_STEP_MM = 2.0
RAY_MM = 320.0
HEIGHT_STEP_MM = 6.0
WARP_STEP_MM = 5.0
JITTER_MM = 2.5

MARGIN: Final = 12
"""Margin of slices of the phantom beyond the grid, for jitter and smoothing."""

CORE_MM = 34.0
"""Radius around the middle of the spine in which the phantom is not warped."""

Warp = Callable[[Floats, Floats, Floats], tuple[Floats, Floats, Floats]]
"""Function from patient x, y, z (LPS mm) to slice, row and column of the phantom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """Tissues of a phantom at ``SPACING_MM``.

    Parameters
    ----------
    tissues : (slices, rows, columns) uint8
        Indices into ``NAMES``; axes up, posterior, left.
    cavity : (slices, rows, columns) bool
        Mask of organs and ribs.
    centres : (vertebrae, 3)
        Slice, row and column of the bodies, L5 first.
    head_top
        Highest slice of the femora.
    """

    tissues: NDArray[np.uint8]
    cavity: NDArray[np.bool_]
    centres: NDArray[np.float64]
    head_top: float


def paint_phantom(volume: Volume, plan: BodyPlan, media: Media, *, data: Path) -> None:
    """Paint skin and all soft tissue within it; bones follow later.

    Raises
    ------
    BadCohortConfig
        ``data`` holds no phantom of the patient's sex.
    """
    phantom = read_phantom("am" if plan.subject.is_male else "af", data)
    trunk = plan_trunk(plan)
    warp = _warp(plan, phantom)
    heights = volume.grid.axis(2)
    slices = np.interp(heights[[0, -1]], *_heights(plan, phantom))
    first = int(np.clip(np.floor(slices[0]) - MARGIN, 0, len(phantom.tissues) - 2))
    last = int(np.clip(np.ceil(slices[1]) + MARGIN, first + 2, len(phantom.tissues)))
    hu = _phantom_hu(plan, phantom, media, first, last)

    def context(patch: Patch) -> Floats:
        axes = tuple(np.asarray(axis, np.float64).ravel() for axis in (patch.z, patch.y, patch.x))
        coarse = tuple(_lattice(axis) for axis in axes)
        z, y, x = broadcastable((coarse[0], coarse[1], coarse[2]))
        places = [interpolated(place, coarse, axes) for place in warp(x, y, z)]
        places[0] = np.clip(places[0] - np.float32(first), 0, len(hu) - 1)
        sampled = np.empty(places[0].shape, np.float32)
        fat = media.hu(FAT)  # beyond the sides of the phantom
        ndimage.map_coordinates(hu, places, output=sampled, order=1, mode="constant", cval=fat)
        return sampled

    skin = Shape(distance=trunk.skin, bounds=trunk.bounds, step_mm=4.0)
    volume.paint_shell(skin, depth=1.8, shell=media.hu("skin") - 20, core=context)


def phantom_context(data: Path) -> Callable[[Volume, BodyPlan, Media], None]:
    """Return the context for ``training.cohort.body.anatomy.render``.

    Raises
    ------
    BadCohortConfig
        ``data`` holds no phantoms.
    """
    folder = data / "icrp110"
    if not folder.is_dir():
        raise BadCohortConfig(f"data = {data} without icrp110", "a folder that holds icrp110")
    return partial(paint_phantom, data=data)


def context_name(data: Path | None) -> str:
    """Return the name of the soft body in ``truth.json``."""
    return "parametric" if data is None else "icrp110"


@lru_cache(maxsize=2)
def read_phantom(which: str, data: Path) -> Phantom:
    """Read ``"af"`` or ``"am"`` and smooth the steps between its thick slices; cached.

    Raises
    ------
    BadCohortConfig
        The file does not exist.
    """
    file = data / "icrp110" / f"{which}_organs.nii.gz"
    if not file.is_file():
        raise BadCohortConfig(f"data = {data} without icrp110/{file.name}", "the ICRP phantoms")
    specimen = reference_specimen(which, data, rng=np.random.default_rng(0))
    organs = specimen.image
    head_top = float(np.nonzero(np.isin(organs, FEMORA).any(axis=(1, 2)))[0].max())
    centres = specimen.centres.astype(np.float64)
    table = np.zeros(HIGHEST_ORGAN + 1, np.uint8)
    for name, numbers in TISSUES.items():
        table[list(numbers)] = NAMES.index(name)
    labels = table[organs]
    labels[_great_vessels(organs, centres)] = NAMES.index(FAT)
    tissues = _smoothed(labels, STAIRS[which])
    inner = np.isin(tissues, [NAMES.index(name) for name in INNER])
    return Phantom(
        tissues=tissues,
        cavity=inner | np.isin(organs, RIB_CAGE),
        centres=centres,
        head_top=head_top,
    )


def _great_vessels(organs: NDArray[np.int16], centres: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Vessels in front of the spine, at the place of aorta (with plaques) and cava of the plan."""
    slices, rows, columns = (np.arange(n, dtype=np.float64) for n in organs.shape)
    row = np.interp(slices, centres[:, 0], centres[:, 1])[:, None, None]
    column = np.interp(slices, centres[:, 0], centres[:, 2])[:, None, None]
    low, high = centres[0, 0] + 5, centres[min(12, len(centres) - 1), 0]
    near = (np.abs(columns - column) < 20) & (np.abs(rows[:, None] - row + 12) < 20)
    within = ((slices > low) & (slices < high))[:, None, None]
    return np.asarray((organs == VESSELS) & near & within)


def _smoothed(labels: NDArray[np.uint8], slices: float) -> NDArray[np.uint8]:
    """Label with the greatest share after smoothing each tissue, mainly between slices."""
    fat = np.ones(labels.shape, np.float32)
    best = np.zeros(labels.shape, np.float32)
    chosen = np.zeros(labels.shape, np.uint8)
    margin = int(3 * slices) + 2
    boxes = ndimage.find_objects(labels)
    for number in np.flatnonzero(np.bincount(labels.ravel()))[1:]:
        box = boxes[number - 1]
        wide = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
        share = (labels[wide] == number).astype(np.float32)
        for axis, sigma in enumerate((slices, 0.6, 0.6)):
            share = ndimage.gaussian_filter1d(share, sigma, axis=axis, truncate=2.5)
        fat[wide] -= share
        more = share > best[wide]
        best[wide][more] = share[more]
        chosen[wide][more] = number
    chosen[fat > best] = NAMES.index(FAT)
    return chosen


def _phantom_hu(
    plan: BodyPlan, phantom: Phantom, media: Media, first: int, last: int
) -> NDArray[np.float32]:
    """HU of some slices of the phantom, with gas in the gut and texture in fat, muscle and lungs."""
    tissues = phantom.tissues[first:last]
    hu = np.array([_tissue_hu(name, media) for name in NAMES], np.float32)[tissues]
    rng = plan.subject.rng("phantom gas")
    rows = np.broadcast_to(np.arange(tissues.shape[1])[None, :, None], tissues.shape)
    for name, (low, high) in GAS_SHARE.items():
        share = rng.uniform(low, high)
        number = NAMES.index(name)
        everywhere = np.nonzero(phantom.tissues == number)[1]
        if len(everywhere):
            level = np.quantile(everywhere, share)
            hu[(tissues == number) & (rows < level)] = GAS_HU
    fat, muscle, vein = (media.hu(name) for name in ("fat", "muscle", "vein"))
    for name, role, scale, least, gain, most, towards in (
        (MUSCLE, "phantom marbling", (4.0, 4.0, 16.0), 1.0, 1.2, 0.7, fat),
        (FAT, "phantom septa", (6.0, 6.0, 6.0), 1.45, 0.8, 0.6, muscle),
        (LUNG, "phantom lung", (8.0, 8.0, 8.0), 1.5, 0.5, 1.0, vein),
    ):
        field = smooth_field(plan.subject.rng(role), scale)
        grain = _field_on(field, first, tissues.shape)
        share = np.clip((grain - np.float32(least)) / np.float32(gain), 0, most)
        where = tissues == NAMES.index(name)
        hu[where] += (share * (np.float32(towards) - hu))[where]
    return np.asarray(ndimage.gaussian_filter1d(hu, 0.9, axis=0), np.float32)


def _field_on(field: Field, first: int, shape: tuple[int, ...]) -> Floats:
    axes = [np.arange(n, dtype=np.float64) * SPACING_MM for n in shape]
    z, y, x = broadcastable((axes[0] + first * SPACING_MM, axes[1], axes[2]))
    return field.at(x, y, z)


def _tissue_hu(name: str, media: Media) -> float:
    fixed = {LUNG: LUNG_HU, GAS: GAS_HU}
    if name in fixed:
        return fixed[name]
    if name in GAS_SHARE:
        return media.hu("gut contents") + (20.0 if name == COLON else 0.0)
    return media.hu(name) + (6.0 if name in {MUSCLE, "liver", "gut wall"} else 0.0)


def _heights(plan: BodyPlan, phantom: Phantom) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights in the patient (LPS z) and the corresponding slices of the phantom."""
    levels = [Level(Level.L5 - k) for k in range(len(phantom.centres)) if Level.L5 - k >= Level.T1]
    z = [float(plan.vertebra(level).centre_lps_mm[2]) for level in levels]
    slices = [float(value) for value in phantom.centres[: len(levels), 0]]
    hip = float(plan.hip_lps_mm[2]) + 22.0 * plan.scale
    stretch = (z[-1] - z[0]) / (slices[-1] - slices[0])
    below, above = 200.0, 300.0
    return (
        np.array([hip - below, hip, *z, z[-1] + above]),
        np.array(
            [
                phantom.head_top - below / stretch,
                phantom.head_top,
                *slices,
                slices[-1] + above / stretch,
            ]
        ),
    )


def _warp(plan: BodyPlan, phantom: Phantom) -> Warp:
    """Return the warp that moves points along their rays so that the surfaces match."""
    trunk = plan_trunk(plan)
    heights, slices = _heights(plan, phantom)
    table_z = np.arange(-340.0, 760.0, HEIGHT_STEP_MM)
    own = np.stack(
        [_reach(surface, plan, table_z) for surface in (trunk.cavity, trunk.muscle, trunk.skin)]
    )
    found = _phantom_reach(phantom, np.interp(table_z, heights, slices))
    anchors, goals = _anchors(own, found)
    bend = [smooth_field(plan.subject.rng(f"phantom jitter {k}"), 60.0) for k in range(3)]

    def warp(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        dx = x - plan.spine_x(z).astype(np.float32)
        dy = y - plan.spine_y(z).astype(np.float32)
        radius = np.hypot(dx, dy)
        turn = (np.arctan2(dy, dx) / (2 * np.pi)) % 1.0
        angle = np.asarray(turn * ANGLES, np.float32)
        row = np.broadcast_to((z - table_z[0]) / HEIGHT_STEP_MM, angle.shape)
        knots = [_looked_up(table, row, angle) for table in anchors]
        places = [_looked_up(table, row, angle) for table in goals]
        moved = _piecewise(radius, knots, places)
        share = np.where(radius > 0, moved / np.maximum(radius, 1e-3), 1.0)
        loose = np.clip((radius - 35) / 40, 0, 1) * np.float32(JITTER_MM)
        slice_ = np.interp(z, heights, slices)
        middle = [np.interp(slice_, phantom.centres[:, 0], phantom.centres[:, k]) for k in (1, 2)]
        shift = [field.at(x, y, z) * loose / np.float32(SPACING_MM) for field in bend]
        return (
            np.asarray(slice_ + shift[0], np.float32),
            np.asarray(middle[0] + dy * share / SPACING_MM + shift[1], np.float32),
            np.asarray(middle[1] + dx * share / SPACING_MM + shift[2], np.float32),
        )

    return warp


def _reach(surface: Distance, plan: BodyPlan, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of a surface from the spine: (heights, angles), mm."""
    rays = np.arange(0, RAY_MM, RAY_STEP_MM)
    turn = np.arange(ANGLES) * 2 * np.pi / ANGLES
    z = heights[:, None, None]
    x = plan.spine_x(z) + np.cos(turn)[:, None] * rays
    y = plan.spine_y(z) + np.sin(turn)[:, None] * rays
    inside = surface(x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)) < 0
    return _outermost(np.broadcast_to(inside, x.shape))


def _phantom_reach(phantom: Phantom, slices: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for cavity and muscles of the phantom: (2, heights, angles), mm."""
    rays = np.arange(0, RAY_MM, RAY_STEP_MM) / SPACING_MM
    turn = np.arange(ANGLES) * 2 * np.pi / ANGLES
    middle = [np.interp(slices, phantom.centres[:, 0], phantom.centres[:, k]) for k in (1, 2)]
    places = np.broadcast_arrays(
        slices[:, None, None],
        middle[0][:, None, None] + np.sin(turn)[:, None] * rays,
        middle[1][:, None, None] + np.cos(turn)[:, None] * rays,
    )
    shape = phantom.tissues.shape
    at = tuple(
        np.clip(np.rint(place), 0, n - 1).astype(np.intp)
        for place, n in zip(places, shape, strict=True)
    )
    cavity = phantom.cavity[at]
    muscle = (phantom.tissues != NAMES.index(FAT))[at]
    return np.stack([_outermost(cavity), _outermost(muscle)])


def _outermost(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = inside.shape[-1]
    last = count - np.argmax(inside[..., ::-1], axis=-1)
    return np.where(inside.any(axis=-1), last * RAY_STEP_MM, 0.0)


def _anchors(
    own: NDArray[np.float64], theirs: NDArray[np.float64]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Radii of core, cavity, muscle and skin in the patient and in the phantom."""
    own_share = np.clip(own[0] / np.maximum(own[1], 1.0), 0.6, 0.94)
    muscle = _calm(np.maximum(theirs[1], 30.0))
    share = theirs[0] / np.maximum(theirs[1], 1.0)
    share = _calm(np.where(share < 0.6, own_share, np.minimum(share, 0.95)))
    cavities = own[1] * own_share, muscle * share
    cores = tuple(np.minimum(CORE_MM, 0.6 * cavity) for cavity in cavities)
    core = np.minimum(*cores)
    # Beyond the muscles there is only fat; the plan determines its thickness.
    fat = np.maximum(own[2] - own[1], 2.0)
    return (
        [core, cavities[0], own[1], own[1] + fat],
        [core, cavities[1], muscle, muscle + fat],
    )


def _calm(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove the notches of single rays; the angles are periodic."""
    ring = np.pad(table, ((0, 0), (8, 8)), mode="wrap")
    ring = ndimage.gaussian_filter(ndimage.median_filter(ring, (5, 5)), 1.5, mode="nearest")
    return np.asarray(ring[:, 8:-8])


def _looked_up(table: NDArray[np.float64], row: Floats, angle: Floats) -> Floats:
    ring = np.concatenate([table, table[:, :1]], axis=1).astype(np.float32)
    found = np.empty(angle.shape, np.float32)
    ndimage.map_coordinates(ring, [row, angle], output=found, order=1, mode="nearest")
    return found


def _piecewise(radius: Floats, knots: list[Floats], goals: list[Floats]) -> Floats:
    """Piecewise linear from 0 through the knots to the goals; beyond the last with slope 1."""
    moved = np.minimum(radius, knots[0]) * (goals[0] / knots[0])
    for low, high, start, end in zip(knots[:-1], knots[1:], goals[:-1], goals[1:], strict=True):
        share = np.clip((radius - low) / np.maximum(high - low, 0.5), 0, 1)
        moved = moved + share * (end - start)
    return np.asarray(moved + np.maximum(radius - knots[-1], 0), np.float32)


def _lattice(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiples of the warp step that cover an axis; independent of slab and grid."""
    first, last = np.floor(axis[0] / WARP_STEP_MM), np.ceil(axis[-1] / WARP_STEP_MM)
    return np.arange(first, max(last, first + 1) + 1) * WARP_STEP_MM

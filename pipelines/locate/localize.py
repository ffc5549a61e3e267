"""Find and name the vertebrae of a CT on a 3 mm grid.

Takes  CtVolume
Gives  Localization
Next   pipelines.outline.bodies_3mm
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.inference import (
    SpineProbabilities,
    default_device,
    mirror_passes,
    spine_probabilities,
)
from models.structures_3mm import FEMORA, SPACING_MM, Structure
from pipelines.contract.anatomy import Level
from pipelines.locate.coarse_hips import Hips, find_hips
from pipelines.locate.disc_planes import DiscPlane, above_disc, disc_plane
from pipelines.locate.naming import LUMBAR_COUNT, Names, VertebraEvidence, name_vertebrae
from pipelines.locate.ribs import rib_reach_mm
from pipelines.locate.spinal_curve import SpinalCurve, find_bodies, follow_spine
from pipelines.read.volume import AIR_HU, CtVolume
from pipelines.space.coordinates import CanonicalGrid, canonical_grid, to_lps
from pipelines.space.masks import largest_part
from pipelines.space.resample import resample_to_canonical

Triple: TypeAlias = tuple[float, float, float]
Place: TypeAlias = tuple[float, float, float]
"""Lower border, middle and upper border of a body along the spinal curve."""

SPINE_MODEL: Final = "spine_3mm"
BODIES: Final = (Structure.LUMBAR_BODY, Structure.THORACIC_BODY)
EDGE_MM: Final = 1.5
"""A body whose mask comes this near to the first or last slice counts as cut."""
RIB_DESCENT_MM: Final = 30.0
"""Depth below its root at which a lower rib extends beyond the transverse processes."""
SACRUM_VOXELS: Final = 150
"""3 mm voxels (4 cm3) that a sacrum has at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedBody:
    """One vertebral body, with or without a name.

    Parameters
    ----------
    centre_lps_mm
        Centre of the vertebral body in patient coordinates.
    up_lps
        Unit vector along the spine through this body, towards the head, in patient coordinates.
    lower_lps_mm, upper_lps_mm
        Middle of the disc below and above, where the body's share of the spine ends.
    lower_normal_lps, upper_normal_lps
        Unit normals of these discs, towards the head.
    complete
        Whether the whole vertebral body lies inside the scan.
    agreement
        Dice overlap of this body as found in the scan and in its mirror image, 0 to 1.
    """

    centre_lps_mm: Triple
    up_lps: Triple
    lower_lps_mm: Triple
    upper_lps_mm: Triple
    lower_normal_lps: Triple
    upper_normal_lps: Triple
    complete: bool
    agreement: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedVertebra(LocatedBody):
    """One vertebra, named."""

    level: Level


def _no_map() -> NDArray[np.float32]:
    return np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Localization:
    """The vertebrae of one CT from the head down, and the 3 mm maps they were found on.

    Parameters
    ----------
    presumed
        Names depend on one anchor only, or the anchors disagree.
    unnamed
        Bodies without a name, from the head down: neither anchor is in the scan, or the body is
        outside T1 to L5.
    confidence
        Probability of the names, 0 to 1 (`pipelines.locate.naming`).
    lumbar_count
        Number of lumbar vertebrae between sacrum and last rib; 5 where one of them is not in the scan.
    body_probability : (slices, rows, columns) float32, read-only
        Of being inside any vertebral body, on ``grid``.
    sacrum_probability, femur_probability : likewise
        Femora by two networks (`pipelines.locate.coarse_hips`). Empty where they were not computed.
    rib_probability, bone_probability : likewise
        Of ribs; of any bone or disc.
    femur_passes : (slices, rows, columns) bool each, read-only
        Femora of each pass of the networks; empty where there was one pass.
    """

    vertebrae: tuple[LocatedVertebra, ...]
    presumed: bool
    unnamed: tuple[LocatedBody, ...]
    grid: CanonicalGrid
    body_probability: NDArray[np.float32]
    confidence: float = 0.0
    lumbar_count: int = LUMBAR_COUNT
    sacrum_probability: NDArray[np.float32] = field(default_factory=_no_map)
    femur_probability: NDArray[np.float32] = field(default_factory=_no_map)
    femur_passes: tuple[NDArray[np.bool_], ...] = ()
    rib_probability: NDArray[np.float32] = field(default_factory=_no_map)
    bone_probability: NDArray[np.float32] = field(default_factory=_no_map)

    @property
    def bodies(self) -> tuple[LocatedBody, ...]:
        """Named and unnamed bodies from the head down."""
        return tuple(sorted((*self.vertebrae, *self.unnamed), key=lambda b: -b.centre_lps_mm[2]))


def localize(ct: CtVolume, device: str | None = None) -> Localization:
    """Find the vertebrae of a CT in any orientation and name them.

    Returns
    -------
    Localization
        Without vertebrae where no spine is found.

    Source
    ------
    Two anchors for the names, sacrum and last rib, as docs/domain.md 4.4
    requires. Names are ``presumed`` for transitional anatomy and with one anchor only.
    """
    place = device or default_device()
    grid = canonical_grid(ct.geometry, SPACING_MM)
    hu = resample_to_canonical(ct.hu, ct.geometry, grid, outside=AIR_HU)
    plain, mirrored = mirror_passes(
        lambda image: spine_probabilities(SPINE_MODEL, image, place), hu
    )
    mirrored = mirrored.turned_back()
    passes = (_bodies(plain), _bodies(mirrored))
    hips = find_hips(hu, (plain, mirrored), place)
    return interpret(_mean(plain, mirrored), grid, passes, hips)


def _mean(one: SpineProbabilities, other: SpineProbabilities) -> SpineProbabilities:
    return SpineProbabilities(
        structures=np.asarray((one.structures + other.structures) / 2, np.float32),
        centre=np.asarray((one.centre + other.centre) / 2, np.float32),
    )


def _bodies(found: SpineProbabilities) -> NDArray[np.float32]:
    return np.asarray(found.structures[list(BODIES)].sum(axis=0), np.float32)


def interpret(
    found: SpineProbabilities,
    grid: CanonicalGrid,
    passes: tuple[NDArray[np.float32], ...] = (),
    hips: Hips | None = None,
) -> Localization:
    """From probabilities to named vertebrae.

    Parameters
    ----------
    passes : (slices, rows, columns) float32 each
        Probability of bodies from every pass that ``found`` is the mean of.
    hips
        Femora and sacrum of both networks; without it, those of ``found``. The names do not depend on
        it.
    """
    body = _bodies(found)
    disc = found.structures[Structure.DISC]
    sacrum = found.structures[Structure.SACRUM] if hips is None else hips.sacrum
    femur = found.structures[list(FEMORA)].sum(axis=0) if hips is None else hips.femora
    maps = _Maps(
        body=body,
        sacrum=sacrum,
        femur=femur,
        rib=found.structures[Structure.RIB],
        bone=1 - found.structures[Structure.BACKGROUND],
        passes=() if hips is None else hips.passes,
    )
    curve = follow_spine(body, disc)
    if curve is None:
        return _localization(maps, grid, (), (), Names(levels=(), presumed=True))
    places = find_bodies(curve, body, disc, found.centre)
    evidence = _evidence(curve, places, found)
    sacrum_below = _sacrum_below(curve, places, found)
    names = name_vertebrae(evidence, sacrum_below=sacrum_below)
    planes = _disc_planes(curve, places, disc)
    bodies = [
        _located(curve, place, both, grid, body) for place, both in zip(places, planes, strict=True)
    ]
    if sacrum_below:
        maps = _parted(maps, planes[0][0], found.structures[Structure.SACRUM])
    maps = replace(maps, sacrum=_one_sacrum(maps.sacrum))
    if passes:
        bodies = [
            replace(one, agreement=_agreement(curve, place, passes))
            for one, place in zip(bodies, places, strict=True)
        ]
    named = [
        LocatedVertebra(level=level, **_fields(one))
        for level, one in zip(names.levels, bodies, strict=True)
        if level is not None
    ]
    unnamed = [one for level, one in zip(names.levels, bodies, strict=True) if level is None]
    return _localization(maps, grid, named, unnamed, names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maps:
    """Probabilities on the 3 mm grid, and the femora of each pass."""

    body: NDArray[np.float32]
    sacrum: NDArray[np.float32]
    femur: NDArray[np.float32]
    rib: NDArray[np.float32]
    bone: NDArray[np.float32]
    passes: tuple[NDArray[np.bool_], ...]


def _parted(maps: _Maps, lumbosacral: DiscPlane, taken_for_sacrum: NDArray[np.float32]) -> _Maps:
    """Assign the voxels above the lowest disc to the vertebra, also those predicted as sacrum.

    In some patients both networks predict sacrum in the lower anterior part of L5, which resembles the
    first sacral body; the disc between them is a reliable border. Without that disc nothing changes.

    Parameters
    ----------
    taken_for_sacrum : (slices, rows, columns) float32
        Probability of sacrum of the network that predicted ``maps.body``.
    """
    if not lumbosacral.seen:
        return maps
    vertebra = above_disc(lumbosacral, maps.body.shape)
    return replace(
        maps,
        body=np.where(vertebra, maps.body + taken_for_sacrum, maps.body),
        sacrum=np.where(vertebra, np.float32(0), maps.sacrum),
    )


def _one_sacrum(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest part only: midline and height of the hips are computed from the sacrum."""
    there = probability > 0.5
    return np.where(there & ~largest_part(there), np.float32(0), probability)


def _localization(
    maps: _Maps,
    grid: CanonicalGrid,
    named: Sequence[LocatedVertebra],
    unnamed: Sequence[LocatedBody],
    names: Names,
) -> Localization:
    """The result; ``named`` and ``unnamed`` are in order from below."""
    return Localization(
        vertebrae=tuple(named[::-1]),
        presumed=names.presumed,
        unnamed=tuple(unnamed[::-1]),
        grid=grid,
        body_probability=_frozen(maps.body),
        confidence=names.confidence,
        lumbar_count=names.lumbar_count,
        sacrum_probability=_frozen(maps.sacrum),
        femur_probability=_frozen(maps.femur),
        femur_passes=maps.passes,
        rib_probability=_frozen(maps.rib),
        bone_probability=_frozen(maps.bone),
    )


def _frozen(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.array(values, np.float32)
    values.flags.writeable = False
    return values


def _fields(body: LocatedBody) -> dict[str, Any]:
    return {one.name: getattr(body, one.name) for one in fields(LocatedBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """Index ranges around a vertebra."""

    slices: slice
    rows: slice
    columns: slice

    def of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values[..., self.slices, self.rows, self.columns]


def _box(centre: NDArray[np.float64], half_mm: Triple) -> _Box:
    ranges = [
        slice(max(0, round(c - h / SPACING_MM)), max(0, round(c + h / SPACING_MM) + 1))
        for c, h in zip(centre, half_mm, strict=True)
    ]
    return _Box(slices=ranges[0], rows=ranges[1], columns=ranges[2])


def _evidence(
    curve: SpinalCurve, places: Sequence[Place], found: SpineProbabilities
) -> list[VertebraEvidence]:
    """Evidence for lumbar or thoracic: the predicted class of each body, and ribs beside it."""
    bone = found.structures[Structure.RIB] + found.structures[Structure.POSTERIOR_ELEMENTS]
    reaches = rib_reach_mm(curve, places, bone)
    return [
        VertebraEvidence(
            lumbar=_lumbar_share(curve, place, found),
            rib_reach_mm=reach,
            height_mm=(place[2] - place[0]) * SPACING_MM,
            rib_in_view=_rib_in_view(curve, place),
        )
        for place, reach in zip(places, reaches, strict=True)
    ]


def _rib_in_view(curve: SpinalCurve, place: Place) -> bool:
    """Whether the scan goes far enough below the root of a rib of this body to show the rib."""
    root = (place[1] + place[2]) / 2
    return bool(curve.at(root)[0] * SPACING_MM > RIB_DESCENT_MM)


def _lumbar_share(curve: SpinalCurve, place: Place, found: SpineProbabilities) -> float:
    low, middle, high = place
    inside = _box(curve.at(middle), ((high - low) * SPACING_MM / 2, 21.0, 24.0))
    lumbar = inside.of(found.structures[Structure.LUMBAR_BODY]).sum()
    thoracic = inside.of(found.structures[Structure.THORACIC_BODY]).sum()
    return float(lumbar / max(lumbar + thoracic, 1e-6))


def _sacrum_below(curve: SpinalCurve, places: list[Place], found: SpineProbabilities) -> bool:
    """Whether the sacrum follows right below the lowest body that was found."""
    if not places:
        return False
    sacrum = found.structures[Structure.SACRUM] > 0.5
    if sacrum.sum() < SACRUM_VOXELS:
        return False
    low, middle, _ = places[0]
    lower_end = curve.at(low)
    voxels = np.argwhere(sacrum)
    distance = np.linalg.norm(voxels - lower_end, axis=1).min() * SPACING_MM
    below = np.percentile(voxels[:, 0], 50) < curve.at(middle)[0]
    return bool(distance < 20.0 and below)


def _disc_planes(
    curve: SpinalCurve, places: Sequence[Place], disc: NDArray[np.float32]
) -> list[tuple[DiscPlane, DiscPlane]]:
    """Lower and upper disc of every body.

    The tilt is not taken from the curve beyond the middle of the outermost bodies: the lowest slices
    of L5 contain its anterior corner only, and the curve bends there.
    """
    middles = [middle for _, middle, _ in places]

    def plane(end: float) -> DiscPlane:
        tilt_from = float(np.clip(end, min(middles), max(middles)))
        return disc_plane(curve.at(end), curve.direction(tilt_from), disc)

    return [(plane(low), plane(high)) for low, _, high in places]


def _located(
    curve: SpinalCurve,
    place: Place,
    planes: tuple[DiscPlane, DiscPlane],
    grid: CanonicalGrid,
    body: NDArray[np.float32],
) -> LocatedBody:
    _, middle, _ = place
    lower, upper = planes
    centre = curve.at(middle)
    along = _axis_of_body(curve.direction(middle), lower, upper)
    return LocatedBody(
        centre_lps_mm=_triple(to_lps(grid.affine, centre)),
        up_lps=_triple(along[::-1]),
        lower_lps_mm=_triple(to_lps(grid.affine, lower.point)),
        upper_lps_mm=_triple(to_lps(grid.affine, upper.point)),
        lower_normal_lps=_triple(lower.normal[::-1]),
        upper_normal_lps=_triple(upper.normal[::-1]),
        complete=_is_complete(curve, place, body),
    )


def _axis_of_body(
    direction: NDArray[np.float64], lower: DiscPlane, upper: DiscPlane
) -> NDArray[np.float64]:
    """Mean normal of both discs where both were found, else the direction of the spine."""
    along = lower.normal + upper.normal if lower.seen and upper.seen else direction
    return np.asarray(along / np.linalg.norm(along))


def _agreement(curve: SpinalCurve, place: Place, passes: tuple[NDArray[np.float32], ...]) -> float:
    """Dice overlap of a body between all passes (of all pairs, the least)."""
    low, middle, high = place
    box = _box(curve.at(middle), ((high - low) * SPACING_MM / 2, 24.0, 30.0))
    masks = [box.of(one) > 0.5 for one in passes]
    overlaps = [
        2 * int((one & other).sum()) / max(int(one.sum()) + int(other.sum()), 1)
        for one, other in combinations(masks, 2)
    ]
    return min(overlaps, default=1.0)


def _is_complete(curve: SpinalCurve, place: Place, body: NDArray[np.float32]) -> bool:
    """Whether no part of the body's mask touches the first or last slice."""
    low, middle, high = place
    half = (high - low) / 2
    centre = curve.at(middle)
    box = _box(centre, (half * SPACING_MM + 6.0, 21.0, 27.0))
    margin = max(1, round(EDGE_MM / SPACING_MM))
    slices = np.nonzero((box.of(body) > 0.5).any(axis=(1, 2)))[0]
    if len(slices) == 0:
        return False
    first, last = slices.min() + box.slices.start, slices.max() + box.slices.start
    near = abs(first - (centre[0] - half)) < half or abs(last - (centre[0] + half)) < half
    return bool(near and first >= margin and last < body.shape[0] - margin)


def _triple(values: NDArray[np.float64]) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])

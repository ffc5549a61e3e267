"""Find and name the vertebrae of a CT on a 3 mm grid.

Takes  CtVolume
Gives  Localization
Next   pipelines.segment
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.inference import SpineProbabilities, default_device, spine_probabilities
from models.structures import SPACING_MM, Structure
from pipelines.anatomy import Level
from pipelines.naming import VertebraEvidence, name_vertebrae
from pipelines.spaces import CanonicalGrid, canonical_grid, resample_to_canonical, to_lps
from pipelines.spinal_curve import SpinalCurve, find_bodies, follow_spine
from pipelines.volume import AIR_HU, CtVolume

SPINE_MODEL: Final = "spine"
FEMORA: Final = (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT)
BODIES: Final = (Structure.LUMBAR_BODY, Structure.THORACIC_BODY)
EDGE_MM: Final = 1.5
"""A body whose mask comes this near to the first or last slice counts as cut."""
SACRUM_VOXELS: Final = 150
"""3 mm voxels (4 cm3) that make a sacrum."""
RIB_REACH_MM: Final = 42.0
"""Ribs are counted this far to both sides: farther out lie ribs that descend from above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedVertebra:
    """One vertebra, named.

    Parameters
    ----------
    centre_lps_mm
        Centre of the vertebral body in patient coordinates.
    up_lps
        Unit vector along the spine through this body, towards the head, in patient coordinates.
    lower_lps_mm, upper_lps_mm
        Middle of the disc below and above, where the body's share of the spine ends.
    complete
        Whether the whole vertebral body lies inside the scan.
    """

    level: Level
    centre_lps_mm: tuple[float, float, float]
    up_lps: tuple[float, float, float]
    lower_lps_mm: tuple[float, float, float]
    upper_lps_mm: tuple[float, float, float]
    complete: bool


def _no_map() -> NDArray[np.float32]:
    return np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Localization:
    """The vertebrae of one CT from the head down, and the 3 mm map they were found on.

    Parameters
    ----------
    presumed
        Names rest on one anchor only, or the anchors disagree.
    unnamed
        Bodies that were found but have no name: neither anchor is in the scan, or they lie beyond
        T1 to L5.
    body_probability : (slices, rows, columns) float32, read-only
        Of being inside any vertebral body, on ``grid``.
    sacrum_probability, femur_probability : likewise
        Empty arrays where nobody asks for them.
    """

    vertebrae: tuple[LocatedVertebra, ...]
    presumed: bool
    unnamed: int
    grid: CanonicalGrid
    body_probability: NDArray[np.float32]
    sacrum_probability: NDArray[np.float32] = field(default_factory=_no_map)
    femur_probability: NDArray[np.float32] = field(default_factory=_no_map)


def localize(ct: CtVolume, device: str | None = None) -> Localization:
    """Find the vertebrae of a CT in any orientation and name them.

    Returns
    -------
    Localization
        Without vertebrae where no spine is found.

    Source
    ------
    Two anchors for the names, sacrum and last rib, as the numbering rule of the domain report
    asks; transitional anatomy and half-seen spines are ``presumed``.
    """
    place = device or default_device()
    grid = canonical_grid(ct.geometry, SPACING_MM)
    hu = resample_to_canonical(ct.hu, ct.geometry, grid, outside=AIR_HU)
    found = spine_probabilities(SPINE_MODEL, hu, place)
    return interpret(found, grid)


def interpret(found: SpineProbabilities, grid: CanonicalGrid) -> Localization:
    """From probabilities to named vertebrae."""
    body = np.asarray(found.structures[list(BODIES)].sum(axis=0), np.float32)
    body.flags.writeable = False
    curve = follow_spine(body, found.structures[Structure.DISC])
    if curve is None:
        return Localization(
            vertebrae=(),
            presumed=True,
            unnamed=0,
            grid=grid,
            body_probability=body,
            sacrum_probability=found.structures[Structure.SACRUM],
            femur_probability=found.structures[list(FEMORA)].sum(axis=0),
        )
    places = find_bodies(curve, body, found.structures[Structure.DISC], found.centre)
    evidence = [_evidence(curve, place, found) for place in places]
    names = name_vertebrae(evidence, sacrum_below=_sacrum_below(curve, places, found))
    vertebrae = tuple(
        _located(level, curve, place, grid, body)
        for level, place in zip(names.levels, places, strict=True)
        if level is not None
    )
    return Localization(
        vertebrae=vertebrae[::-1],
        presumed=names.presumed,
        unnamed=len(places) - len(vertebrae),
        grid=grid,
        body_probability=body,
        sacrum_probability=found.structures[Structure.SACRUM],
        femur_probability=found.structures[list(FEMORA)].sum(axis=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """Index ranges around a vertebra."""

    slices: slice
    rows: slice
    columns: slice

    def of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values[..., self.slices, self.rows, self.columns]


def _box(centre: NDArray[np.float64], half_mm: tuple[float, float, float]) -> _Box:
    ranges = [
        slice(max(0, round(c - h / SPACING_MM)), max(0, round(c + h / SPACING_MM) + 1))
        for c, h in zip(centre, half_mm, strict=True)
    ]
    return _Box(slices=ranges[0], rows=ranges[1], columns=ranges[2])


def _evidence(
    curve: SpinalCurve, place: tuple[float, float, float], found: SpineProbabilities
) -> VertebraEvidence:
    """What speaks for lumbar or thoracic: the class of the body, and ribs beside it."""
    low, middle, high = place
    centre = curve.at(middle)
    inside = _box(centre, ((high - low) * SPACING_MM / 2, 21.0, 24.0))
    lumbar = inside.of(found.structures[Structure.LUMBAR_BODY]).sum()
    thoracic = inside.of(found.structures[Structure.THORACIC_BODY]).sum()
    aside = _box(centre + np.array([0, 5, 0]), (15.0, 30.0, RIB_REACH_MM))
    ribs = aside.of(found.structures[Structure.RIB])
    middle_column = ribs.shape[2] // 2
    left, right = ribs[:, :, middle_column:].sum(), ribs[:, :, :middle_column].sum()
    return VertebraEvidence(
        lumbar=float(lumbar / max(lumbar + thoracic, 1e-6)),
        ribs_cm3=float(min(left, right)) * SPACING_MM**3 / 1000,
        height_mm=(high - low) * SPACING_MM,
    )


def _sacrum_below(
    curve: SpinalCurve, places: list[tuple[float, float, float]], found: SpineProbabilities
) -> bool:
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


def _located(
    level: Level,
    curve: SpinalCurve,
    place: tuple[float, float, float],
    grid: CanonicalGrid,
    body: NDArray[np.float32],
) -> LocatedVertebra:
    low, middle, high = place
    ends = [curve.at(low), curve.at(middle), curve.at(high)]
    lower, centre, upper = (to_lps(grid.affine, np.asarray(end)) for end in ends)
    direction = curve.direction(middle)
    up = direction[::-1] / np.linalg.norm(direction)
    return LocatedVertebra(
        level=level,
        centre_lps_mm=_triple(centre),
        up_lps=_triple(up),
        lower_lps_mm=_triple(lower),
        upper_lps_mm=_triple(upper),
        complete=_is_complete(curve, place, body),
    )


def _is_complete(
    curve: SpinalCurve, place: tuple[float, float, float], body: NDArray[np.float32]
) -> bool:
    """No part of the body's mask touches the first or last slice."""
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


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])

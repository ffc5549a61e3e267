"""Measure level names in real CTs after simulated changes of patient, scanner and view.

Only a few real CTs are available. Each is changed many times: noise, thick slices, other HU scales,
less or denser bone, smaller, larger or tilted patients, narrow fields of view, and other scan
ranges. A name is right if it is at the same body as before the change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import Level
from pipelines.locate.localize import Localization, localize
from pipelines.read.volume import AIR_HU, CtVolume
from pipelines.space.coordinates import CanonicalGrid, canonical_grid, to_index
from pipelines.space.resample import resample_to_canonical
from training.cohort.scan.as_ct_volume import volume
from training.evaluate.real_cts import (
    HEIGHTS_LPS_MM,
    RIB_HEIGHTS_LPS_MM,
    SAME_BODY_MM,
    rightly_named,
)
from training.loop.measured import Row

SEED: Final = 5
GRID_MM: Final = 3.0
TISSUE_HU: Final = -900.0
"""HU above which a voxel is patient, not air."""
END_MM: Final = 9.0
"""A body whose centre is closer to the first or last slice counts as cut."""

Hu = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A CT on its canonical 3 mm grid.

    Parameters
    ----------
    hu : (slices, rows, columns)
        Axes up, posterior, left.
    bodies : (3,) each
        Index of the centre of every counted body.
    """

    hu: Hu
    bodies: Mapping[Level, NDArray[np.float64]]


Change = Callable[[Scan], Scan]

COUNTED_LPS_MM: Final[Mapping[str, Mapping[Level, float]]] = MappingProxyType(
    {**HEIGHTS_LPS_MM, **RIB_HEIGHTS_LPS_MM}
)
"""Heights of the bodies with known names, by CT."""


def _values(of: Callable[[Hu], Hu]) -> Change:
    """Return a change of HU that keeps all positions."""
    return lambda scan: Scan(hu=of(scan.hu).astype(np.float32), bodies=scan.bodies)


def _scaled(factor: float, offset_hu: float, above_hu: float = TISSUE_HU) -> Change:
    def change(hu: Hu) -> Hu:
        return np.where(hu > above_hu, above_hu + factor * (hu - above_hu) + offset_hu, hu)

    return _values(change)


def _noisy(sd_hu: float) -> Change:
    def change(hu: Hu) -> Hu:
        noise = np.random.default_rng(SEED).standard_normal(hu.shape, np.float32)
        return hu + np.float32(sd_hu) * noise

    return _values(change)


def _thick(slice_mm: float) -> Change:
    """Average over slices, then resample to 3 mm."""

    def change(hu: Hu) -> Hu:
        wide = ndimage.gaussian_filter1d(hu, 0.3 * slice_mm / GRID_MM, axis=0)
        count = round(hu.shape[0] * GRID_MM / slice_mm)
        few = ndimage.zoom(
            wide, (count / hu.shape[0], 1, 1), order=1, grid_mode=True, mode="nearest"
        )
        back = hu.shape[0] / count
        return np.asarray(ndimage.zoom(few, (back, 1, 1), order=1, grid_mode=True, mode="nearest"))

    return _values(change)


def _moved(matrix: NDArray[np.float64]) -> Change:
    """Rotate or scale about the middle; ``matrix`` maps new to old positions."""

    def change(scan: Scan) -> Scan:
        middle = (np.array(scan.hu.shape) - 1) / 2
        hu = ndimage.affine_transform(
            scan.hu, matrix, middle - matrix @ middle, order=1, cval=AIR_HU
        )
        forth = np.linalg.inv(matrix)
        bodies = {level: forth @ (at - middle) + middle for level, at in scan.bodies.items()}
        return Scan(hu=hu, bodies=bodies)

    return change


def _sized(factor: float) -> Change:
    return _moved(np.eye(3) / factor)


def _turned(axis: int, degrees: float) -> Change:
    """Rotate about the axis up (0), posterior (1) or left (2)."""
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    a, b = ((1, 2), (0, 2), (0, 1))[axis]
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return _moved(matrix)


def _narrow(radius_mm: float) -> Change:
    """Keep a round field of view around the lumbar spine."""

    def change(scan: Scan) -> Scan:
        row, column = np.mean([at[1:] for at in scan.bodies.values()], axis=0)
        rows, columns = np.ogrid[: scan.hu.shape[1], : scan.hu.shape[2]]
        outside = np.hypot(rows - row, columns - column) > radius_mm / GRID_MM
        return Scan(hu=np.where(outside, np.float32(AIR_HU), scan.hu), bodies=scan.bodies)

    return change


def _between(bottom: Level | None, top: Level | None) -> Change:
    """The scan ends 36 mm below the centre of ``bottom`` and begins 18 mm above that of ``top``."""

    def change(scan: Scan) -> Scan:
        low = 0 if bottom is None else round(scan.bodies[bottom][0] - 36 / GRID_MM)
        high = scan.hu.shape[0] if top is None else round(scan.bodies[top][0] + 18 / GRID_MM)
        low = max(0, low)
        bodies = {level: at - np.array([low, 0, 0]) for level, at in scan.bodies.items()}
        return Scan(hu=scan.hu[low:high], bodies=bodies)

    return change


CHANGES: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "noise of 30 HU": _noisy(30),
        "noise of 70 HU": _noisy(70),
        "slices of 5 mm": _thick(5),
        "slices of 6 mm": _thick(6),
        "8 % more attenuation": _scaled(1.08, 0),
        "30 HU less": _scaled(1, -30),
        "two fifths less bone": _scaled(0.6, 0, above_hu=120),
        "bone as of the young": _scaled(1.7, 0, above_hu=80),
        "smaller by 15 %": _sized(0.85),
        "larger by 15 %": _sized(1.15),
        "leaning by 10 degrees": _turned(1, 10),
        "hips raised by 12 degrees": _turned(2, 12),
        "shoulders raised by 12 degrees": _turned(2, -12),
        "turned by 20 degrees": _turned(0, 20),
        "field of 180 mm": _narrow(90),
        "field of 270 mm": _narrow(135),
    }
)
"""Changes for every CT."""
ENDS: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "from L2 down": _between(None, Level.L2),
        "from L4 down": _between(None, Level.L4),
        "to the first sacral body": _between(Level.L5, None),
        "L1 to the first sacral body": _between(Level.L5, Level.L1),
    }
)
"""Changes for a CT that contains L1 to the sacrum."""


def perturbed_rows(cts: Iterable[tuple[str, CtVolume]]) -> Iterator[Row]:
    """Measure the names over all changes of every CT, by position.

    Parameters
    ----------
    cts
        Names and CTs; the names are keys of ``COUNTED_LPS_MM``.
    """
    for name, ct in cts:
        yield from _rows_of(name, ct)


def _rows_of(name: str, ct: CtVolume) -> Iterator[Row]:
    found = localize(ct)
    heights = COUNTED_LPS_MM[name]
    if rightly_named(found, heights) < len(heights):
        raise ValueError(f"{name} has wrong level names without any change")
    scan = _scan(ct, found, heights)
    changes = {**CHANGES, **(ENDS if name in HEIGHTS_LPS_MM else {})}
    found_by_change = {change: _names(of(scan)) for change, of in changes.items()}
    on = f"{name}, changed in {len(changes)} ways"
    total = sum(one.shown for one in found_by_change.values())
    figures = {
        "levels rightly named, by place": (
            sum(one.right for one in found_by_change.values()),
            "0.99",
        ),
        "levels wrongly named": (sum(one.wrong for one in found_by_change.values()), "0"),
        "levels wrongly named and called certain": (
            sum(one.wrong for one in found_by_change.values() if not one.presumed),
            "0",
        ),
    }
    for what, (count, goal) in figures.items():
        yield Row(on=on, what=what, value=round(count / total, 4), goal=goal, n=total)
    for change, one in found_by_change.items():
        if one.right < one.shown:
            what = f"levels rightly named, by place: {change}"
            yield Row(on=name, what=what, value=one.right, goal=str(one.shown), n=one.shown)


def _scan(ct: CtVolume, found: Localization, heights: Mapping[Level, float]) -> Scan:
    grid = canonical_grid(ct.geometry, GRID_MM)
    return Scan(
        hu=resample_to_canonical(ct.hu, ct.geometry, grid, outside=AIR_HU),
        bodies={
            one.level: to_index(grid.affine, np.asarray(one.centre_lps_mm))
            for one in found.vertebrae
            if one.level in heights
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _NamesFound:
    """Names in one changed scan; ``shown`` counts the bodies that are whole in it."""

    shown: int
    right: int
    wrong: int
    presumed: bool


def _names(scan: Scan) -> _NamesFound:
    grid = CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=GRID_MM, shape=scan.hu.shape)
    found = localize(volume(np.ascontiguousarray(scan.hu), grid.affine))
    margin, last = END_MM / GRID_MM, scan.hu.shape[0] - 1
    shown = {level: at for level, at in scan.bodies.items() if margin < at[0] < last - margin}
    names = {level: _name_at(at[0] * GRID_MM, found) for level, at in shown.items()}
    return _NamesFound(
        shown=len(shown),
        right=sum(name is level for level, name in names.items()),
        wrong=sum(name is not level and name is not None for level, name in names.items()),
        presumed=found.presumed,
    )


def _name_at(height_mm: float, found: Localization) -> Level | None:
    for one in found.vertebrae:
        if abs(one.centre_lps_mm[2] - height_mm) < SAME_BODY_MM:
            return one.level
    return None

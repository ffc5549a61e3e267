"""Outline both proximal femora, head to lesser trochanter, on the grid of the CT.

Takes  CtVolume, Localization
Gives  ProximalFemur or WithheldFemur by side
Next   pipelines.run

The 3 mm network finds the femora of the whole scan, the 1 mm network outlines each within a crop
around its head; a right femur is mirrored first. The side of a femur follows from patient
coordinates, not from a class of the network: in study 3 two of 101 segmentations were of the other
hip (docs/domain.md 1.D, D3).

Source: study 3 (head to the level of the lesser trochanter; 3 mm, then 1 mm).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import find_peaks

from models.inference import default_device, fine_probabilities
from models.structures_1mm import FEMUR_CROP, FINE_SPACING_MM, FemurStructure
from pipelines.contract.anatomy import Side
from pipelines.contract.reasons import Reason
from pipelines.locate.localize import Localization
from pipelines.outline.femur_checks import (
    LARGEST_RATIO,
    WIDEST_HU_DIFFERENCE,
    has_metal,
    is_femur_shaped,
    sides_with_metal,
)
from pipelines.read.oriented_crop import OrientedGrid, box_of, crop, on_ct
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import Box, CanonicalGrid, to_index, to_lps
from pipelines.space.masks import connected_parts, largest_part, without_holes
from pipelines.space.resample import GridBox, resample

FEMUR_MODEL: Final = "femur_1mm"

HEAD_RADIUS_MM: Final = 23.0
HEAD_CAP_MM: Final = 10.0
CROP_OFFSET_MM: Final = (-24.0, 0.0, 24.0)
"""From the centre of the head to the middle of the crop: up, posterior, lateral."""

COARSE_LEAST_MM3: Final = 8_000.0
"""A smaller part is a fragment of bone at the edge of the scan."""
MIDLINE_CLEARANCE_MM: Final = 35.0
"""The centre of a femoral head lies 70 to 110 mm beside the midline."""
HEAD_DISTANCE_MM: Final = (120.0, 260.0)

POSTEROMEDIAL: Final = (0.8, -0.6)
"""Direction (posterior, lateral) in which the lesser trochanter protrudes."""
TROCHANTER_RANGE_MM: Final = (36, 85)
TROCHANTER_MM: Final = 52.0
"""Usual height of the head's centre over the tip of the lesser trochanter."""
TROCHANTER_PROMINENCE_MM: Final = 0.8
BELOW_TROCHANTER_MM: Final = 5.0

BRIDGE_MM: Final = 2
"""Half the width of a bridge across the joint that is cut."""
REACH_MM: Final = 12.0
"""The 1 mm outline is limited to the 3 mm mask and this distance around it."""
LEAST_AGREEMENT: Final = 0.65
"""Dice of the 1 mm mask with the 3 mm one."""
LEAST_STABILITY: Final = 0.75
"""Dice of the femur between two passes of the 3 mm network, the scan and its mirror image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProximalFemur:
    """One proximal femur.

    Parameters
    ----------
    box
        Index ranges (slices, rows, columns) in the CT.
    mask : (slices, rows, columns) bool, read-only
        On ``box``.
    trochanter_seen
        Whether the tip of the lesser trochanter was found; else the cut is at its usual height.
    agreement
        Dice of the 1 mm mask with the 3 mm one.
    """

    side: Side
    box: Box
    mask: NDArray[np.bool_]
    volume_mm3: float
    head_centre_lps_mm: tuple[float, float, float]
    cut_lps_mm: float
    trochanter_seen: bool
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldFemur:
    """A side that is not reported, and the reason."""

    side: Side
    reason: Reason


FemurResult = ProximalFemur | WithheldFemur
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From HU of a crop to the probability of femur."""


def fine_femur(hu: NDArray[np.float32], device: str | None = None) -> NDArray[np.float32]:
    """Probability of femur at 1 mm by the shipped network."""
    found = fine_probabilities(FEMUR_MODEL, hu, device or default_device())
    return np.asarray(found[FemurStructure.FEMUR])


def segment_femora(
    ct: CtVolume, found: Localization, network: Network = fine_femur
) -> tuple[FemurResult, FemurResult]:
    """The left and the right proximal femur, each withheld where a check fails."""
    coarse = _coarse_femora(found)
    middle = _midline_mm(found)
    metal = _metal(ct, found, coarse, middle)
    coarse = [part for part in coarse if _side_of(part, found.grid, middle) not in metal]
    sided = _sides(coarse, found, middle)
    results: dict[Side, FemurResult] = {}
    for side in Side:
        if side in metal:
            results[side] = WithheldFemur(side=side, reason=Reason.HIP_METAL)
        elif isinstance(sided, Reason):
            results[side] = WithheldFemur(side=side, reason=sided)
        elif side not in sided:
            results[side] = WithheldFemur(side=side, reason=Reason.HIP_NOT_COVERED)
        elif not _is_stable(sided[side], found.femur_passes):
            results[side] = WithheldFemur(side=side, reason=Reason.FEMUR_UNSTABLE)
        else:
            results[side] = outline_femur(ct, found.grid, sided[side], side, network)
    return _symmetric(ct, results[Side.LEFT], results[Side.RIGHT])


def _coarse_femora(found: Localization) -> list[NDArray[np.bool_]]:
    """Connected parts of the 3 mm map that are large enough for a femur, largest first."""
    parts, voxels = connected_parts(found.femur_probability > 0.5)
    sizes = voxels[1:] * found.grid.spacing_mm**3
    order = np.argsort(sizes)[::-1][:2]
    return [np.asarray(parts == k + 1) for k in order if sizes[k] >= COARSE_LEAST_MM3]


def _metal(
    ct: CtVolume, found: Localization, coarse: Sequence[NDArray[np.bool_]], middle: float | None
) -> frozenset[Side]:
    """Sides with a prosthesis; none where neither a femur nor the sacrum is in the scan."""
    if middle is None:
        return frozenset()
    heads = [to_lps(found.grid.affine, _head_of(part, found.grid)) for part in coarse]
    if heads:
        highest = max(heads, key=lambda head: float(head[2]))
        return sides_with_metal(ct, middle, float(highest[2]), float(highest[1]))
    lowest = np.flatnonzero((found.sacrum_probability > 0.5).any(axis=(1, 2)))
    if len(lowest) == 0:
        return frozenset()
    # The femoral head is about at the height of the tip of the sacrum.
    height = found.grid.origin_lps_mm[2] + found.grid.spacing_mm * int(lowest[0])
    return sides_with_metal(ct, middle, float(height), None)


def _side_of(part: NDArray[np.bool_], grid: CanonicalGrid, middle: float | None) -> Side | None:
    """Side of the midline on which most of a part lies."""
    if middle is None:
        return None
    x = float(to_lps(grid.affine, np.argwhere(part).mean(axis=0))[0])
    return Side.LEFT if x > middle else Side.RIGHT


def _sides(
    coarse: Sequence[NDArray[np.bool_]], found: Localization, middle: float | None
) -> dict[Side, NDArray[np.bool_]] | Reason:
    """Side of each part from its position in the patient; a reason where it is uncertain."""
    grid = found.grid
    heads = [to_lps(grid.affine, _head_of(mask, grid)) for mask in coarse]
    if len(coarse) == 2:
        apart = abs(heads[0][0] - heads[1][0])
        if not HEAD_DISTANCE_MM[0] <= apart <= HEAD_DISTANCE_MM[1]:
            return Reason.LATERALITY_UNCERTAIN
        middle = middle if middle is not None else (heads[0][0] + heads[1][0]) / 2
    if middle is None:
        return Reason.LATERALITY_UNCERTAIN if coarse else Reason.HIP_NOT_COVERED
    sided: dict[Side, NDArray[np.bool_]] = {}
    for mask, head in zip(coarse, heads, strict=True):
        # LPS: x grows towards the patient's left.
        side = Side.LEFT if head[0] > middle else Side.RIGHT
        if abs(head[0] - middle) < MIDLINE_CLEARANCE_MM or side in sided:
            return Reason.LATERALITY_UNCERTAIN
        sided[side] = mask
    return sided


def _is_stable(part: NDArray[np.bool_], passes: Sequence[NDArray[np.bool_]]) -> bool:
    """Whether this femur agrees between all passes of the 3 mm network."""
    near = ndimage.binary_dilation(part, iterations=2)
    inside = [one & near for one in passes]
    return all(
        2 * int((one & other).sum()) >= LEAST_STABILITY * max(1, int(one.sum() + other.sum()))
        for one, other in combinations(inside, 2)
    )


def _midline_mm(found: Localization) -> float | None:
    """X of the midline: the sacrum's, else that of the lowest vertebra."""
    sacrum = np.argwhere(found.sacrum_probability > 0.5)
    if len(sacrum) * found.grid.spacing_mm**3 > COARSE_LEAST_MM3:
        return float(to_lps(found.grid.affine, sacrum.mean(axis=0))[0])
    return found.vertebrae[-1].centre_lps_mm[0] if found.vertebrae else None


def _head_of(mask: NDArray[np.bool_], grid: CanonicalGrid) -> NDArray[np.float64]:
    return head_centre_index(mask, spacing_mm=grid.spacing_mm)


def head_centre_index(femur: NDArray[np.bool_], *, spacing_mm: float) -> NDArray[np.float64]:
    """Centre of the femoral head, which is the highest part of a femur.

    Parameters
    ----------
    femur : (slices, rows, columns) bool
        Axes up, posterior, left or lateral; isotropic.
    """
    heights = np.flatnonzero(femur.any(axis=(1, 2)))
    lowest = max(0, heights[-1] - round(HEAD_CAP_MM / spacing_mm))
    centre = np.argwhere(femur[lowest : heights[-1] + 1]).mean(axis=0)
    return np.array([heights[-1] - HEAD_RADIUS_MM / spacing_mm, centre[1], centre[2]])


def lesser_trochanter_index(femur: NDArray[np.bool_], head: NDArray[np.float64]) -> int | None:
    """Slice of the tip of the lesser trochanter, where the shaft protrudes posteromedially.

    Parameters
    ----------
    femur : (slices, rows, columns) bool
        Axes up, posterior, lateral; 1 mm.
    head : (3,)
        Centre of the head.

    Returns
    -------
    slice
        ``None`` where there is no such protrusion.
    """
    top = round(float(head[0]))
    depths, reach = [], []
    for depth in range(*TROCHANTER_RANGE_MM):
        places = np.argwhere(femur[top - depth]) if top >= depth else np.empty((0, 2))
        if len(places) == 0:
            break
        depths.append(depth)
        reach.append(float((places @ np.array(POSTEROMEDIAL)).max()))
    if len(reach) < 8:
        return None
    smooth = ndimage.gaussian_filter1d(np.array(reach), 1.5, mode="nearest")
    peaks, measured = find_peaks(smooth, prominence=TROCHANTER_PROMINENCE_MM)
    if len(peaks) == 0:
        return None
    return top - depths[int(peaks[int(np.argmax(measured["prominences"]))])]


def grid_around(head_lps_mm: NDArray[np.float64], side: Side) -> OrientedGrid:
    """Crop around a proximal femur: up, posterior, lateral."""
    lateral = 1.0 if side is Side.LEFT else -1.0
    axes = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [lateral, 0.0, 0.0]])
    return OrientedGrid(
        centre_lps_mm=head_lps_mm + np.array(CROP_OFFSET_MM) @ axes,
        axes=axes,
        shape=FEMUR_CROP,
        spacing_mm=FINE_SPACING_MM,
    )


def outline_femur(
    ct: CtVolume,
    coarse_grid: CanonicalGrid,
    coarse: NDArray[np.bool_],
    side: Side,
    network: Network = fine_femur,
) -> FemurResult:
    """One side: outline at 1 mm, check, cut at the lesser trochanter.

    Parameters
    ----------
    coarse : (slices, rows, columns) bool
        The femur as far as the scan includes it, on ``coarse_grid``.
    """
    head_lps_mm = to_lps(coarse_grid.affine, _head_of(coarse, coarse_grid))
    grid = grid_around(head_lps_mm, side)
    hu = crop(ct, grid)
    there = _coarse_on(grid, coarse, coarse_grid)
    near = ndimage.distance_transform_edt(~there) <= REACH_MM / FINE_SPACING_MM
    probability = np.where(near, network(hu), 0).astype(np.float32)
    fine = _solid(probability > 0.5)
    if not fine.any():
        return WithheldFemur(side=side, reason=Reason.FEMUR_UNCERTAIN)
    if has_metal(hu, fine):
        return WithheldFemur(side=side, reason=Reason.HIP_METAL)
    head = head_centre_index(fine, spacing_mm=FINE_SPACING_MM)
    tip = lesser_trochanter_index(fine, head)
    cut = float(tip) if tip is not None else head[0] - TROCHANTER_MM
    if not _is_covered(ct, grid, fine, cut):
        return WithheldFemur(side=side, reason=Reason.HIP_INCOMPLETE)
    agreement = float(2 * (fine & there).sum() / max(1, fine.sum() + there.sum()))
    if agreement < LEAST_AGREEMENT:
        return WithheldFemur(side=side, reason=Reason.FEMUR_UNCERTAIN)
    lowest = max(0, round(cut))
    fine[:lowest] = False
    volume = float(fine.sum()) * FINE_SPACING_MM**3
    if not is_femur_shaped(fine, head, lowest, volume):
        return WithheldFemur(side=side, reason=Reason.FEMUR_IMPLAUSIBLE)
    box, mask = _on_ct(ct, grid, probability, fine)
    centre = to_lps(grid.affine, head)
    return ProximalFemur(
        side=side,
        box=box,
        mask=mask,
        volume_mm3=volume,
        head_centre_lps_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        cut_lps_mm=float(to_lps(grid.affine, np.array([cut, 0.0, 0.0]))[2]),
        trochanter_seen=tip is not None,
        agreement=agreement,
    )


def _is_covered(ct: CtVolume, grid: OrientedGrid, fine: NDArray[np.bool_], cut: float) -> bool:
    """Whether the scan includes the bone from above the head to below the cut."""
    heights = np.flatnonzero(fine.any(axis=(1, 2)))
    centre = np.argwhere(fine).mean(axis=0)
    ends = np.array(
        [
            [heights[-1] + 1.0, centre[1], centre[2]],
            [cut - BELOW_TROCHANTER_MM, centre[1], centre[2]],
        ]
    )
    index = to_index(ct.geometry.affine, to_lps(grid.affine, ends))
    last = np.asarray(ct.geometry.shape) - 1
    return bool(((index >= -0.5) & (index <= last + 0.5)).all()) and bool(heights[0] <= cut)


def _coarse_on(
    grid: OrientedGrid, coarse: NDArray[np.bool_], coarse_grid: CanonicalGrid
) -> NDArray[np.bool_]:
    """The 3 mm mask on the voxels of the crop."""
    found = resample(
        coarse.astype(np.float32),
        GridBox(affine=coarse_grid.affine, shape=coarse_grid.shape),
        GridBox(affine=grid.affine, shape=grid.shape),
        beyond="constant",
    )
    return found > 0.5


def _on_ct(
    ct: CtVolume, grid: OrientedGrid, probability: NDArray[np.float32], fine: NDArray[np.bool_]
) -> tuple[Box, NDArray[np.bool_]]:
    """Mask on the voxels of the CT, cropped to its bounding box."""
    wide = box_of(ct.geometry, grid)
    # A margin of one voxel keeps the slope of the probability at the border; the rest is another bone.
    kept = np.where(ndimage.binary_dilation(fine), probability, 0).astype(np.float32)
    lowest = int(np.flatnonzero(fine.any(axis=(1, 2)))[0])
    kept[:lowest] = 0
    # Without fragments that the finer grid of the CT separates.
    mask = largest_part(on_ct(kept, grid, ct.geometry, wide) > 0.5, corners=True)
    ranges = []
    for axis, part in enumerate(wide):
        others = tuple(k for k in range(3) if k != axis)
        present = np.flatnonzero(mask.any(axis=others))
        first, stop = (int(present[0]), int(present[-1]) + 1) if len(present) else (0, 0)
        ranges.append((part.start, first, stop))
    box = tuple(slice(start + first, start + stop) for start, first, stop in ranges)
    inner = mask[tuple(slice(first, stop) for _, first, stop in ranges)].copy()
    inner.flags.writeable = False
    return (box[0], box[1], box[2]), inner


def _solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Largest part without thin bridges to other bones, its holes filled slice by slice."""
    if not mask.any():
        return mask
    parts, sizes = connected_parts(ndimage.binary_opening(mask, iterations=BRIDGE_MM))
    main = parts == int(np.argmax(sizes))
    whole = ndimage.binary_dilation(main, iterations=BRIDGE_MM + 1) & mask
    return without_holes(whole)


def _symmetric(
    ct: CtVolume, left: FemurResult, right: FemurResult
) -> tuple[FemurResult, FemurResult]:
    """Withhold both where their volumes or densities cannot belong to one patient."""
    if isinstance(left, ProximalFemur) and isinstance(right, ProximalFemur):
        ratio = left.volume_mm3 / right.volume_mm3
        means = [float(ct.hu[one.box][one.mask].mean()) for one in (left, right)]
        apart = abs(means[0] - means[1])
        if max(ratio, 1 / ratio) > LARGEST_RATIO or apart > WIDEST_HU_DIFFERENCE:
            return (
                WithheldFemur(side=Side.LEFT, reason=Reason.HIPS_ASYMMETRIC),
                WithheldFemur(side=Side.RIGHT, reason=Reason.HIPS_ASYMMETRIC),
            )
    return left, right

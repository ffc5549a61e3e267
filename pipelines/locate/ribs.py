"""Measure the lateral reach of bone at each vertebra, longer for ribs than for processes.

All coordinates are indices (slice, row, column) of the canonical 3 mm grid.

Near the spine a rib and a transverse process look the same at 3 mm; farther out there are only ribs.
Each piece of bone beside the spine is therefore followed outward and assigned to the vertebra at its
inner end, because ribs descend and end beside lower vertebrae.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.structures_3mm import SPACING_MM
from pipelines.locate.spinal_curve import SpinalCurve
from pipelines.space.masks import connected_parts

BONE_PROBABILITY: Final = 0.3
INNER_MM, INNER_END_MM, OUTER_MM = 26.0, 38.0, 110.0
"""From the axis of the spine: pieces begin beyond the arch, within reach of a transverse process,
and are followed no farther than is needed."""
BEHIND_MM: Final = (-6.0, 75.0)
"""Rows behind the middle of the body between which ribs leave the spine."""
END_DEPTH_MM: Final = 7.0
PASSAGE_MM: Final = (52.0, 64.0)
"""From the axis: farther out than processes end, and nearer than the shortest proper ribs."""
FEWEST_VOXELS: Final = 4
RISE: Final = 0.1
"""Share of its height by which the range of a vertebra, in which its ribs begin, is shifted up. On real CTs
ribs begin from a third below to a third above the middle of their body; they begin lower where ossified
discs shift the borders of the bodies upward."""
UNDECIDED_MM: Final = 54.0
"""Between the longest transverse processes (50 mm) and the shortest ribs that are no stumps."""
ROOM_MM: Final = 62.0
"""Width beside the axis that a scan must include for a missing rib to count."""


def rib_reach_mm(
    curve: SpinalCurve,
    places: Sequence[tuple[float, float, float]],
    bone: NDArray[np.float32],
) -> list[float]:
    """Distance from the axis that bone beside each vertebra reaches, mean of both sides, mm.

    A side of which the scan includes too little is left out; ``UNDECIDED_MM`` where both are.

    Parameters
    ----------
    places
        Lower border, middle, upper border of each body along the curve.
    bone : (slices, rows, columns) float32
        Probability of ribs and posterior elements.
    """
    index = np.argwhere(bone > BONE_PROBABILITY)
    along, behind, aside = _around_the_spine(curve, index)
    near = (behind > BEHIND_MM[0]) & (behind < BEHIND_MM[1])
    near &= (np.abs(aside) > INNER_MM) & (np.abs(aside) < OUTER_MM)
    index, along, aside = index[near], along[near], aside[near]
    outward, left = np.abs(aside), aside > 0
    mask = np.zeros(bone.shape, bool)
    mask[tuple(index.T)] = True
    pieces, sizes = connected_parts(mask, corners=True)
    piece = pieces[tuple(index.T)]
    reach = np.full((len(places), 2), INNER_MM)
    for number in np.flatnonzero(sizes >= FEWEST_VOXELS):
        mine = piece == number
        ends = _reach_of_ends(index[mine], along[mine], outward[mine])
        side = int(left[mine].mean() > 0.5)
        for root, far in ends:
            for owner, (low, _, high) in enumerate(places):
                if low <= root - RISE * (high - low) < high:
                    reach[owner, side] = max(reach[owner, side], far)
    return [
        _over_visible_sides(reach[owner], curve.at(middle)[2], bone.shape[2])
        for owner, (_, middle, _) in enumerate(places)
    ]


def _reach_of_ends(
    index: NDArray[np.int_], along: NDArray[np.float64], outward: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Inner ends of a piece of bone along the spine, and the reach from each.

    Ribs that touch each other, or the process of the next vertebra, form one piece with several
    inner ends. The number of parts beyond the reach of processes is the number of ribs; the
    uppermost inner ends are assigned to them.
    """
    inner = _parts(index, outward < INNER_END_MM)
    ribs = len(np.unique(_parts(index, (outward > PASSAGE_MM[0]) & (outward < PASSAGE_MM[1])))) - 1
    roots = []
    for number in range(1, int(inner.max(initial=0)) + 1):
        mine = inner == number
        nearest = mine & (outward < outward[mine].min() + END_DEPTH_MM)
        roots.append((float(np.median(along[nearest])), float(outward[mine].max())))
    roots.sort(reverse=True)
    far = float(outward.max())
    return [(root, far if order < ribs else own) for order, (root, own) in enumerate(roots)]


def _parts(index: NDArray[np.int_], chosen: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Connected parts of the chosen voxels, numbered from 1; 0 for the others."""
    numbers = np.zeros(len(index), int)
    if chosen.any():
        low = index.min(axis=0)
        mask = np.zeros(index.max(axis=0) - low + 1, bool)
        mask[tuple((index[chosen] - low).T)] = True
        parts, _ = connected_parts(mask, corners=True)
        numbers[chosen] = parts[tuple((index[chosen] - low).T)]
    return numbers


def _over_visible_sides(reach_mm: NDArray[np.float64], column: float, columns: int) -> float:
    room = np.array([column, columns - 1 - column]) * SPACING_MM
    seen = (room > ROOM_MM) | (reach_mm > UNDECIDED_MM)
    return float(reach_mm[seen].mean()) if seen.any() else UNDECIDED_MM


def _around_the_spine(
    curve: SpinalCurve, index: NDArray[np.int_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Place along the curve of every voxel, and its distance behind and beside the curve, mm."""
    beyond = 30.0 / SPACING_MM
    steps = np.arange(-beyond, curve.length + beyond, 0.5)
    points = np.array([curve.at(step) for step in steps])
    tangents = np.array([curve.direction(step) for step in steps])
    nearest = np.clip(np.searchsorted(points[:, 0], index[:, 0]), 0, len(steps) - 1)
    for _ in range(2):  # from the slice of a voxel to the plane across the spine that holds it
        ahead = np.einsum("nk,nk->n", index - points[nearest], tangents[nearest])
        nearest = np.clip(nearest + np.round(ahead / 0.5).astype(int), 0, len(steps) - 1)
    offset = (index - points[nearest]) * SPACING_MM
    return steps[nearest], offset[:, 1], offset[:, 2]

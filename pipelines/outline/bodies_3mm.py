"""Outline vertebral bodies on the grid of the CT, from the probability at 3 mm.

Takes  CtVolume, Localization
Gives  Segmentation
Next   pipelines.lumbar.attenuation

The 3 mm probability is interpolated to every voxel of the CT before the threshold, so the border of
a body lies between 3 mm voxels. The planes through the middle of the discs separate neighbours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.locate.localize import Localization, LocatedBody
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Box, CanonicalGrid, to_index
from pipelines.space.masks import largest_part
from pipelines.space.resample import GridBox, resample

FIRST_UNNAMED: Final = 101
"""Label of the uppermost body without a name."""
BODY_PROBABILITY: Final = 0.4
"""Threshold below one half, because the network outlines small bodies too tightly."""
REACH_MM: Final = 38.0
"""No part of a vertebral body is farther from the axis of the spine."""


def segment_bodies(ct: CtVolume, found: Localization) -> Segmentation:
    """Label map of the vertebral bodies, without arch and processes.

    Returns
    -------
    Segmentation
        Labels are the values of ``Level``; bodies without a name count from ``FIRST_UNNAMED``
        from the head down.
    """
    labels = np.zeros(ct.hu.shape, np.uint8)
    values = [int(v.level) for v in found.vertebrae]
    values += [FIRST_UNNAMED + index for index in range(len(found.unnamed))]
    for body, value in zip((*found.vertebrae, *found.unnamed), values, strict=True):
        box = _box(ct, body)
        part = labels[box]
        part[largest_part(_inside(ct, found, body, box)) & (part == 0)] = value
    labels.flags.writeable = False
    return Segmentation(labels=labels, geometry=ct.geometry)


def segment_structure(
    ct: CtVolume, grid: CanonicalGrid, probability: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Mask on the grid of the CT: a probability on the 3 mm grid above one half."""
    everything = (slice(0, ct.hu.shape[0]), slice(0, ct.hu.shape[1]), slice(0, ct.hu.shape[2]))
    return interpolated(ct, grid, probability, everything) > 0.5


def _box(ct: CtVolume, vertebra: LocatedBody) -> tuple[slice, slice, slice]:
    """Index ranges of the CT within ``REACH_MM`` of the vertebra's axis."""
    ends = np.array([vertebra.lower_lps_mm, vertebra.upper_lps_mm])
    low, high = ends.min(axis=0) - REACH_MM, ends.max(axis=0) + REACH_MM
    corners = np.array([[(low, high)[(n >> k) & 1][k] for k in range(3)] for n in range(8)])
    index = to_index(ct.geometry.affine, corners)
    start = np.clip(np.floor(index.min(axis=0)), 0, ct.hu.shape).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 1, 0, ct.hu.shape).astype(int)
    ranges = [slice(int(a), int(b)) for a, b in zip(start, stop, strict=True)]
    return ranges[0], ranges[1], ranges[2]


def interpolated(
    ct: CtVolume,
    grid: CanonicalGrid,
    probability: NDArray[np.float32],
    box: Box,
) -> NDArray[np.float32]:
    """Values of the 3 mm grid at the voxels of a box of the CT."""
    return resample(
        probability,
        GridBox(affine=grid.affine, shape=grid.shape),
        GridBox.of(ct.geometry.affine, box),
        beyond="nearest",
    )


def _inside(
    ct: CtVolume, found: Localization, vertebra: LocatedBody, box: tuple[slice, slice, slice]
) -> NDArray[np.bool_]:
    """Probability above ``BODY_PROBABILITY``, between the two disc planes, near the axis."""
    start = np.array([part.start for part in box], float)
    shape = tuple(part.stop - part.start for part in box)
    if min(shape) == 0:
        return np.zeros(shape, bool)
    probability = interpolated(ct, found.grid, found.body_probability, box)
    up = np.asarray(vertebra.up_lps)
    affine = ct.geometry.affine

    def height_over(
        point_lps_mm: tuple[float, float, float], normal: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        normal = normal / np.linalg.norm(normal)
        gradient = affine[:3, :3].T @ normal
        origin = normal @ (affine[:3, :3] @ start + affine[:3, 3] - np.asarray(point_lps_mm))
        axes = [gradient[k] * np.arange(shape[k]) for k in range(3)]
        planes = origin + axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
        return np.asarray(planes, np.float32)

    inside = probability > BODY_PROBABILITY
    inside &= height_over(vertebra.lower_lps_mm, np.asarray(vertebra.lower_normal_lps)) > 0
    inside &= height_over(vertebra.upper_lps_mm, np.asarray(vertebra.upper_normal_lps)) < 0
    for axis in _across(up):
        inside &= np.abs(height_over(vertebra.centre_lps_mm, axis)) < REACH_MM
    return inside


def _across(up: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors across the spine: towards the left, and towards posterior."""
    posterior = np.cross(up, (1.0, 0.0, 0.0))
    posterior /= np.linalg.norm(posterior)
    return np.cross(posterior, up), posterior

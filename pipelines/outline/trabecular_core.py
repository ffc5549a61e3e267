"""Compute the trabecular core of a vertebral body, in which its attenuation is measured.

Takes  Segmentation, LocatedVertebra
Gives  LevelRegion
Next   pipelines.lumbar.attenuation

All distances are millimetres in the patient, in the frame of the vertebra (up along the spine,
anterior, left) on a fine isotropic grid around the body. Thick slices, tilted stacks and any patient
position therefore result in the same core.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import Level
from pipelines.locate.localize import LocatedVertebra
from pipelines.read.volume import Segmentation
from pipelines.space.coordinates import Box, Geometry, to_index, to_lps

DEPTH_MM: Final = 4.0
"""Least distance of the core from cortex and endplates (4 to 5 mm: Schmorl nodes, sclerosis)."""
POSTERIOR_SHARE: Final = 1 / 3
"""Share of the body's depth, at the back, that is left out: pedicles and venous plexus."""
VEIN_SHARE: Final = 1 / 2
VEIN_HALF_WIDTH_MM: Final = 6.0
VEIN_HALF_HEIGHT_MM: Final = 4.0
"""The basivertebral canal, a wedge 4 to 6 mm high at mid-height of the back wall, reaches to the
middle of the body: left out with a margin for the blur of the scan."""
GRID_MM: Final = 0.5
"""Fine grid on which the distance to the surface is computed."""
MARGIN_MM: Final = 3.0
ROBUST_PERCENT: Final = 1.0
"""Extents leave out this percentage of voxels at either end, so that single voxels do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRegion:
    """Masks of one level, cropped to the box of its body.

    Parameters
    ----------
    box
        Index ranges (slices, rows, columns) in the CT.
    body, core : (slices, rows, columns) bool, read-only
        On ``box``; the core may be empty.
    centroid_lps_mm
        Centre of mass of the body mask.
    extent_mm : height, depth, width
        Of the body, along the axes of the vertebra.
    touches_edge
        Whether the body reaches the first or last slice, row or column.
    """

    level: Level
    box: Box
    body: NDArray[np.bool_]
    core: NDArray[np.bool_]
    centroid_lps_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    touches_edge: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraFrame:
    """Axes of one vertebra as unit vectors in patient space."""

    up: NDArray[np.float64]
    anterior: NDArray[np.float64]
    left: NDArray[np.float64]

    @property
    def axes(self) -> NDArray[np.float64]:
        """(3, 3), one axis per row: up, anterior, left."""
        return np.stack([self.up, self.anterior, self.left])


def vertebra_frame(up_lps: tuple[float, float, float]) -> VertebraFrame:
    """Frame of a vertebra from the direction of the spine and the patient's anterior."""
    up = np.asarray(up_lps, float)
    up = up / np.linalg.norm(up)
    anterior = np.array([0.0, -1.0, 0.0])
    anterior = anterior - (anterior @ up) * up
    anterior /= np.linalg.norm(anterior)
    return VertebraFrame(up=up, anterior=anterior, left=np.cross(up, anterior))


def trabecular_region(segmentation: Segmentation, vertebra: LocatedVertebra) -> LevelRegion | None:
    """Body and trabecular core of one level; ``None`` where the label map lacks the level.

    The core is at least 4 mm from the surface of the body, in its anterior two thirds, without the
    canal of the basivertebral vein.
    """
    box = _box_of(segmentation.labels, vertebra.level)
    if box is None:
        return None
    geometry = segmentation.geometry
    body = np.ascontiguousarray(segmentation.labels[box] == vertebra.level)
    indices = np.argwhere(body) + [part.start for part in box]
    places = to_lps(geometry.affine, indices.astype(float))
    centre = places.mean(axis=0)
    frame = vertebra_frame(vertebra.up_lps)
    local = (places - centre) @ frame.axes.T
    low, high = _extent(local, geometry, frame)
    depth = _depth_below_surface(body, box, geometry, frame, centre, local)
    inside = depth >= DEPTH_MM
    height, forward, lateral = local.T
    thickness = high[1] - low[1]
    inside &= forward >= low[1] + POSTERIOR_SHARE * thickness
    inside &= ~(
        (forward < low[1] + VEIN_SHARE * thickness)
        & (np.abs(lateral - (low[2] + high[2]) / 2) < VEIN_HALF_WIDTH_MM)
        & (np.abs(height - (low[0] + high[0]) / 2) < VEIN_HALF_HEIGHT_MM)
    )
    core = np.zeros_like(body)
    core[body] = inside
    for mask in (body, core):
        mask.flags.writeable = False
    extent = high - low
    return LevelRegion(
        level=vertebra.level,
        box=box,
        body=body,
        core=core,
        centroid_lps_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        extent_mm=(float(extent[0]), float(extent[1]), float(extent[2])),
        touches_edge=_touches_edge(indices, geometry),
    )


def _box_of(labels: NDArray[np.uint8], level: Level) -> Box | None:
    ranges = []
    mask = labels == level
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        present = np.flatnonzero(mask.any(axis=others))
        if len(present) == 0:
            return None
        ranges.append(slice(int(present[0]), int(present[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]


def _extent(
    local: NDArray[np.float64], geometry: Geometry, frame: VertebraFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest coordinate of the body along its axes, voxel faces included."""
    low, high = np.percentile(local, [ROBUST_PERCENT, 100 - ROBUST_PERCENT], axis=0)
    half_voxel = np.abs(frame.axes @ geometry.affine[:3, :3]).max(axis=1) / 2
    return low - half_voxel, high + half_voxel


def _depth_below_surface(
    body: NDArray[np.bool_],
    box: Box,
    geometry: Geometry,
    frame: VertebraFrame,
    centre: NDArray[np.float64],
    local: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance of every body voxel's centre from the surface of the body, mm.

    The surface runs along the faces of the voxels, not through the centres of their neighbours:
    with 5 mm slices that is a difference of 2.5 mm.
    """
    reach = np.abs(frame.axes @ geometry.affine[:3, :3]).sum(axis=1) / 2 + MARGIN_MM
    low, high = local.min(axis=0) - reach, local.max(axis=0) + reach
    shape = np.ceil((high - low) / GRID_MM).astype(int) + 1
    axes = [low[k] + GRID_MM * np.arange(shape[k]) for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    index = to_index(geometry.affine, grid @ frame.axes + centre)
    nearest = np.round(index).astype(int) - [part.start for part in box]
    valid = np.all((nearest >= 0) & (nearest < body.shape), axis=-1)
    fine = np.zeros(tuple(shape), bool)
    fine[valid] = body[tuple(nearest[valid].T)]
    # The distance is to the centre of the next outer voxel. The face between lies half a voxel nearer,
    # and the grid may miss it by another half.
    distance = ndimage.distance_transform_edt(fine, sampling=GRID_MM) - GRID_MM
    return np.asarray(
        ndimage.map_coordinates(distance, ((local - low) / GRID_MM).T, order=1, mode="nearest")
    )


def _touches_edge(indices: NDArray[np.int_], geometry: Geometry) -> bool:
    last = np.asarray(geometry.shape) - 1
    return bool((indices.min(axis=0) == 0).any() or (indices.max(axis=0) == last).any())

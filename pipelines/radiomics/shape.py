"""Shape features of a region (pyradiomics: shape), from its voxels and a marching cubes mesh.

pyradiomics compares every vertex of the mesh with every other one for the largest diameters; here
only those on the convex hull, and only in planes wide enough to hold the largest.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes

SHAPE_FEATURES: Final = (
    "Elongation",
    "Flatness",
    "LeastAxisLength",
    "MajorAxisLength",
    "Maximum2DDiameterColumn",
    "Maximum2DDiameterRow",
    "Maximum2DDiameterSlice",
    "Maximum3DDiameter",
    "MeshVolume",
    "MinorAxisLength",
    "Sphericity",
    "SurfaceArea",
    "SurfaceVolumeRatio",
    "VoxelVolume",
)
CORNERS: Final = (
    (0, 0, 0),
    (0, 0, 1),
    (0, 1, 1),
    (0, 1, 0),
    (1, 0, 0),
    (1, 0, 1),
    (1, 1, 1),
    (1, 1, 0),
)
"""Of a cube, in the order of the bits of its case (slice, row, column)."""
HALF: Final = 128
"""Cases from here on are the complements of those before, with the faces turned round."""
DIRECTIONS: Final = 8

Vector = NDArray[np.float64]


def shape_features(mask: NDArray[np.bool_], spacing_mm: Vector) -> dict[str, float]:
    """The 14 shape features.

    Parameters
    ----------
    mask : (slices, rows, columns)
        The region in its box.
    spacing_mm : (3,)
        slices, rows, columns.

    Source
    ------
    Lorensen and Cline 1987 with the mesh half-way between voxels, as in pyradiomics.
    """
    padded = np.pad(mask, 1)
    area, volume = _mesh(padded, spacing_mm)
    least, minor, major = np.sqrt(_eigenvalues(mask, spacing_mm))
    vertices = _vertices(padded)
    slice_, column, row = (_largest_in_plane(vertices, axis, spacing_mm) for axis in range(3))
    hull = vertices[ConvexHull(vertices).vertices] * (spacing_mm / 2)
    return {
        "Elongation": minor / major,
        "Flatness": least / major,
        "LeastAxisLength": 4 * least,
        "MajorAxisLength": 4 * major,
        "Maximum2DDiameterColumn": column,
        "Maximum2DDiameterRow": row,
        "Maximum2DDiameterSlice": slice_,
        "Maximum3DDiameter": float(pdist(hull).max()),
        "MeshVolume": volume,
        "MinorAxisLength": 4 * minor,
        "Sphericity": (36 * np.pi * volume**2) ** (1 / 3) / area,
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": float(mask.sum() * np.prod(spacing_mm)),
    }


def _eigenvalues(mask: NDArray[np.bool_], spacing_mm: Vector) -> Vector:
    """Of the covariance of the voxel centres, ascending."""
    places = np.argwhere(mask) * spacing_mm
    places -= places.mean(axis=0)
    return np.asarray(np.maximum(np.linalg.eigvalsh(places.T @ places / len(places)), 0))


def _vertices(padded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(vertices, 3): middles of edges between a voxel of the region and one outside, doubled."""
    found = []
    for axis in range(3):
        crossing = np.argwhere(np.diff(padded, axis=axis)) * 2
        crossing[:, axis] += 1
        found.append(crossing)
    return np.concatenate(found)


def _largest_in_plane(vertices: NDArray[np.int64], axis: int, spacing_mm: Vector) -> float:
    """Largest distance of two vertices with the same coordinate along an axis.

    The widths of a plane's vertices along eight directions bound their diameter from below and,
    over the cosine of half the angle between directions, from above: few planes are left.
    """
    ordered = vertices[np.argsort(vertices[:, axis], kind="stable")]
    first = np.flatnonzero(np.diff(ordered[:, axis], prepend=-1))
    flat = np.delete(ordered, axis, axis=1) * (np.delete(spacing_mm, axis) / 2)
    angles = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    along = flat @ np.stack([np.cos(angles), np.sin(angles)])
    width = (np.maximum.reduceat(along, first) - np.minimum.reduceat(along, first)).max(axis=1)
    possible = width / np.cos(np.pi / (2 * DIRECTIONS)) >= width.max() * (1 - 1e-9)
    planes = np.split(flat, first[1:])
    return max(float(pdist(planes[plane]).max()) for plane in np.flatnonzero(possible))


def _mesh(padded: NDArray[np.bool_], spacing_mm: Vector) -> tuple[float, float]:
    """Area and volume of the marching cubes mesh: cubes of one case share their triangles."""
    case = np.zeros([size - 1 for size in padded.shape], np.uint8)
    for bit, corner in enumerate(CORNERS):
        shifted = tuple(slice(a, a + size) for a, size in zip(corner, case.shape, strict=True))
        case |= padded[shifted].astype(np.uint8) << bit
    areas, volumes, normals = _case_table(spacing_mm)
    where = np.nonzero((case > 0) & (case < 2 * HALF - 1))
    found = case[where]
    origin = np.stack(where, axis=1) * spacing_mm
    count = np.bincount(found, minlength=2 * HALF)
    volume = count @ volumes + (origin * normals[found]).sum()
    return float(count @ areas), float(volume)


def _case_table(spacing_mm: Vector) -> tuple[Vector, Vector, Vector]:
    """Per case: area, signed volume against the corner of the cube, and its gradient there."""
    case, corners = _case_triangles()
    a, b, c = np.moveaxis(corners * spacing_mm, 1, 0)
    ab = np.cross(a, b)
    normal = (ab + np.cross(b, c) + np.cross(c, a)) / 6
    weights = [3 * np.linalg.norm(normal, axis=1), (ab * c).sum(axis=1) / 6, *normal.T]
    area, volume, *gradient = (np.bincount(case, weight, minlength=HALF) for weight in weights)
    turned = [np.concatenate([part, -part[::-1]]) for part in (volume, *gradient)]
    return np.concatenate([area, area[::-1]]), turned[0], np.stack(turned[1:], axis=1)


@cache
def _case_triangles() -> tuple[NDArray[np.intp], Vector]:
    """(triangles,) their case of the first 128, and (triangles, 3 corners, 3 coordinates)."""
    cases, corners = [], []
    for case in range(1, HALF):
        cube = np.zeros((2, 2, 2), np.float32)
        for bit, corner in enumerate(CORNERS):
            cube[corner] = case >> bit & 1
        vertices, faces, _, _ = marching_cubes(
            cube, 0.5, method="lorensen", gradient_direction="ascent"
        )
        cases += [case] * len(faces)
        corners.append(vertices[faces].astype(np.float64))
    return np.array(cases), np.concatenate(corners)

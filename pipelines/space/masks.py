"""Connected parts of a mask, and a mask without holes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def connected_parts(
    mask: NDArray[np.bool_], *, corners: bool = False
) -> tuple[NDArray[np.signedinteger[Any]], NDArray[np.intp]]:
    """Number the connected parts of a mask.

    Parameters
    ----------
    mask : any number of axes
    corners
        Whether voxels that touch only at an edge or a corner are connected.

    Returns
    -------
    parts : as ``mask``
        Number of the part of each voxel, from 1; 0 outside the mask.
    sizes : (1 + parts,)
        Voxels of each part, by its number; 0 for the voxels outside.
    """
    reach = mask.ndim if corners else 1
    parts, count = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, reach))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    return parts, sizes


def largest_part(mask: NDArray[np.bool_], *, corners: bool = False) -> NDArray[np.bool_]:
    """The largest connected part; a mask of one part or none as it is.

    Parameters
    ----------
    mask, corners
        As `connected_parts`.
    """
    parts, sizes = connected_parts(mask, corners=corners)
    return mask if len(sizes) < 3 else np.asarray(parts == int(np.argmax(sizes)))


def without_holes(mask: NDArray[np.bool_], axes: Sequence[int] = (0,)) -> NDArray[np.bool_]:
    """Holes filled plane by plane: what a plane surrounds may be open in space.

    Parameters
    ----------
    mask : (slices, rows, columns)
    axes
        The planes across each of these are filled.
    """
    filled = mask.copy()
    for axis in axes:
        for plane, into in zip(
            np.moveaxis(mask, axis, 0), np.moveaxis(filled, axis, 0), strict=True
        ):
            into |= ndimage.binary_fill_holes(plane)
    return filled

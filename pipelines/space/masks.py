"""The largest connected part of a mask, and a mask without holes.

Takes  mask
Gives  mask
Next   pipelines.outline.bodies_3mm, pipelines.locate.coarse_hips, pipelines.outline.proximal_femur
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def largest_part(mask: NDArray[np.bool_], *, corners: bool = False) -> NDArray[np.bool_]:
    """The largest connected part; a mask of one part or none as it is.

    Parameters
    ----------
    mask : any number of axes
    corners
        Whether voxels that touch at an edge or a corner alone are connected.
    """
    reach = mask.ndim if corners else 1
    parts, count = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, reach))
    if count < 2:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))


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

"""Make the input of the networks of study 4: pixels around one body, and its region on zeros.

Takes  HU of an axial slice, mask
Gives  float32 arrays
Next   pipelines.secondary.chest.report

Source
------
Study 4: mediastinal window, region of interest within the inner border of the cortex, pasted in
512 x 512. Pixels outside the region are 0. The classifier gets the 96 x 96 pixels around the region,
at the pixel size of the scan; the rest of the 512 x 512 would only add zeros to the means of its last
layer.
"""

from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

SEGMENTATION_SIDE: Final = 128
"""Pixels; a multiple of 64. The attention block averages over this area."""
ROI_SIDE: Final = 96
"""Pixels: 58 mm at pixels of 0.6 mm."""
WINDOW_HU: Final = (-150.0, 450.0)
MEDIASTINAL_HU: Final = (-135.0, 215.0)
"""Width 350, level 40."""
OUTSIDE_HU: Final = -1000

Pixel = TypeVar("Pixel", bound=np.generic)


class Window(StrEnum):
    """Conversion of HU to numbers from 0 to 1.

    ``FIXED_16_BIT`` is the product's, -150 to 450 HU. ``MEDIASTINAL_8_BIT`` is the study's: 256
    steps, bright trabecular bone above 215 HU is cut off.
    """

    FIXED_16_BIT = "fixed_16_bit"
    MEDIASTINAL_8_BIT = "mediastinal_8_bit"


def windowed(hu: NDArray[np.generic], window: Window = Window.FIXED_16_BIT) -> NDArray[np.float32]:
    """Return numbers from 0 to 1 in the shape of ``hu``."""
    low, high = WINDOW_HU if window is Window.FIXED_16_BIT else MEDIASTINAL_HU
    share = np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1)
    if window is Window.MEDIASTINAL_8_BIT:
        share = np.rint(share * 255) / 255
    return np.asarray(share, np.float32)


def cut_square(
    image: NDArray[Pixel], centre: tuple[float, float], side: int, outside: float
) -> NDArray[Pixel]:
    """Return (side, side) pixels around (row, column); ``outside`` beyond the image."""
    first = [round(place - (side - 1) / 2) for place in centre]
    square = np.full((side, side), outside, image.dtype)
    into, of = [], []
    for start, size in zip(first, image.shape, strict=True):
        low, high = max(start, 0), min(start + side, size)
        if high <= low:
            return square
        into.append(slice(low - start, high - start))
        of.append(slice(low, high))
    square[tuple(into)] = image[tuple(of)]
    return square


def roi_input(
    hu: NDArray[np.generic], mask: NDArray[np.bool_], window: Window = Window.FIXED_16_BIT
) -> NDArray[np.float32]:
    """Return one channel of the classifier.

    Parameters
    ----------
    hu, mask : (rows, columns)
        At the scan's own pixels.

    Returns
    -------
    (96, 96), 0 to 1, 0 outside the mask; the centroid of the mask is in the middle.

    Raises
    ------
    ValueError
        The mask is empty.
    """
    if not mask.any():
        raise ValueError("empty mask")
    row, column = (float(places.mean()) for places in np.nonzero(mask))
    image = np.where(mask, windowed(hu, window), np.float32(0))
    return np.asarray(cut_square(image, (row, column), ROI_SIDE, 0.0), np.float32)

"""Cut out the 2 mm central axial slice of a vertebral body, and outline its trabecular area.

Takes  CtVolume, LocatedVertebra
Gives  CentralSlice
Next   pipelines.secondary.chest.report

Source
------
Study 4: one axial slice of 2 mm through the middle of each body; the area within the inner border
of its cortex, outlined by the DCNN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.inference import default_device, mirror_mean, slice_probability
from pipelines.locate.localize import LocatedVertebra
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.secondary.chest.network_input import (
    OUTSIDE_HU,
    ROI_SIDE,
    SEGMENTATION_SIDE,
    cut_square,
    windowed,
)
from pipelines.space.masks import largest_part

DCNN_MODEL: Final = "chest_dcnn"
SLICE_MM: Final = 2.0
LEAST_INSIDE: Final = 0.9
"""Least share of the area inside the body outline of the other networks."""
AREA_SHARE: Final = (0.45, 1.0)
"""Area relative to the section of that body; cortex and blur cover a seventh to a quarter of it."""
STRAIGHT: Final = 0.9
"""Least cosine between the axes of the image and those of the patient."""

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From (128, 128), 0 to 1, to the probability of the trabecular area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralSlice:
    """Pixels around one body, in the patient's directions: rows to posterior, columns to the left.

    Parameters
    ----------
    hu : (128, 128) float32
        Mean over 2 mm, or over one slice where slices are thicker.
    body : (128, 128) bool
        Section of the vertebral body, with its cortex.
    pixel_mm
        Between rows, between columns.
    """

    hu: NDArray[np.float32]
    body: NDArray[np.bool_]
    pixel_mm: tuple[float, float]


def shipped_network(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the DCNN of the registry on the image and on its mirror image; return the mean."""
    place = default_device()
    return mirror_mean(lambda one: slice_probability(DCNN_MODEL, one, place), image)


def central_slice(
    ct: CtVolume, segmentation: Segmentation, vertebra: LocatedVertebra
) -> CentralSlice | None:
    """Cut out the slice; ``None`` where rows and columns do not follow the axes of the patient."""
    affine, spacing = ct.geometry.affine, ct.geometry.spacing_mm
    to_posterior, to_left = 1, 2
    if abs(affine[1, 2]) / spacing[2] > abs(affine[1, 1]) / spacing[1]:  # turned by 90 degrees
        to_posterior, to_left = 2, 1
    cosines = affine[1, to_posterior] / spacing[to_posterior], affine[0, to_left] / spacing[to_left]
    if min(abs(one) for one in cosines) < STRAIGHT:
        return None
    place = np.linalg.solve(affine, np.array([*vertebra.centre_lps_mm, 1.0]))[:3]
    weights = slice_weights(float(place[0]), float(spacing[0]), ct.hu.shape[0])
    middle = (float(place[1]), float(place[2]))
    hu = np.zeros((SEGMENTATION_SIDE, SEGMENTATION_SIDE), np.float32)
    for number, weight in weights.items():
        hu += np.float32(weight) * cut_square(ct.hu[number], middle, SEGMENTATION_SIDE, OUTSIDE_HU)
    nearest = max(weights, key=lambda number: weights[number])
    section = segmentation.labels[nearest] == int(vertebra.level)
    body = cut_square(section, middle, SEGMENTATION_SIDE, False)
    turned = [image if to_posterior == 1 else image.T for image in (hu, body)]
    along = tuple(slice(None, None, int(np.sign(one))) for one in cosines)
    return CentralSlice(
        hu=np.ascontiguousarray(turned[0][along]),
        body=np.ascontiguousarray(turned[1][along]),
        pixel_mm=(float(spacing[to_posterior]), float(spacing[to_left])),
    )


def slice_weights(place: float, spacing_mm: float, slices: int) -> dict[int, float]:
    """Return the weight of each slice in the 2 mm around a position; the weights add up to one."""
    half = max(SLICE_MM / spacing_mm, 1.0) / 2
    shares = {}
    for number in range(int(np.floor(place - half)), int(np.ceil(place + half)) + 1):
        share = min(place + half, number + 0.5) - max(place - half, number - 0.5)
        if share > 1e-6 and 0 <= number < slices:
            shares[number] = share
    if spacing_mm > SLICE_MM:  # thick slices are not averaged
        return {min(max(round(place), 0), slices - 1): 1.0}
    total = sum(shares.values())
    return {number: share / total for number, share in shares.items()}


def outline(section: CentralSlice, network: Network = shipped_network) -> NDArray[np.bool_] | None:
    """Return the (128, 128) trabecular area; ``None`` where it does not fit the body outline."""
    likely = network(windowed(section.hu)) > 0.5
    if not likely.any():
        return None
    mask = np.asarray(ndimage.binary_fill_holes(largest_part(likely)), bool)
    inside = float(mask[section.body].sum()) / float(mask.sum())
    share = float(mask.sum()) / max(float(section.body.sum()), 1.0)
    spans = [np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (0, 1)]
    fits = inside >= LEAST_INSIDE and AREA_SHARE[0] <= share <= AREA_SHARE[1]
    return mask if fits and max(spans) <= ROI_SIDE else None

"""Convert the ICRP 110 phantoms to training volumes; divide their solid spine into vertebrae.

The phantoms have real organ topology, but each spine is one solid mass. The column in front of
the cord is cut perpendicular to its curve: five lumbar vertebrae between the upper and lower
lumbar border of the phantom, twelve thoracic ones above, with discs and end plates in between.
"""

from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.structures_3mm import Structure
from training.cohort.icrp110.specimen import SPACING_MM, Specimen

FEMORA: Final = (28, 29, 30, 31, 32, 33)
PELVIS: Final = (41, 42)
RIBS: Final = (43, 44)
THORACIC: Final = (49, 50)
LUMBAR: Final = (51, 52)
SACRUM: Final = (53, 54)
LIVER: Final = 95
CORD: Final = 126
DISC: Final = 200
ENDPLATE: Final = 201
SPONGIOSA: Final = 202
SHELL: Final = 203
EXTRA_NAMES: Final = {
    DISC: "disc",
    ENDPLATE: "endplate cortical",
    SPONGIOSA: "spine spongiosa",
    SHELL: "shell cortical",
}

LUMBAR_SHARES: Final = (0.190, 0.197, 0.202, 0.206, 0.205)
"""Shares of the lumbar length, L1 to L5, each with the disc below."""


def reference_specimen(which: str, data: Path, *, rng: np.random.Generator) -> Specimen:
    """Return phantom ``"af"`` or ``"am"`` from knee to neck, with random disc heights."""
    organs = phantom(which, data)
    parts, centres = _cut_spine(organs, rng)
    names = phantom_names(which, data)
    return Specimen(image=organs, parts=parts, centres=centres, spacing_mm=SPACING_MM, organs=names)


def phantom(which: str, data: Path) -> NDArray[np.int16]:
    """Organ numbers from knee to neck at 2 mm, axes up, posterior, left."""
    image = nib.as_closest_canonical(
        nib.Nifti1Image.from_filename(data / "icrp110" / f"{which}_organs.nii.gz")
    )
    spacing = np.asarray(image.header.get_zooms()[:3])[::-1]
    # RAS (x, y, z) to (up, posterior, left).
    organs = np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]
    organs = ndimage.zoom(organs, spacing / SPACING_MM, order=0).astype(np.int16)
    lumbar = np.nonzero(np.isin(organs, LUMBAR).any(axis=(1, 2)))[0]
    organs = organs[max(0, lumbar.min() - 130) : lumbar.max() + 170]
    if np.argwhere(organs == LIVER)[:, 2].mean() > organs.shape[2] / 2:
        organs = organs[:, :, ::-1]  # the liver is on the right, at low columns
    return np.ascontiguousarray(organs)


def phantom_names(which: str, data: Path) -> dict[int, str]:
    """Return the names of the organ numbers and of the parts that are cut into the spine."""
    names = {}
    text = (data / "icrp110" / f"{which}_organs.txt").read_text(encoding="latin-1")
    for line in text.splitlines():
        words = line.split()
        if words and words[0].isdigit():
            names[int(words[0])] = " ".join(words[1:]).lower()
    return names | EXTRA_NAMES


def _cut_spine(
    organs: NDArray[np.int16], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the structures; write discs, end plates and shells into ``organs``."""
    parts = _plain_structures(organs)
    spine = np.isin(organs, THORACIC + LUMBAR)
    column = _solid(spine & _in_front_of_cord(organs, spine))
    rows = np.arange(organs.shape[1])[None, :, None]
    heights = np.arange(organs.shape[0], dtype=float)
    curve = _filled((column * rows).sum((1, 2)), column.sum((1, 2)))
    curve = ndimage.gaussian_filter1d(curve, 6)
    slope = np.gradient(curve)
    # Height along the curve where the plane through a voxel, perpendicular to the spine, meets it.
    z = heights[:, None, None] + slope[:, None, None] * (rows - curve[:, None, None])
    top, bottom = _borders(np.isin(organs, LUMBAR) & column)
    cuts = _cut_heights(top, bottom, float(heights[column.any((1, 2))].max()), rng)
    parts[spine & ~column] = Structure.POSTERIOR_ELEMENTS
    centres = []
    for index, (low, high) in enumerate(cuts):
        disc = (0.20 + 0.06 * rng.random() if index < 5 else 0.16 + 0.06 * rng.random()) * (
            high - low
        )
        inside = column & (z >= low) & (z < high)
        body = inside & (z >= low + disc)
        parts[inside] = Structure.DISC
        parts[body] = Structure.LUMBAR_BODY if index < 5 else Structure.THORACIC_BODY
        organs[inside] = DISC
        organs[body] = SPONGIOSA
        organs[body & ~ndimage.binary_erosion(body)] = SHELL
        organs[body & ((z < low + disc + 0.8) | (z > high - 0.8))] = ENDPLATE
        if body.any():
            centres.append(np.argwhere(body).mean(axis=0))
    above = column & (z >= cuts[-1][1])
    parts[above] = Structure.THORACIC_BODY
    return parts, np.asarray(centres, np.float32)


def _solid(column: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill, slice by slice, the marrow spaces that the phantom assigns to other tissues."""
    disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(s, disk)) for s in column])


def _plain_structures(organs: NDArray[np.int16]) -> NDArray[np.uint8]:
    parts = np.zeros(organs.shape, np.uint8)
    parts[np.isin(organs, RIBS)] = Structure.RIB
    parts[np.isin(organs, SACRUM)] = Structure.SACRUM
    parts[np.isin(organs, PELVIS)] = Structure.HIP_BONE
    femora = np.isin(organs, FEMORA)
    left = np.arange(organs.shape[2])[None, None, :] >= organs.shape[2] / 2
    parts[femora & left] = Structure.FEMUR_LEFT
    parts[femora & ~left] = Structure.FEMUR_RIGHT
    return parts


def _in_front_of_cord(organs: NDArray[np.int16], spine: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels in front of the canal; below the end of the cord, in front of the middle of the spine."""
    rows = np.arange(organs.shape[1])[None, :, None]
    cord = organs == CORD
    count = cord.sum((1, 2))
    front = np.where(cord, rows, 10_000).min((1, 2)).astype(float)
    front[count == 0] = np.nan
    spine_front = np.where(spine, rows, 10_000).min((1, 2)).astype(float)
    # The cord ends at L1. Below, the canal is about 37 mm behind the front of the body.
    depth = np.nanmedian((front - spine_front)[(count > 0) & spine.any((1, 2))][:20])
    border = np.where(np.isnan(front), spine_front + depth, front) - 1
    border = ndimage.median_filter(border, 9)
    return np.broadcast_to(rows < border[:, None, None], organs.shape)


def _filled(total: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    known = np.nonzero(count > 0)[0]
    return np.interp(np.arange(len(count)), known, total[known] / count[known])


def _borders(lumbar: NDArray[np.bool_]) -> tuple[float, float]:
    """Upper and lower end of the lumbar column, in slices."""
    slices = np.nonzero(lumbar.sum((1, 2)) > 20)[0]
    return float(slices.max() + 1), float(slices.min())


def _cut_heights(
    top: float, bottom: float, highest: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """(lower, upper) height of each vertebra with the disc below it, from L5 upward."""
    shares = np.array(LUMBAR_SHARES) * rng.normal(1, 0.03, 5)
    edges = top - np.concatenate([[0], np.cumsum(shares / shares.sum())]) * (top - bottom)
    cuts = [(edges[i + 1], edges[i]) for i in range(4, -1, -1)]
    height = (top - bottom) / 5 * 0.9
    low = top
    while low + height < highest and len(cuts) < 17:
        cuts.append((low, low + height))
        low += height
        height *= 0.965
    return cuts

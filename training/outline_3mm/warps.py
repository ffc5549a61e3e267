"""Draw the position and deformation of a training patch: rotation, scale, scoliosis, fracture."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models.structures_3mm import SPACING_MM
from training.cohort.icrp110.specimen import Specimen

Places = NDArray[np.float32]

SCOLIOSIS_SHARE, FRACTURE_SHARE = 0.25, 0.2
BODY_MM = 26.0


def patch_places(
    specimen: Specimen,
    rng: np.random.Generator,
    patch: tuple[int, ...],
    *,
    near_vertebra: bool = False,
    near_pelvis: bool = False,
) -> Places:
    """Draw the source index (slice, row, column) of every voxel of a patch.

    Parameters
    ----------
    near_vertebra
        Centre the patch on a vertebral body, as in a small field of view; else it lies anywhere
        along the trunk.
    near_pelvis
        Centre the patch on sacrum or femora if the specimen has them. Hips lie at the border of
        most patches around the spine.
    """
    matrix = _turn_and_scale(rng) * SPACING_MM / specimen.spacing_mm
    middle = np.asarray(specimen.image.shape) / 2.0
    if near_vertebra:
        middle = specimen.centres[int(rng.integers(len(specimen.centres)))].astype(float)
        middle = middle + rng.normal(0, 6, 3) + (0, 5, 0)
    elif near_pelvis and len(specimen.pelvic):
        middle = specimen.pelvic[int(rng.integers(len(specimen.pelvic)))] + rng.normal(0, 12, 3)
    else:
        middle[0] = rng.uniform(0.12, 0.92) * specimen.image.shape[0]
        middle[1:] = specimen.centres[:, 1:].mean(axis=0) + rng.normal(0, 16, 2) - (16, 0)
    axes = [np.arange(n, dtype=np.float32) - n / 2 for n in patch]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    places = grid @ matrix.T.astype(np.float32) + middle.astype(np.float32)
    for knots, size in (((5, 4, 4), rng.uniform(0, 6)), ((14, 11, 12), rng.uniform(0, 1.3))):
        if rng.random() < 0.75:
            field = torch.randn(1, 3, *knots) * size
            field = F.interpolate(field, size=patch, mode="trilinear", align_corners=True)
            places += field[0].permute(1, 2, 3, 0).numpy()
    if rng.random() < SCOLIOSIS_SHARE:
        _bend_aside(places, specimen.spacing_mm, rng)
    if rng.random() < FRACTURE_SHARE:
        _compress_a_body(places, specimen, rng)
    return np.asarray(places, np.float32)


def _turn_and_scale(rng: np.random.Generator) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis in range(3):
        angle = rng.normal(0, 0.10)
        turn = np.eye(3)
        b, c = [(1, 2), (0, 2), (0, 1)][axis]
        turn[b, b] = turn[c, c] = np.cos(angle)
        turn[b, c], turn[c, b] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return np.asarray(matrix @ np.diag(rng.uniform(0.85, 1.2, 3) * rng.uniform(0.92, 1.08)))


def _bend_aside(places: Places, spacing_mm: float, rng: np.random.Generator) -> None:
    """Add a scoliosis: the trunk bends sideways as a sine with a period of 20 to 40 cm."""
    amplitude = rng.uniform(4, 20) / spacing_mm
    wave = 2 * np.pi / (rng.uniform(200, 400) / spacing_mm)
    places[..., 2] += amplitude * np.sin(wave * places[..., 0] + rng.uniform(0, 2 * np.pi))


def _compress_a_body(places: Places, specimen: Specimen, rng: np.random.Generator) -> None:
    """Add a fracture: one body loses up to half its height, more in front (wedge) or evenly (crush)."""
    centre = specimen.centres[int(rng.integers(len(specimen.centres)))]
    half = BODY_MM / 2 / specimen.spacing_mm
    loss = rng.uniform(0.15, 0.5)
    wedge = rng.uniform(0, 1)
    forward = np.clip((centre[1] - places[..., 1]) / half, -1, 1)
    share = loss * (1 - wedge * (1 - forward) / 2)
    # The compressed body fills less of the patch, so the source index changes faster there.
    reached = np.clip((places[..., 0] - centre[0]) / (half * (1 - share)), -1, 1)
    places[..., 0] += share * half * reached

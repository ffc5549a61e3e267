"""Draw random training patches: deformed anatomy, random intensities, random scanner."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models.structures_3mm import HU_CENTRE, HU_RANGE, HU_SCALE, Structure
from training.cohort.icrp110.specimen import Specimen
from training.outline_3mm.clutter import cluttered, filling
from training.outline_3mm.warps import patch_places

PATCH: Final = (96, 80, 96)
"""Voxels of 3 mm along up, posterior, left."""
MEDIUM: Final = (80, 64, 80)
PATCH_SHARE: Final = 0.35
SMALL_SHARE: Final = 0.35
PELVIS_SHARE: Final = 0.4
"""Share of the larger patches that lie around the pelvis."""
SMALL_SIZES: Final = (32, 48, 64)
"""Side lengths of patches around single vertebrae: small scans show little, so the network needs them."""
SPONGIOSA_HU: Final = 350.0
"""Bone below this value counts as trabecular bone."""
HEAT_SIGMA_MM: Final = 5.0
HEAT_REACH: Final = 16.0
"""Largest squared distance from a centre in units of twice the variance; beyond it heat is zero."""
COARSE: Final = 4
MIRRORED: Final = {
    Structure.FEMUR_LEFT: Structure.FEMUR_RIGHT,
    Structure.FEMUR_RIGHT: Structure.FEMUR_LEFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One training example.

    Parameters
    ----------
    image : (1, slices, rows, columns) float32
        Network input.
    labels : (slices, rows, columns) int64
        ``Structure``.
    heat : (slices, rows, columns) float32
        Gaussians at the centres of the vertebral bodies.
    """

    image: torch.Tensor
    labels: torch.Tensor
    heat: torch.Tensor


def samples(specimens: Sequence[Specimen], seed: int) -> Iterator[Sample]:
    """Endless stream of random patches; 55 % come from phantoms with organ numbers, if any."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    virtual = [s for s in specimens if not s.organs]
    phantoms = [s for s in specimens if s.organs]
    while True:
        group = phantoms if phantoms and (not virtual or rng.random() < 0.55) else virtual
        yield draw(group[int(rng.integers(len(group)))], rng)


def draw(specimen: Specimen, rng: np.random.Generator, patch: tuple[int, ...] = ()) -> Sample:
    """Draw one random patch of a specimen; its size is random if ``patch`` is empty."""
    small = not patch and rng.random() < SMALL_SHARE
    if small:
        patch = tuple(int(n) for n in rng.choice(SMALL_SIZES, 3))
    elif not patch:
        patch = PATCH if rng.random() < PATCH_SHARE else MEDIUM
    pelvis = not small and rng.random() < PELVIS_SHARE
    places = patch_places(specimen, rng, patch, near_vertebra=small, near_pelvis=pelvis)
    low, image, parts, ribs = _crop(specimen, places)
    grid = _normalised(places - low, image.shape)
    labels = _sampled(torch.from_numpy(parts.astype(np.float32)), grid, "nearest").long()
    if specimen.organs:
        organs = _sampled(torch.from_numpy(image.astype(np.float32)), grid, "nearest").long()
        hu = torch.from_numpy(_organ_hu(specimen.organs, rng))[organs]
    else:
        hu = _sampled(torch.from_numpy(image.astype(np.float32) + 1000), grid, "bilinear") - 1000
        hu = _recoloured(hu, labels, rng)
    if ribs is not None:
        _shorten_ribs(hu, labels, _sampled(torch.from_numpy(ribs), grid, "nearest"), rng)
    heat = _heat(specimen, places)
    if rng.random() < 0.5:
        hu, labels, heat = _mirror(hu, labels, heat)
    hu = _scanned(cluttered(hu, labels, rng), rng)
    hu, labels, heat = _truncated(hu, labels, heat, rng)
    return Sample(image=network_input(hu)[None], labels=labels, heat=heat.float())


def network_input(hu: torch.Tensor) -> torch.Tensor:
    """Normalise HU for the 3 mm networks, float32."""
    return ((hu.clamp(*HU_RANGE) - HU_CENTRE) / HU_SCALE).float()


def _crop(
    specimen: Specimen, places: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int16], NDArray[np.uint8], NDArray[np.float32] | None]:
    shape = np.asarray(specimen.image.shape)
    low = np.clip(np.floor(places.min(axis=(0, 1, 2))), 0, shape - 2).astype(int)
    high = np.clip(np.ceil(places.max(axis=(0, 1, 2))) + 1, low + 2, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    ribs = specimen.last_ribs_mm
    cut = None if ribs is None else ribs[box].astype(np.float32)
    return low.astype(np.float32), specimen.image[box], specimen.parts[box], cut


def _normalised(places: NDArray[np.float32], shape: tuple[int, ...]) -> torch.Tensor:
    """Coordinates of ``grid_sample``: x, y, z from -1 to 1 between the outer voxel centres."""
    size = np.asarray(shape, np.float32) - 1
    return torch.from_numpy(np.ascontiguousarray((2 * places / size - 1)[..., ::-1]))[None]


def _sampled(volume: torch.Tensor, grid: torch.Tensor, mode: str) -> torch.Tensor:
    return F.grid_sample(volume[None, None], grid, mode=mode, align_corners=True)[0, 0]


def _organ_hu(names: dict[int, str], rng: np.random.Generator) -> NDArray[np.float32]:
    """Random but plausible HU for every organ number of an ICRP phantom."""
    lut = np.full(256, -1000, np.float32)
    contrast = rng.random() < 0.55
    blood = rng.uniform(90, 320) if contrast else rng.uniform(25, 65)
    spongiosa, cortex = rng.uniform(20, 300), rng.uniform(350, 1300)
    soft = rng.uniform(20, 130, 256) if contrast else rng.uniform(10, 75, 256)
    for number, name in names.items():
        lut[number] = soft[number]
        for words, value in (
            (("contents",), filling(rng)),
            (("urine", "bladder contents"), rng.uniform(-5, 30)),
            (("kidney",), rng.uniform(90, 250) if contrast else rng.uniform(20, 60)),
            (("blood", "aorta"), blood * rng.uniform(0.8, 1.2)),
            (("lung",), rng.uniform(-900, -650)),
            (("adipose", "residual", "fat"), rng.uniform(-130, -70)),
            (("medull",), rng.uniform(-90, 40)),
            (("disc", "cartilage"), rng.uniform(50, 120)),
            (("spongiosa",), spongiosa * rng.uniform(0.6, 1.4)),
            (("sacrum, spongiosa",), spongiosa * rng.uniform(0.6, 1.4) - _fatty(rng)),
            (("cortical", "cranium"), cortex * rng.uniform(0.6, 1.2)),
        ):
            if any(word in name for word in words):
                lut[number] = value
    for border in (201, 203):  # thinner than a voxel of the phantom
        lut[border] = spongiosa + (cortex - spongiosa) * rng.uniform(0.1, 0.6)
    return lut


def _fatty(rng: np.random.Generator) -> float:
    """Draw how many HU the sacrum lies below other bones: its marrow is mostly fat in many adults."""
    return float(rng.uniform(0, 160) if rng.random() < 0.6 else 0.0)


def _recoloured(hu: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Change the HU of bone and soft tissue at random, so that patches vary more than simulated CTs."""
    bone = (labels > 0) & (labels != Structure.DISC)
    hu = torch.where(bone, 110 + (hu - 110) * rng.uniform(0.45, 1.5) + rng.uniform(-70, 90), hu)
    inside = (labels == Structure.SACRUM) & (hu < SPONGIOSA_HU)
    hu = torch.where(inside, hu - _fatty(rng), hu)
    hu = torch.where(labels == Structure.DISC, hu + rng.uniform(-40, 40), hu)
    knots = np.array([-1100.0, -160, -100, -40, 20, 60, 110, 250, 3000])
    shifted = knots + rng.normal(0, 1, 9) * np.array([0, 15, 20, 25, 15, 20, 25, 40, 0])
    soft = np.interp(hu.numpy(), knots, shifted).astype(np.float32)
    return torch.where(bone, hu, torch.from_numpy(soft))


def _shorten_ribs(
    hu: torch.Tensor, labels: torch.Tensor, along_mm: torch.Tensor, rng: np.random.Generator
) -> None:
    """Shorten the last ribs to a random length, down to a stump; the end becomes muscle."""
    if rng.random() < 0.3:
        return
    gone = along_mm > float(rng.uniform(14, 110))
    gone &= labels == Structure.RIB
    hu[gone] = float(rng.uniform(20, 80))
    labels[gone] = int(Structure.BACKGROUND)


def _heat(specimen: Specimen, places: NDArray[np.float32]) -> torch.Tensor:
    heat = np.zeros(places.shape[:3], np.float32)
    width = 2 * (HEAT_SIGMA_MM / specimen.spacing_mm) ** 2
    coarse = places[::COARSE, ::COARSE, ::COARSE]
    for centre in specimen.centres:
        offset = coarse - centre
        near = np.argwhere(np.einsum("...k,...k", offset, offset) < HEAT_REACH * width)
        if len(near):
            low, high = near.min(axis=0) * COARSE - COARSE, near.max(axis=0) * COARSE + COARSE
            box = tuple(slice(max(0, a), b) for a, b in zip(low, high, strict=True))
            offset = places[box] - centre
            bell = np.exp(-np.einsum("...k,...k", offset, offset) / width)
            np.maximum(heat[box], bell, out=heat[box])
    return torch.from_numpy(heat)


def _mirror(
    hu: torch.Tensor, labels: torch.Tensor, heat: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    labels = labels.flip(2)
    swapped = labels.clone()
    for one, other in MIRRORED.items():
        swapped[labels == one] = int(other)
    return hu.flip(2), swapped, heat.flip(2)


def _scanned(hu: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add texture, blur, thick slices and noise."""
    knots = [max(2, n // int(rng.integers(2, 6))) for n in hu.shape]
    texture = F.interpolate(torch.randn(1, 1, *knots), size=hu.shape, mode="trilinear")[0, 0]
    x = (hu + texture * rng.uniform(0, 22))[None, None]
    x = _blurred(x, rng.uniform(0.25, 0.85), dims=(1, 2))
    x = _blurred(x, rng.uniform(0.25, 0.85), dims=(0,))
    noise = torch.randn_like(x) * rng.uniform(2, 45)
    if rng.random() < 0.5:
        noise = _blurred(noise, rng.uniform(0.4, 0.9), dims=(0, 1, 2)) * 2
    x = x + noise
    if rng.random() < 0.35:  # slices of up to 6 mm, interpolated back
        thick = (max(8, int(hu.shape[0] / rng.uniform(1.2, 2.0))), *hu.shape[1:])
        x = F.interpolate(x, size=thick, mode="area")
        x = F.interpolate(x, size=hu.shape, mode="trilinear", align_corners=False)
    return x[0, 0] * rng.uniform(0.93, 1.07) + rng.uniform(-15, 15)


def _blurred(x: torch.Tensor, sigma: float, dims: tuple[int, ...]) -> torch.Tensor:
    kernel = torch.exp(-(torch.arange(-2, 3).float() ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for dim in dims:
        shape, padding = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + dim] = 5
        padding[2 * (2 - dim)] = padding[2 * (2 - dim) + 1] = 2
        x = F.conv3d(F.pad(x, padding, mode="replicate"), kernel.view(shape))
    return x


def _truncated(
    hu: torch.Tensor, labels: torch.Tensor, heat: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut slices or the field of view at random, and add the padding that inference adds to a scan."""
    keep = torch.ones(hu.shape, dtype=torch.bool)
    if rng.random() < 0.35:
        count = int(rng.integers(min(10, hu.shape[0] // 2), hu.shape[0]))
        start = int(rng.integers(0, hu.shape[0] - count + 1))
        keep[:start], keep[start + count :] = False, False
    if rng.random() < 0.15:
        rows, columns = (torch.arange(n, dtype=torch.float32) - n / 2 for n in hu.shape[1:])
        radius = rng.uniform(0.3, 0.55) * min(hu.shape[1:])
        keep &= torch.hypot(rows[:, None] - rng.normal(0, 4), columns[None]) < radius
    if rng.random() < 0.5:
        ends = [n - int(rng.integers(0, 16)) for n in hu.shape]
        keep[ends[0] :], keep[:, ends[1] :], keep[:, :, ends[2] :] = False, False, False
    outside = ~keep
    hu, labels, heat = hu.clone(), labels.clone(), heat.clone()
    hu[outside], labels[outside], heat[outside] = -1000.0, 0, 0.0
    return hu, labels, heat

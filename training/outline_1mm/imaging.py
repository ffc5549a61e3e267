"""Random scanner for training patches: blur, slices, noise, HU drift, and scans that end too early.

Source: imaging chain of docs/domain.md 3.5: in-plane resolution 0.7 to 1.6 mm, slices of 0.6 to
5 mm, noise of a low-dose to a full-dose scan, HU drift.
"""

import numpy as np
import torch
import torch.nn.functional as F

OUTSIDE_HU = -1000.0
THICKEST_MM = 5.0


def imaged(hu: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur a volume, average it to slices, resample to 1 mm and add noise; (slices, rows, columns)."""
    image = hu[None, None]
    in_plane = rng.uniform(0.2, 0.85)
    image = blurred(image, in_plane, (1, 2))
    thickness = _slice_thickness_mm(rng)
    image = _sliced(image, thickness, rng)
    sigma = float(np.exp(rng.uniform(np.log(3), np.log(45))))
    noise = torch.from_numpy(rng.standard_normal(image.shape, np.float32))
    grain = rng.uniform(0, 0.9)
    if grain > 0.3:
        noise = blurred(noise, grain, (1, 2))
    if thickness > 1.5:
        noise = blurred(noise, 0.3 * thickness, (0,))
    image = image + noise * (sigma / float(noise.std()))
    return image[0, 0] * rng.uniform(0.96, 1.04) + rng.uniform(-12, 12)


def _slice_thickness_mm(rng: np.random.Generator) -> float:
    """Draw a slice thickness: thin for half of the scans, 2 to 3 mm for a quarter, else up to 5 mm."""
    kind = rng.random()
    if kind < 0.5:
        return float(rng.uniform(0.6, 1.5))
    return float(rng.uniform(1.5, 3.2) if kind < 0.85 else rng.uniform(3.2, THICKEST_MM))


def _sliced(image: torch.Tensor, thickness_mm: float, rng: np.random.Generator) -> torch.Tensor:
    """Average over the slice, keep one plane per slice distance, interpolate back."""
    image = blurred(image, max(0.25, 0.3 * thickness_mm), (0,))
    step = thickness_mm * rng.uniform(0.5, 1.0)
    if step <= 1.2:
        return image
    size = image.shape[2:]
    planes = (max(8, round(size[0] / step)), size[1], size[2])
    few = F.interpolate(image, size=planes, mode="trilinear", align_corners=True)
    return F.interpolate(few, size=size, mode="trilinear", align_corners=True)


def blurred(x: torch.Tensor, sigma: float, dims: tuple[int, ...]) -> torch.Tensor:
    """Gaussian blur along some of the three spatial axes; (1, 1, slices, rows, columns)."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for dim in dims:
        shape, padding = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + dim] = 2 * reach + 1
        padding[2 * (2 - dim)] = padding[2 * (2 - dim) + 1] = reach
        x = F.conv3d(F.pad(x, padding, mode="replicate"), kernel.view(shape))
    return x


def cut_off(
    hu: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, *, chance: float = 0.15
) -> tuple[torch.Tensor, torch.Tensor]:
    """End the scan within the patch, at its upper or lower side."""
    if rng.random() >= chance:
        return hu, labels
    hu, labels = hu.clone(), labels.clone()
    count = int(rng.integers(2, max(3, hu.shape[0] // 2)))
    gone = slice(0, count) if rng.random() < 0.6 else slice(hu.shape[0] - count, None)
    hu[gone], labels[gone] = OUTSIDE_HU, 0
    return hu, labels

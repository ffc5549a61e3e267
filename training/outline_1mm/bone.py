"""Paint bones from signed distances: cortex, trabecular bone, marrow, and soft tissue around them.

All numbers are random for each patch and vary more than in patients, so that a network learns
shape and context and not a certain density.
"""

from dataclasses import dataclass

import numpy as np
import torch

from training.outline_1mm.deformation import smooth_noise


@dataclass(frozen=True, slots=True, kw_only=True)
class BoneLook:
    """HU of the bones of one patient.

    Parameters
    ----------
    cortex_hu, trabecular_hu, marrow_hu
        Solid cortex, trabecular bone, and marrow without trabeculae.
    """

    cortex_hu: float
    trabecular_hu: float
    marrow_hu: float


def random_look(rng: np.random.Generator) -> BoneLook:
    """Draw the HU of bone, from severe osteoporosis to a young athlete."""
    marrow = rng.uniform(-100, 50)
    return BoneLook(
        cortex_hu=float(rng.uniform(450, 1500)),
        trabecular_hu=float(marrow + rng.gamma(2.2, 80)),
        marrow_hu=float(marrow),
    )


def coverage(distance_mm: torch.Tensor, width_mm: float = 1.0) -> torch.Tensor:
    """Share of a voxel that lies inside a plane at this signed distance (negative inside)."""
    return (0.5 - distance_mm / width_mm).clamp(0, 1)


def paint_bone(
    hu: torch.Tensor,
    distance_mm: torch.Tensor,
    *,
    cortex_mm: torch.Tensor | float,
    cortex_hu: torch.Tensor | float,
    inside_hu: torch.Tensor | float,
) -> torch.Tensor:
    """Paint a bone over a volume: a cortex of given thickness around its inside."""
    outer, inner = coverage(distance_mm), coverage(distance_mm + cortex_mm)
    return hu * (1 - outer) + (outer - inner) * cortex_hu + inner * inside_hu


def trabecular_texture(
    rng: np.random.Generator, look: BoneLook, distance_mm: torch.Tensor
) -> torch.Tensor:
    """Texture of trabecular bone: uneven, often denser beneath the cortex, sometimes with islands."""
    shape = tuple(distance_mm.shape)
    spread = look.trabecular_hu - look.marrow_hu
    hu = look.marrow_hu + spread * (1 + 0.35 * smooth_noise(rng, shape, rng.uniform(12, 40)))
    hu = hu + rng.uniform(0, 55) * smooth_noise(rng, shape, rng.uniform(2, 5))
    hu = hu + rng.uniform(0, 260) * torch.exp(distance_mm.clamp(max=0) / rng.uniform(1.5, 6))
    if rng.random() < 0.2:
        islands = (smooth_noise(rng, shape, rng.uniform(6, 16)) - 1.9).clamp(0, 0.5) * 2
        hu = hu + islands * rng.uniform(-250, 700)
    return hu


def soft_tissue(rng: np.random.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """HU of muscles in fat: compartments with layers of fat between them, and fat within muscles."""
    muscle, fat = rng.uniform(15, 90), rng.uniform(-130, -70)
    lean = rng.normal(0.5, 0.7)
    sheets = smooth_noise(rng, shape, rng.uniform(14, 40)).abs() / rng.uniform(0.04, 0.25)
    marbling = smooth_noise(rng, shape, rng.uniform(3, 7)) - rng.uniform(0.4, 2.2)
    fatty = smooth_noise(rng, shape, rng.uniform(18, 60)) - lean
    share = torch.maximum((1 - sheets).clamp(0, 1), marbling.clamp(0, 0.8))
    share = torch.maximum(share, (fatty * rng.uniform(1, 6)).clamp(0, 1))
    lively = muscle + rng.uniform(0, 25) * smooth_noise(rng, shape, 25)
    return lively * (1 - share) + fat * share


def add_clutter(
    hu: torch.Tensor, free: torch.Tensor, rng: np.random.Generator, *, most: int = 6
) -> torch.Tensor:
    """Add vessels, bowel with gas or contrast medium, and calcifications in the voxels of ``free``."""
    hu = hu.clone()
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in hu.shape], indexing="ij")
    for _ in range(int(rng.integers(0, most))):
        centre = [float(rng.uniform(0, n)) for n in hu.shape]
        if rng.random() < 0.5:  # a vessel, along the body, with or without contrast
            lean = rng.normal(0, 0.3, 2)
            up = axes[0] - centre[0]
            across = (axes[1] - centre[1] - lean[0] * up) ** 2
            across = across + (axes[2] - centre[2] - lean[1] * up) ** 2
            place = across < rng.uniform(2.5, 11) ** 2
            value = rng.uniform(20, 330)
        else:
            radii = np.exp(rng.uniform(np.log(1.5), np.log(26), 3))
            ball = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True))
            place = torch.as_tensor(ball) < 1
            choices = (rng.uniform(-1000, -300), rng.uniform(-20, 60), rng.uniform(100, 900))
            value = choices[int(rng.integers(3))]
        hu[place & free] = float(value)
    return hu


def recoloured(hu: torch.Tensor, bone: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Change the HU of bone and soft tissue at random, so that patches vary more than simulated CTs."""
    moved = 110 + (hu - 110) * rng.uniform(0.5, 1.45) + rng.uniform(-80, 110)
    knots = np.array([-1100.0, -160, -100, -40, 20, 60, 110, 250, 3000])
    shifted = knots + rng.normal(0, 1, 9) * np.array([0, 15, 20, 25, 15, 20, 25, 40, 0])
    soft = np.interp(hu.numpy(), knots, shifted).astype(np.float32)
    return torch.where(bone, moved, torch.from_numpy(soft))

"""Add gas, contrast medium, vessels, arms, tables, metal, cement and lesions to training patches."""

import numpy as np
import torch

from models.structures_3mm import Structure

METAL_HU = (2200.0, 3071.0)
BODIES = (Structure.LUMBAR_BODY, Structure.THORACIC_BODY)


def cluttered(hu: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add random clutter to a patch; labels do not change."""
    hu = hu.clone()
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in hu.shape], indexing="ij")
    _fill_bowel(hu, labels, axes, rng)
    if rng.random() < 0.45:
        _put_on_table(hu, axes, rng)
    if rng.random() < 0.25:
        _lower_arms(hu, axes, rng)
    if rng.random() < 0.25:
        _change_bone(hu, labels, axes, rng)
    if rng.random() < 0.12:
        _implant(hu, labels, axes, rng)
    return hu


def filling(rng: np.random.Generator) -> float:
    """Draw the HU of bowel contents: gas, fluid or oral contrast medium."""
    gas, fluid, contrast = rng.uniform(-1000, -300), rng.uniform(-50, 120), rng.uniform(120, 600)
    return float(rng.choice([gas, fluid, contrast]))


def _fill_bowel(
    hu: torch.Tensor,
    labels: torch.Tensor,
    axes: tuple[torch.Tensor, ...],
    rng: np.random.Generator,
) -> None:
    free = (labels == 0) & (hu > -500)
    for _ in range(int(rng.integers(0, 6))):
        centre = [float(rng.uniform(0, n)) for n in hu.shape]
        ball = _ellipsoid(axes, centre, rng.uniform(2, 11, 3))
        hu[ball & free] = filling(rng) if rng.random() < 0.7 else rng.uniform(60, 350)


def _put_on_table(
    hu: torch.Tensor, axes: tuple[torch.Tensor, ...], rng: np.random.Generator
) -> None:
    """Add a table under the patient: a flat or curved shell, sometimes with a rail."""
    size = hu.shape[1]
    depth, bend = rng.uniform(0.72, 1.0) * size, rng.uniform(0, 0.012)
    surface = axes[1] - depth + bend * (axes[2] - hu.shape[2] / 2) ** 2
    shell = (surface > 0) & (surface < rng.uniform(0.8, 2.5)) & (hu < -700)
    hu[shell] = float(rng.uniform(-700, 500))
    if rng.random() < 0.3:
        rail = (surface > 3) & (surface < 5) & (axes[2] - rng.uniform(0, hu.shape[2])).abs().lt(2)
        hu[rail & (hu < -700)] = float(rng.uniform(100, 1500))


def _lower_arms(hu: torch.Tensor, axes: tuple[torch.Tensor, ...], rng: np.random.Generator) -> None:
    """Add arms beside the trunk: soft tissue with one or two bone shafts."""
    bones = int(rng.integers(1, 3))
    for side in (rng.uniform(-4, 10), hu.shape[2] - rng.uniform(-4, 10)):
        row = rng.uniform(15, 60)
        slope = rng.uniform(-0.1, 0.1)
        along = axes[1] - row - slope * axes[0]
        distance = along**2 + (axes[2] - side) ** 2
        hu[(distance < rng.uniform(11, 16) ** 2) & (hu < -500)] = float(rng.uniform(0, 60))
        for bone in range(bones):
            shaft = along.sub(5.0 * bone) ** 2 + (axes[2] - side) ** 2
            hu[(shaft < 4**2) & (distance < 16**2)] = float(rng.uniform(300, 1200))
            hu[shaft < 2**2] = float(rng.uniform(-80, 150))


def _change_bone(
    hu: torch.Tensor,
    labels: torch.Tensor,
    axes: tuple[torch.Tensor, ...],
    rng: np.random.Generator,
) -> None:
    """Add bone islands, sclerosis, lysis and cement in vertebral bodies or at their rims."""
    places = torch.argwhere((labels == BODIES[0]) | (labels == BODIES[1]))
    if not len(places):
        return
    for _ in range(int(rng.integers(1, 4))):
        centre = places[int(rng.integers(len(places)))].tolist()
        ball = _ellipsoid(axes, centre, rng.uniform(1.0, 4.5, 3))
        value = float(rng.choice([rng.uniform(-20, 60), rng.uniform(350, 900), 2000.0]))
        beside = (labels == 0) & (hu < 150) if rng.random() < 0.3 else labels > 0
        hu[ball & beside] = (
            value if value > 100 or bool((beside & ball & (labels > 0)).any()) else 400.0
        )


def _implant(
    hu: torch.Tensor,
    labels: torch.Tensor,
    axes: tuple[torch.Tensor, ...],
    rng: np.random.Generator,
) -> None:
    """Add a hip prosthesis or screws and rods, with dark and bright streaks in their slices."""
    part = rng.choice([Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT, Structure.POSTERIOR_ELEMENTS])
    places = torch.argwhere(labels == int(part))
    if not len(places):
        return
    if part == Structure.POSTERIOR_ELEMENTS:
        metal = torch.zeros(hu.shape, dtype=torch.bool)
        for _ in range(int(rng.integers(1, 5))):
            centre = places[int(rng.integers(len(places)))].tolist()
            metal |= _ellipsoid(axes, centre, np.array([1.3, rng.uniform(3, 9), 1.3]))
    else:
        top = places[places[:, 0] >= torch.quantile(places[:, 0].float(), 0.4)]
        centre = top.float().mean(dim=0).tolist()
        metal = (labels == int(part)) & _ellipsoid(axes, centre, rng.uniform(6, 14, 3))
    if not bool(metal.any()):
        return
    _streak(hu, axes, torch.argwhere(metal).float().mean(dim=0).tolist(), metal, rng)
    hu[metal] = float(rng.uniform(*METAL_HU))


def _streak(
    hu: torch.Tensor,
    axes: tuple[torch.Tensor, ...],
    centre: list[float],
    metal: torch.Tensor,
    rng: np.random.Generator,
) -> None:
    """Add rays from the metal, in the slices that contain it."""
    angle = torch.atan2(axes[1] - centre[1], axes[2] - centre[2])
    away = torch.hypot(axes[1] - centre[1], axes[2] - centre[2])
    rays = torch.sin(angle * float(rng.integers(3, 9)) + float(rng.uniform(0, 6)))
    inside = metal.any(dim=2).any(dim=1).float()[:, None, None]
    hu += inside * rays * float(rng.uniform(80, 400)) * torch.exp(-away / 12) * (hu > -700)


def _ellipsoid(
    axes: tuple[torch.Tensor, ...], centre: list[float], radii: np.ndarray
) -> torch.Tensor:
    square = [((a - c) / float(r)) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)]
    return torch.stack(square).sum(dim=0) < 1

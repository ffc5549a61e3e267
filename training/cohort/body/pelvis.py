"""Shapes of sacrum and hip bones from overlapping balls, in patient coordinates.

Source of the sizes: landmarks of the pelvis on public CTs, to about 5 mm.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from training.cohort.body.plan import BodyPlan
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Shape
from training.cohort.paint.sdf import (
    around,
    beads,
    capsule,
    curve,
    enclosing,
    intersection,
    superellipse,
    union,
)

SACRAL_SEGMENTS = (
    # height, half width and half depth of the body, lean (deg from the slope), half span, ala depth
    (29.0, 24.5, 17.0, 2.0, 54.0, 14.0),
    (25.0, 18.0, 12.5, 4.0, 52.0, 12.0),
    (21.0, 14.0, 9.5, -8.0, 42.0, 9.0),
    (18.0, 12.0, 7.5, -28.0, 31.0, 7.0),
    (15.0, 10.0, 5.5, -55.0, 17.0, 5.0),
    (22.0, 7.0, 4.0, -80.0, 7.0, 3.5),
)

BLADE_KNOTS = (
    # height; back, middle and front of the iliac blade (x, y), left side
    (48.0, (54.0, 54.0), (120.0, 8.0), (140.0, -42.0)),
    (20.0, (46.0, 56.0), (105.0, 14.0), (138.0, -60.0)),
    (0.0, (47.0, 55.0), (88.0, 13.0), (131.0, -70.0)),
    (-30.0, (53.0, 48.0), (76.0, 6.0), (114.0, -58.0)),
    (-60.0, (66.0, 30.0), (80.0, -2.0), (101.0, -46.0)),
    (-90.0, (80.0, 14.0), (88.0, -8.0), (95.0, -36.0)),
)


def sacrum_shape(plan: BodyPlan) -> Shape:
    """S1 to the coccyx: bodies, lateral masses with foramina, canal and crest."""
    frames = _sacral_frames(plan)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        side = np.abs(x)
        solid: Floats | None = None
        holes: Floats | None = None
        for number, (top, down, back, sizes) in enumerate(frames):
            height, width, depth, _, span, ala = sizes
            along = (y - top[1]) * np.float32(down[1]) + (z - top[2]) * np.float32(down[2])
            behind = (y - top[1]) * np.float32(back[1]) + (z - top[2]) * np.float32(back[2])
            part = _segment(side, behind, along, (height, width, depth, span, ala), number)
            solid = part if solid is None else union(solid, part, 3.0)
            if number < 4:
                hole = _foramen(side, behind, along, height, width)
                canal = superellipse(
                    side,
                    behind - np.float32(depth + 7),
                    (11.0 - 2 * number, 5.5 - 0.8 * number),
                    2.2,
                )
                canal = np.maximum(canal, np.abs(along - height / 2) - np.float32(height / 2 + 1))
                hole = np.minimum(hole, canal)
                holes = hole if holes is None else np.minimum(holes, hole)
        assert solid is not None
        assert holes is not None
        return intersection(solid, -holes, 2.0)

    corners = np.array([f[0] for f in frames])
    bounds = enclosing(corners, 64.0 * plan.scale)
    return Shape(distance=distance, bounds=bounds, step_mm=1.6)


def _segment(
    side: Floats,
    behind: Floats,
    along: Floats,
    sizes: tuple[float, float, float, float, float],
    number: int,
) -> Floats:
    """One sacral vertebra: body, lateral mass, back wall with crest."""
    height, width, depth, span, ala = sizes
    body = superellipse(side, behind, (width, depth), 2.6)
    gap = 0.8 if number < 2 else 0.2
    part = intersection(body, np.abs(along - height / 2) - np.float32(height / 2 - gap), 2.0)
    if number < 5:
        flat = np.float32(0.75)
        wing = capsule(
            side,
            behind,
            (along - height * 0.48) * flat,
            (width * 0.6, 3.0, 0.0),
            (span - ala * 0.8, 12.0 + 0.14 * span, 0.0),
            (ala * 0.9, ala),
        )
        part = union(part, wing, 4.0)
        wall = capsule(
            side,
            behind,
            (along - height * 0.5) * np.float32(0.4),
            (width * 0.85, depth + 8.0, 0.0),
            (0.0, depth + 16.0 - 1.5 * number, 0.0),
            (4.5, 4.0),
        )
        crest = capsule(
            side,
            behind,
            (along - height * 0.5) * np.float32(0.5),
            (0.0, depth + 15.0 - 1.5 * number, 0.0),
            (0.0, depth + 24.0 - 3.5 * number, 0.0),
            (3.0, 3.0),
        )
        part = union(part, union(wall, crest, 3.0), 3.0)
    return part


def _foramen(side: Floats, behind: Floats, along: Floats, height: float, width: float) -> Floats:
    """Distance to the anterior foramina at the junction with the next segment."""
    return capsule(
        side,
        behind,
        along,
        (width * 1.0 + 3, -30.0, height),
        (width * 0.9 + 3, 40.0, height),
        (5.5, 4.0),
    )


def _sacral_frames(plan: BodyPlan):
    """Yield for each segment: middle of its upper face, downward and backward axis, scaled sizes."""
    frames = []
    top = np.zeros(3)
    for sizes in SACRAL_SEGMENTS:
        angle = np.deg2rad(plan.sacral_slope_deg + sizes[3])
        down = np.array([0.0, np.sin(angle), -np.cos(angle)])
        back = np.array([0.0, np.cos(angle), np.sin(angle)])
        scaled = tuple(s if k == 3 else s * plan.scale for k, s in enumerate(sizes))
        frames.append((top, down, back, scaled))
        top = top + down * scaled[0]
    return frames


def hip_bone_shape(plan: BodyPlan, *, side: int) -> Shape:
    """Ilium, ischium and pubis of one side (1 left, -1 right)."""
    scale = plan.scale
    parts = [_blade(), _columns(plan.hip_lps_mm / scale), _cup(plan)]
    points = np.concatenate(parts)
    points[:, :3] *= scale
    points[:, 0] *= side
    return beads(lambda: points, around(points), 2.0)


def _blade() -> NDArray[np.float64]:
    """Balls (x, y, z, radius) along the iliac wing."""
    across = np.linspace(0, 1, 60)
    heights = [k[0] for k in BLADE_KNOTS[::-1]]
    rings = np.array([k[1:] for k in BLADE_KNOTS[::-1]])  # (height, knot, xy)
    top = np.interp(
        across, (0, 0.1, 0.22, 0.36, 0.5, 0.64, 0.78, 0.9, 1), (-8, 14, 30, 42, 46, 43, 32, 14, -6)
    )
    bottom = np.interp(across, (0, 0.2, 0.36, 0.5, 0.8, 1), (-34, -42, -86, -88, -84, -42))
    up = np.linspace(0, 1, 56)[:, None]
    z = bottom + (top - bottom) * up
    u = np.broadcast_to(across, z.shape)
    knots = np.stack(
        [
            np.stack([np.interp(z, heights, rings[:, k, c]) for c in range(2)], axis=-1)
            for k in range(3)
        ]
    )
    # A parabola through the back, middle and front points.
    u = u[..., None]
    place = (
        knots[0] * (2 * (u - 0.5) * (u - 1))
        + knots[1] * (-4 * u * (u - 1))
        + knots[2] * (2 * u * (u - 0.5))
    )
    radius = np.interp(u[..., 0], (0, 0.12, 0.3, 0.6, 0.85, 1), (6.5, 8.5, 5.0, 3.2, 4.0, 5.0))
    radius = radius + 2.0 * np.clip((up - 0.9) / 0.1, 0, 1) + 4.0 * np.clip((-z - 55) / 30, 0, 1)
    return np.concatenate([place, z[..., None], radius[..., None]], axis=-1).reshape(-1, 4)


def _columns(hip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Balls along ischium and pubis."""
    x, y, z = hip
    paths: Iterable[list[tuple[float, float, float, float]]] = (
        [
            (x - 18, y + 24, z + 6, 10.0),
            (x - 20, y + 30, z - 22, 11.0),
            (x - 25, y + 34, z - 46, 14.0),
            (x - 30, y + 22, z - 60, 11.0),
        ],
        [(x - 22, y - 18, z + 6, 10.0), (x - 48, y - 30, z - 6, 7.5), (14, y - 36, z - 16, 8.0)],
        [(13, y - 36, z - 16, 7.5), (11, y - 35, z - 36, 7.0), (x - 46, y - 8, z - 52, 6.0)],
        [(x - 46, y - 8, z - 52, 6.0), (x - 30, y + 20, z - 62, 8.0)],
    )
    return np.concatenate([curve(path, spacing_mm=2.0) for path in paths])


def _cup(plan: BodyPlan) -> NDArray[np.float64]:
    """Balls of the acetabulum around the femoral head."""
    radius = 24.0 if plan.subject.is_male else 21.8
    number = np.arange(900) + 0.5
    height = 1 - 2 * number / 900
    turn = np.pi * (1 + 5**0.5) * number
    ring = np.sqrt(1 - height**2)
    directions = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    opening = np.array([0.74, -0.30, -0.60])
    facing = directions @ opening
    notch = (directions @ np.array([-0.35, -0.25, -0.9])) > 0.80
    chosen = directions[(facing < 0.12) & ~notch]
    thickness = 4.0 + 1.5 * np.clip(chosen[:, 2], 0, 1)
    places = plan.hip_lps_mm / plan.scale + chosen * (radius + 3.2 + thickness)[:, None]
    return np.concatenate([places, thickness[:, None]], axis=1)

"""Shapes and attenuation of cement, pedicle screws with rods, and a hip prosthesis.

The HU are not clipped here; the scanner clips them. ``metal_shapes`` returns the shapes that cause
streaks.

Source: mass attenuation at 70 keV (Hubbell & Seltzer, NISTIR 5632): titanium 0.55 cm2/g at
4.43 g/cm3, cobalt about 0.85 cm2/g at 8.3 g/cm3; bone cement with barium or zirconium 2000 to
3071 HU (docs/domain.md 3.3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from training.cohort.body.femur import FemurPlan, femur_shape, plan_femur
from training.cohort.body.plan import BodyPlan, VertebraPlan
from training.cohort.body.vertebra import body_distance, local_axes, local_box
from training.cohort.paint.fields import smooth_field
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Medium, Part, Patch, Shape
from training.cohort.paint.sdf import capsule, ellipsoid, enclosing, intersection, tube, union
from training.cohort.people.findings import Findings

TITANIUM_HU = 11_000.0
COBALT_CHROMIUM_HU = 30_000.0
POLYETHYLENE_HU = -90.0
CEMENT_HU, CEMENT_GRAIN_HU = 2550.0, 220.0
SCREW_RADIUS_MM, ROD_RADIUS_MM = 3.0, 2.75
RESECTION_MM = 32.0
"""Distance from the middle of the femoral head along the neck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implant:
    """A part of one material.

    Parameters
    ----------
    part
        ``METAL`` (causes streaks), ``CEMENT``, or ``NONE`` for a liner.
    """

    name: str
    shape: Shape
    medium: Medium
    part: Part = Part.METAL


def spine_implants(plan: BodyPlan) -> list[Implant]:
    """Cement, screws and rods."""
    made = []
    for vertebra in plan.vertebrae:
        if vertebra.findings.cement_ml:
            made.append(cement(vertebra, plan.subject.rng(f"cement {vertebra.name}")))
        if vertebra.findings.screws:
            made += [_screw(vertebra, side) for side in (1, -1)]
    return made + [rod for side in (1, -1) for rod in _rods(plan, side)]


def cement(vertebra: VertebraPlan, rng: np.random.Generator) -> Implant:
    """Return lobes of cement in the front of a body with the stated volume."""
    width, depth, height = vertebra.size_mm
    room = height * (1 - vertebra.findings.height_loss)
    places = [
        (float(side * width * rng.uniform(0.08, 0.2)), float(depth * rng.uniform(-0.2, 0.05)),
         float(room * rng.uniform(-0.08, 0.08)) - vertebra.findings.height_loss * height * 0.2)
        for side in (1, -1, 1)
    ]  # fmt: skip
    radii = [rng.uniform(0.7, 1.2, 3) * (1, 1, 0.9) for _ in places]

    def lobes(grown: float) -> Shape:
        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            at = local_axes(vertebra, x, y, z)
            solid = None
            for place, radius in zip(places, radii, strict=True):
                lobe = ellipsoid(at.left, at.posterior, at.up, place, radius * grown)
                solid = lobe if solid is None else union(solid, lobe, 2.0)
            assert solid is not None
            return intersection(solid, body_distance(vertebra, at) + np.float32(1.2), 1.0)

        box = local_box(
            vertebra, (-width / 2, width / 2), (-depth / 2, depth / 2), (-height / 2, height / 2)
        )
        return Shape(distance=distance, bounds=box)

    shape = grown_to(lobes, vertebra.findings.cement_ml * 1000, 1.0, 30.0)
    grain = smooth_field(rng, 1.6)

    def medium(patch: Patch) -> Floats:
        return np.asarray(
            np.float32(CEMENT_HU) + CEMENT_GRAIN_HU * grain.at(patch.x, patch.y, patch.z)
        )

    return Implant(name="cement", shape=shape, medium=medium, part=Part.CEMENT)


def grown_to(
    sized: Callable[[float], Shape],
    volume_mm3: float,
    low: float,
    high: float,
    *,
    step_mm: float = 1.0,
) -> Shape:
    """Shape of a given volume; its size between ``low`` and ``high`` is searched at first use."""

    @cache
    def found() -> Shape:
        least, most = low, high
        for _ in range(9):
            middle = (least + most) / 2
            is_small = volume_of(sized(middle), step_mm) < volume_mm3
            least, most = (middle, most) if is_small else (least, middle)
        return sized((least + most) / 2)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        return found().distance(x, y, z)

    return Shape(distance=distance, bounds=sized(high).bounds)


def volume_of(shape: Shape, step_mm: float = 1.0) -> float:
    """Volume of a shape, mm3, from samples ``step_mm`` apart."""
    x, y, z = (
        np.arange(low, high + step_mm, step_mm, dtype=np.float32) for low, high in shape.bounds
    )
    inside = shape.distance(x[None, None, :], y[None, :, None], z[:, None, None])
    share = np.clip(0.5 - inside / np.float32(step_mm), 0, 1)
    return float(share.sum() * step_mm**3)


def _screw(vertebra: VertebraPlan, side: int) -> Implant:
    """Shaft through the pedicle into the front of the body, with its head behind the lamina."""
    head, tip = _screw_ends(vertebra, side)
    throat = head + (tip - head) * 0.16

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        shaft = capsule(x, y, z, throat, tip, (SCREW_RADIUS_MM, SCREW_RADIUS_MM * 0.8))
        tulip = capsule(x, y, z, head, throat, (6.0, 5.0))
        return union(shaft, tulip)

    bounds = enclosing(np.array([head, tip]), 7.0)
    return Implant(name="screw", shape=Shape(distance=distance, bounds=bounds), medium=TITANIUM_HU)


def _screw_ends(vertebra: VertebraPlan, side: int):
    width, depth, height = vertebra.size_mm
    entry = vertebra.lps(side * (width * 0.36 + 2), depth / 2 + 30, height * 0.26)
    tip = vertebra.lps(side * width * 0.14, -depth * 0.22, height * 0.16)
    return entry, tip


def _rods(plan: BodyPlan, side: int) -> list[Implant]:
    """One rod for every run of neighbouring vertebrae with screws."""
    runs: list[list[VertebraPlan]] = []
    for number, vertebra in enumerate(plan.vertebrae):
        if not vertebra.findings.screws:
            continue
        if number and plan.vertebrae[number - 1].findings.screws:
            runs[-1].append(vertebra)
        else:
            runs.append([vertebra])
    return [_rod(run, side) for run in runs if len(run) > 1]


def _rod(run: list[VertebraPlan], side: int) -> Implant:
    heads = np.array([_screw_ends(v, side)[0] for v in run])
    first, last = heads[0] - heads[1], heads[-1] - heads[-2]
    ends = [
        heads[0] + first / np.linalg.norm(first) * 9,
        heads[-1] + last / np.linalg.norm(last) * 9,
    ]
    knots = np.array([ends[0], *heads, ends[1]])
    knots = np.column_stack([knots, np.full(len(knots), ROD_RADIUS_MM)])
    return Implant(name="rod", shape=tube(knots, 0.8), medium=TITANIUM_HU)


def resected_femur_shape(femur: FemurPlan, *, side: int) -> Shape:
    """Femur without head and neck."""
    whole = femur_shape(femur, side=side)
    edge = femur.head + femur.neck * RESECTION_MM * femur.scale

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        way = [
            (c - np.float32(e)) * np.float32(n)
            for c, e, n in zip((x * side, y, z), edge, femur.neck, strict=True)
        ]
        return np.asarray(np.maximum(whole.distance(x, y, z), -(way[0] + way[1] + way[2])))

    return Shape(distance=distance, bounds=whole.bounds, step_mm=whole.step_mm)


def prosthesis_side(found: Findings) -> int:
    """1 for the left hip, -1 for the right one, 0 for none."""
    return {"": 0, "left": 1, "right": -1}[found.hip_prosthesis]


def hip_implants(plan: BodyPlan) -> list[Implant]:
    """Cup, liner, head, neck and stem of a total hip prosthesis."""
    side = prosthesis_side(plan.subject.findings)
    if not side:
        return []
    femur = plan_femur(plan)
    scale, centre = femur.scale, femur.head
    opening = np.array([0.74, -0.30, -0.60]) / np.linalg.norm([0.74, -0.30, -0.60])
    cup, head = 26.5 * scale, 16.0 * scale
    shoulder = centre + femur.neck * 50 * scale
    down = femur.shaft_end - femur.shaft_start
    down = down / np.linalg.norm(down)
    root, end = femur.shaft_start + down * 14 * scale, femur.shaft_start + down * 132 * scale

    def shell(radius: float, thickness: float):
        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            dx, dy, dz = x * np.float32(side) - centre[0], y - centre[1], z - centre[2]
            away = np.sqrt(dx**2 + dy**2 + dz**2)
            facing = dx * opening[0] + dy * opening[1] + dz * opening[2]
            wall = np.abs(away - (radius - thickness / 2)) - thickness / 2
            return np.asarray(np.maximum(wall, facing), np.float32)

        return Shape(distance=distance, bounds=_around(np.array([centre]), side, radius + 2))

    def ball(x: Floats, y: Floats, z: Floats) -> Floats:
        return ellipsoid(x * np.float32(side), y, z, centre, (head,) * 3)

    def stem(x: Floats, y: Floats, z: Floats) -> Floats:
        x = x * np.float32(side)
        neck = capsule(x, y, z, centre, shoulder, (6.0 * scale, 8.0 * scale))
        upper = capsule(x, y, z, shoulder, root, (9.5 * scale, 9.0 * scale))
        lower = capsule(x, y, z, root, end, (9.0 * scale, 4.5 * scale))
        return union(union(neck, upper, 4.0), lower, 4.0)

    places = np.array([centre, shoulder, root, end])
    stem_shape = Shape(distance=stem, bounds=_around(places, side, 12 * scale))
    head_shape = Shape(distance=ball, bounds=_around(np.array([centre]), side, head + 2))
    return [
        Implant(
            name="liner",
            shape=shell(cup - 4, cup - 4 - head),
            medium=POLYETHYLENE_HU,
            part=Part.NONE,
        ),
        Implant(name="cup", shape=shell(cup, 4.0), medium=TITANIUM_HU),
        Implant(name="stem", shape=stem_shape, medium=TITANIUM_HU),
        Implant(name="head", shape=head_shape, medium=COBALT_CHROMIUM_HU),
    ]


def _around(points, side: int, margin: float):
    return enclosing(points * np.array([side, 1, 1]), margin)


def metal_shapes(plan: BodyPlan) -> list[Shape]:
    """Return all metal in a patient, for the label map and the streaks."""
    return [
        part.shape
        for part in (*spine_implants(plan), *hip_implants(plan))
        if part.part == Part.METAL
    ]

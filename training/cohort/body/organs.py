"""Paint the soft organs: solid organs, vessels, lungs, muscles along the spine, stomach, bowel.

Each function paints one system. Later systems overwrite earlier ones.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import BodyPlan
from training.cohort.body.trunk import Trunk
from training.cohort.matter.media import Media
from training.cohort.paint.fields import Field, smooth_field
from training.cohort.paint.grid import Bounds, Floats
from training.cohort.paint.raster import Patch, Shape, Volume
from training.cohort.paint.sdf import ellipsoid, intersection, tube, tubes, union

STEP_MM = 2.5


def paint_organs(volume: Volume, plan: BodyPlan, trunk: Trunk, media: Media) -> None:
    """Paint all soft tissue inside the wall, from the least to the most distinct."""
    bumps = smooth_field(plan.subject.rng("organ surfaces"), 24.0)
    _paint_mesentery(volume, plan, trunk, media)
    _paint_lumbar_muscles(volume, plan, media)
    _paint_solid_organs(volume, plan, trunk, media, bumps)
    _paint_stomach(volume, plan, media, bumps)
    _paint_small_bowel(volume, plan, media)
    _paint_colon(volume, plan, media)
    paint_vessels(volume, plan, media)
    _paint_bladder(volume, plan, media)
    paint_lungs(volume, plan, trunk, media)


def _paint_mesentery(volume: Volume, plan: BodyPlan, trunk: Trunk, media: Media) -> None:
    """Fat of the cavity with small vessels and strands in it."""
    strands = smooth_field(plan.subject.rng("mesentery"), 5.0)
    fat, vessel = media.hu("fat"), media.hu("vein")

    def medium(patch: Patch) -> Floats:
        share = np.clip((strands.at(patch.x, patch.y, patch.z) - 1.35) / 0.8, 0, 1)
        return np.asarray(fat + share * (vessel - fat) * np.float32(0.9))

    volume.paint(Shape(distance=trunk.cavity, bounds=trunk.bounds, step_mm=4.0), medium)


def _paint_lumbar_muscles(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Psoas, quadratus lumborum and erector spinae of both sides, each in a sheath of fat."""
    fat, muscle = media.hu("fat"), media.hu("muscle") + 5
    marbling = smooth_field(plan.subject.rng("back marbling"), (4.0, 4.0, 16.0))

    def striated(patch: Patch) -> Floats:
        share = np.clip((marbling.at(patch.x, patch.y, patch.z) - 1.1) / 1.2, 0, 0.7)
        return np.asarray(np.float32(muscle) + share * np.float32(fat - muscle))

    erector = [_erector(plan, aside, radius) for aside, radius in ((17, 22), (36, 24), (56, 17))]
    for side in (1, -1):
        mirror = np.array([side, 1, 1, 1])
        sheaths = ([_quadratus(plan) * mirror], [path * mirror for path in erector])
        curved = [[_beside_spine(plan, path) for path in paths] for paths in sheaths]
        for knots in ([_psoas(plan, side)], *curved):
            volume.paint(tubes([k + np.array([0, 0, 0, 1.3]) for k in knots], STEP_MM), fat)
            volume.paint(tubes(knots, STEP_MM), striated)


def _beside_spine(plan: BodyPlan, path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift a path sideways with the curve of the spine."""
    moved = path.copy()
    moved[:, 0] += plan.spine_x(np.maximum(path[:, 2], 0.0))
    return moved


def _psoas(plan: BodyPlan, side: int) -> NDArray[np.float64]:
    knots = []
    for level, aside, radius in (
        (Level.T12, 3, 4), (Level.L1, 4, 9), (Level.L2, 7, 13), (Level.L3, 10, 17),
        (Level.L4, 13, 20), (Level.L5, 19, 20),
    ):  # fmt: skip
        v = plan.vertebra(level)
        place = v.lps(side * (v.size_mm[0] / 2 + aside), 6, 0)
        knots.append((*place, radius * plan.scale))
    s = plan.scale
    hip = plan.hip_lps_mm
    knots += [
        (side * 62 * s, -28 * s, -15 * s, 19 * s),
        (side * 78 * s, -46 * s, -55 * s, 17 * s),
        (side * (hip[0] - 2), hip[1] - 36 * s, hip[2], 14 * s),
        (side * (hip[0] + 12), hip[1] + 4, hip[2] - 52 * s, 11 * s),
    ]
    return np.array(knots, dtype=np.float64)


def _quadratus(plan: BodyPlan) -> NDArray[np.float64]:
    s = plan.scale
    return np.array(
        [(x * s, float(plan.spine_y(z * s)) + 26 * s, z * s, 11 * s)
         for x, z in ((52, 165), (62, 120), (72, 80), (82, 52))]
    )  # fmt: skip


def _erector(plan: BodyPlan, aside: float, radius: float) -> NDArray[np.float64]:
    s = plan.scale
    return np.array(
        [
            (aside * s, float(plan.spine_y(max(z, 0.0) * s)) + float(np.interp(z, (260, 460), (50 if aside < 40 else 44, 34))) * s, z * s,
             radius * s * float(np.interp(z, (-50, 20, 120, 260, 360, 460), (0.45, 0.8, 1.0, 0.75, 0.6, 0.45))))
            for z in (-50, 0, 30, 60, 90, 130, 170, 210, 260, 310, 360, 410, 455, 520)
        ]
    )  # fmt: skip


def _paint_solid_organs(
    volume: Volume, plan: BodyPlan, trunk: Trunk, media: Media, bumps: Field
) -> None:
    s = plan.scale
    inside = _inside_wall(trunk, 3.0)

    def organ(parts: Sequence[tuple[Sequence[float], Sequence[float]]], blend: float) -> Shape:
        centres = np.array([p[0] for p in parts]) * s
        radii = np.array([p[1] for p in parts]) * s

        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            solid = ellipsoid(x, y, z, centres[0], radii[0])
            for c, r in zip(centres[1:], radii[1:], strict=True):
                solid = union(solid, ellipsoid(x, y, z, c, r), blend)
            solid = solid + np.float32(2.0) * bumps.at(x, y, z)
            return intersection(solid, inside(x, y, z), 6.0)

        low, high = (centres - radii).min(axis=0) - 12, (centres + radii).max(axis=0) + 12
        return Shape(distance=distance, bounds=_bounds(low, high), step_mm=STEP_MM)

    liver = organ(
        [
            ((-82, -32, 205), (66, 78, 70)),
            ((-95, -25, 160), (44, 62, 62)),
            ((-10, -78, 212), (78, 34, 38)),
        ],
        25.0,
    )
    volume.paint(liver, media.hu("liver") + 6)
    volume.paint(organ([((-52, -78, 150), (17, 19, 30))], 1.0), media.hu("urine"))
    volume.paint(organ([((108, 14, 208), (24, 42, 50))], 1.0), media.hu("spleen") + 5)
    pancreas = [
        ((k, -52 - 8 * np.sin(k / 25 + 1), 165 + 0.25 * k), (20, 12, 13))
        for k in (-30, -8, 16, 40, 62)
    ]
    volume.paint(organ(pancreas, 8.0), media.hu("spleen"))
    for side, up in ((1, 150), (-1, 140)):
        _paint_kidney(volume, plan, media, side=side, up=up, bumps=bumps)


def _paint_kidney(
    volume: Volume, plan: BodyPlan, media: Media, *, side: int, up: float, bumps: Field
) -> None:
    """Capsule of fat, parenchyma and the fat of the sinus; tilted along the psoas."""
    s = plan.scale
    y = float(plan.spine_y(up * s)) + 14 * s
    centre = np.array([side * 66 * s, y, up * s])

    def kidney(shift: float, radii: tuple[float, float, float]) -> Shape:
        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            lean = (z - centre[2]) * np.float32(0.22)
            solid = ellipsoid(
                x + side * (lean + shift), y - lean * 0.5, z, centre, np.array(radii) * s
            )
            return np.asarray(solid + np.float32(1.0) * bumps.at(x, y, z))

        return Shape(
            distance=distance, bounds=_bounds(centre - 75 * s, centre + 75 * s), step_mm=STEP_MM
        )

    volume.paint(kidney(0, (37, 33, 62)), media.hu("fat"))
    volume.paint(kidney(0, (27, 23, 52)), media.hu("kidney"))
    volume.paint(kidney(17, (14, 9, 24)), media.hu("fat") * 0.8)


def _paint_stomach(volume: Volume, plan: BodyPlan, media: Media, bumps: Field) -> None:
    s = plan.scale
    path = np.array([(62, -18, 245, 30), (72, -40, 215, 34), (58, -68, 185, 28), (22, -82, 165, 20),
                     (-14, -74, 160, 14)]) * s  # fmt: skip
    _paint_gut(
        volume, path, media, gas_above=-62.0 * s, wall=4.0, contents=media.hu("gut contents")
    )


def _paint_small_bowel(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Paint random loops in the middle of the cavity."""
    rng, s = plan.subject.rng("small bowel"), plan.scale
    for _ in range(15):
        place = np.array([rng.uniform(-60, 60), rng.uniform(-85, -45), rng.uniform(-35, 125)])
        knots = []
        for _ in range(9):
            place = place + rng.normal(0, 1, 3) * np.array([24, 13, 20])
            place = np.clip(place, [-78, -92, -55], [78, -38, 135])
            knots.append((*place, rng.uniform(10.5, 15)))
        contents = media.hu("gut contents") + rng.uniform(-8, 25)
        gas = float(place[1] - rng.uniform(6, 40))
        _paint_gut(
            volume, np.array(knots) * s, media, gas_above=gas * s, wall=2.2, contents=contents
        )


def _paint_colon(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Caecum to rectum; gas in front, stool with small bubbles behind."""
    rng, s = plan.subject.rng("colon"), plan.scale
    sag = rng.uniform(-10, 25)
    knots = np.array(
        [(-78, -62, 5, 22), (-96, -48, 50, 24), (-98, -42, 95, 23), (-84, -72, 128, 22),
         (-50, -92, 112 - sag, 21), (0, -96, 100 - sag, 21), (50, -90, 120 - sag, 20),
         (92, -50, 165, 20), (104, -10, 175, 17), (103, 2, 130, 16), (102, -6, 80, 16),
         (96, -24, 35, 15), (84, -46, 0, 15), (52, -58, -32, 16), (28, -30, -52, 16),
         (12, 2, -56, 17), (0, 22, -72, 18), (0, 34, -100, 18), (0, 34, -135, 12)]
    ) * s  # fmt: skip
    bubbles = smooth_field(plan.subject.rng("stool"), 7.0)

    def stool(patch: Patch) -> Floats:
        share = np.clip((bubbles.at(patch.x, patch.y, patch.z) - 0.9) / 0.6, 0, 1)
        return np.asarray(np.float32(40) - share * np.float32(500))

    path = knots + np.array([[*rng.normal(0, 3, 3), 0] for _ in knots])
    _paint_gut(volume, path, media, gas_above=-78.0 * s, wall=2.5, contents=stool)


def _paint_gut(
    volume: Volume,
    knots: NDArray[np.float64],
    media: Media,
    *,
    gas_above: float,
    wall: float,
    contents: float | Callable[[Patch], Floats],
) -> None:
    """Paint a tube with wall, contents, and gas in front of a level (the patient is supine)."""
    shape = tube(knots, STEP_MM)

    def core(patch: Patch) -> Floats:
        filled = contents(patch) if callable(contents) else np.float32(contents)
        gas = np.clip((np.float32(gas_above) - patch.y) / np.float32(1.5) + 0.5, 0, 1)
        return np.asarray(filled + gas * (np.float32(-985) - filled))

    volume.paint_shell(shape, depth=wall, shell=media.hu("gut wall") + 5, core=core)


def paint_vessels(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Aorta and inferior vena cava in front of the spine, and the iliac vessels."""
    for tissue, path in (("vein", _cava_path(plan)), ("aorta", aorta_path(plan))):
        volume.paint(tube(path, 2.0), media.hu(tissue))
        for leg in (1, -1):
            volume.paint(
                tube(_iliac(plan, path[-1], leg, behind=tissue == "vein"), 2.0), media.hu(tissue)
            )


def aorta_path(plan: BodyPlan) -> NDArray[np.float64]:
    """Knots (x, y, z, radius) of the descending aorta, from T4 to its bifurcation at L4."""
    radius = 9.5 if plan.subject.is_male else 8.5
    return np.array(
        [
            (*v.lps(9, -(v.size_mm[1] / 2 + 11), 0), radius)
            for v in plan.vertebrae
            if Level.T4 <= v.level <= Level.L4
        ]
    )


def _cava_path(plan: BodyPlan) -> NDArray[np.float64]:
    return np.array(
        [
            (*v.lps(-15, -(v.size_mm[1] / 2 + (15 if v.level < Level.L1 else 11)), 0), 10.5)
            for v in plan.vertebrae
            if Level.T9 <= v.level <= Level.L4
        ]
    )


def _iliac(
    plan: BodyPlan, start: NDArray[np.float64], leg: int, *, behind: bool
) -> NDArray[np.float64]:
    s, hip = plan.scale, plan.hip_lps_mm
    shift = 9.0 if behind else 0.0
    return np.array(
        [
            (start[0], start[1], start[2] - 8, 6.5),
            (leg * 26 * s, (-24 + shift) * s, 2 * s, 6.0),
            (leg * (46 - shift) * s, (-30 + shift) * s, -40 * s, 5.0),
            (leg * (hip[0] - 20 - shift), hip[1] - 50 * s, hip[2] + 12, 5.0),
            (leg * (hip[0] - 12 - shift), hip[1] - 46 * s, hip[2] - 70, 5.0),
        ]
    )


def _paint_bladder(volume: Volume, plan: BodyPlan, media: Media) -> None:
    s = plan.scale
    size = plan.subject.rng("bladder").uniform(0.8, 1.15)
    centre, radii = np.array([0, -34, -92]) * s, np.array([44, 30, 32]) * s * size

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        return ellipsoid(x, y, z, centre, radii)

    shape = Shape(
        distance=distance, bounds=_bounds(centre - radii, centre + radii), step_mm=STEP_MM
    )
    volume.paint_shell(shape, depth=3.0, shell=media.hu("gut wall"), core=media.hu("urine"))


def paint_lungs(volume: Volume, plan: BodyPlan, trunk: Trunk, media: Media) -> None:
    """Lung bases above two domes, with vessels; a thin diaphragm remains below."""
    s = plan.scale
    vessels = smooth_field(plan.subject.rng("lung vessels"), 8.0)
    inside = _inside_wall(trunk, 4.0)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        top = np.where(x < 0, np.float32(272 * s), np.float32(262 * s))
        across = ((np.abs(x) - 72 * s) / (82 * s)) ** 2 + ((y + 22 * s) / (92 * s)) ** 2
        dome = top - np.float32(78 * s) * np.minimum(across, 1.6) ** 1.25
        # Wide beside the heart, narrow above the heart.
        wide = np.interp(z, np.array([300, 370, 465]) * s, np.array([1.0, 0.66, 0.32])).astype(
            np.float32
        )
        mediastinum = ellipsoid(
            (x - 10 * s * wide) / wide, y, 0 * z, (0, -40 * s, 0), (np.array([58, 62, 99]) * s)
        )
        behind = plan.spine_y(z).astype(np.float32) + np.float32(19 * s)
        narrow = np.interp(z, np.array([340, 460]) * s, np.array([1.0, 0.6])).astype(np.float32)
        spine = ellipsoid(x / narrow, y - behind, 0 * z, (0, 0, 0), (np.array([33, 42, 99]) * s))
        limit = np.maximum(dome - z, inside(x, y, z))
        return np.asarray(np.maximum(limit, -np.minimum(mediastinum, spine)))

    def medium(patch: Patch) -> Floats:
        share = np.clip((vessels.at(patch.x, patch.y, patch.z) - 1.5) / 0.5, 0, 1)
        return np.asarray(np.float32(-860) + share * np.float32(800))

    (x0, x1), (y0, y1), _ = trunk.bounds
    shape = Shape(
        distance=distance, bounds=((x0, x1), (y0, y1), (120.0 * s, trunk.apex_mm)), step_mm=STEP_MM
    )
    volume.paint(shape, medium)
    heart = np.array([22, -52, 318]) * s

    def beat(x: Floats, y: Floats, z: Floats) -> Floats:
        return ellipsoid(x, y, z, heart, np.array([58, 44, 52]) * s)

    reach = 62 * s
    volume.paint(
        Shape(distance=beat, bounds=_bounds(heart - reach, heart + reach), step_mm=STEP_MM),
        media.hu("heart"),
    )


def _inside_wall(trunk: Trunk, gap_mm: float):
    """Distance to the wall of the cavity, from inside, with a gap."""
    return lambda x, y, z: trunk.cavity(x, y, z) + np.float32(gap_mm)


def _bounds(low: NDArray[np.float64], high: NDArray[np.float64]) -> Bounds:
    return (
        (float(low[0]), float(high[0])),
        (float(low[1]), float(high[1])),
        (float(low[2]), float(high[2])),
    )

"""Paint the upper half of the chest, above the diaphragm, and the arms.

Contains shoulder girdle, sternum, lowest cervical vertebrae, great vessels, airways, and the arms,
raised or at the side.

Source of the sizes: anatomy textbooks (sternal angle at the disc T4/T5, carina at T5, arch of the
aorta at T4, apex of the lung 2 to 3 cm above the clavicle), to about 5 mm.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.organs import aorta_path
from training.cohort.body.plan import BodyPlan, VertebraPlan
from training.cohort.body.ribs import rib_path
from training.cohort.body.trunk import Trunk
from training.cohort.body.vertebra import vertebra_shape
from training.cohort.errors import BadCohortConfig
from training.cohort.matter.media import Media
from training.cohort.matter.physics import SpongiosaHu
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Patch, Shape, Volume
from training.cohort.paint.sdf import around, beads, capsule, ellipsoid, enclosing, tube, tubes
from training.cohort.people.findings import HEALTHY

ARMS: Final = ("up", "down")
CARTILAGE_HU: Final = 105.0
AIR_HU: Final = -960.0
CHEST_FROM_MM: Final = 105.0
"""Lower end of all shapes here except the arms: the costal cartilages."""

CERVICAL: Final = 3
"""Vertebrae painted above T1; their labels are 7, 6 and 5 (VerSe)."""


def paint_mediastinum(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Paint great vessels, airways and pulmonary arteries."""
    s = plan.scale
    for name, paths in _vessels(plan).items():
        volume.paint(tubes([np.asarray(path) for path in paths], 1.6), media.hu(name))
    for path in _lung_arteries(plan):
        volume.paint(tube(path, 1.4), media.hu("heart"))
    gullet = [(6, _front(plan, z) - 7 * s, z, 6 * s) for z in _heights(plan, 260, 560)]
    volume.paint(tube(gullet, 1.6), media.hu("gut wall"))
    for path in _airways(plan):
        shape = tube(path, 1.2)
        volume.paint_shell(shape, depth=1.5, shell=media.hu("gut wall"), core=AIR_HU)


def _front(plan: BodyPlan, z: float) -> float:
    """Posterior coordinate of the front of the vertebral bodies at a height."""
    return float(plan.spine_y(z)) - 10 * plan.scale


def _heights(plan: BodyPlan, low: float, high: float) -> list[float]:
    return [float(z) * plan.scale for z in np.linspace(low, high, 9)]


def _scaled(plan: BodyPlan, knots: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(knots, np.float64) * plan.scale


def _vessels(plan: BodyPlan) -> dict[str, list[NDArray[np.float64]]]:
    """Arch and ascending aorta with its branches; caval and brachiocephalic veins; pulmonary trunk."""
    x, y, z, r = (float(value) for value in aorta_path(plan)[0] / plan.scale)
    arch: list[tuple[float, ...]] = [(x, y, z, r), (x - 2, y - 12, z + 14, r + 1), (x - 10, y - 28, z + 18, r + 2),
            (-12, y - 42, z + 6, 14), (-17, -62, z - 22, 15), (-12, -64, 338, 16)]  # fmt: skip
    branches: list[list[tuple[float, ...]]] = [
        [(x - 12, y - 28, z + 22, 6), (-22, -52, z + 48, 6), (-32, -48, 470, 5), (-36, -52, 600, 4)],
        [(x - 5, y - 24, z + 22, 4.5), (20, -50, z + 50, 4.5), (32, -50, 480, 4), (36, -52, 600, 4)],
        [(x, y - 14, z + 20, 5), (28, -32, z + 48, 5), (60, -36, 462, 5), (105, -22, 456, 4.5)],
        [(-30, -48, 455, 5), (-62, -38, 464, 5), (-105, -22, 456, 4.5)],
    ]  # fmt: skip
    caval = [(-28, -54, 425, 9), (-29, -52, 370, 9.5), (-27, -52, 330, 10)]
    left_vein = [(62, -58, 445, 6.5), (34, -72, 428, 6.5), (0, -76, 418, 6.5), (-24, -62, 414, 7)]
    jugulars = [
        [(side * 62, -56, 446, 6.5), (side * 40, -56, 470, 7), (side * 46, -48, 600, 6)]
        for side in (1, -1)
    ]
    right_vein = [(-62, -56, 446, 6.5), (-36, -62, 432, 7), (-28, -54, 424, 8)]
    trunk = [(12, -80, 345, 13), (18, -62, 366, 13), (30, -44, 372, 11), (52, -34, 366, 9)]
    right = [(18, -60, 364, 11), (-12, -44, 362, 10.5), (-42, -40, 356, 9)]
    return {
        "aorta": [_scaled(plan, path) for path in [arch, *branches]],
        "vein": [_scaled(plan, path) for path in (caval, left_vein, right_vein, *jugulars)],
        "heart": [_scaled(plan, path) for path in (trunk, right)],
    }


def _lung_arteries(plan: BodyPlan) -> list[NDArray[np.float64]]:
    """Branches from each hilum; they become thinner outwards."""
    rng = plan.subject.rng("lung arteries")
    paths = []
    for side, hilum in ((1, (50, -34, 360)), (-1, (-46, -38, 352))):
        for up, behind in ((95, -5), (70, -35), (48, 35), (10, -55), (0, 45), (-40, -35), (-55, 30),
                           (-70, 52), (-50, -5), (30, 5)):  # fmt: skip
            end = np.array([side * rng.uniform(72, 112), behind, hilum[2] + up])
            end[0] *= 1 - 0.45 * max(up, 0) / 100
            way = end - hilum
            bend = np.cross(way, [0, 0, 1]) * rng.normal(0, 0.1)
            knots = [
                (*(hilum + way * t + bend * np.sin(np.pi * t)), radius)
                for t, radius in ((0.0, 5.0), (0.3, 3.6), (0.65, 2.4), (1.0, 1.4))
            ]
            paths.append(_scaled(plan, knots))
    return paths


def _airways(plan: BodyPlan) -> list[NDArray[np.float64]]:
    s = plan.scale
    heights = np.array([600.0, 520.0, 470.0, 430.0, 385.0])
    trachea = [(-2, _front(plan, z * s) / s - gap, z, 8.5) for z, gap in
               zip(heights, (16, 17, 18, 20, 20), strict=True)]  # fmt: skip
    _, y, z, _ = trachea[-1]
    right = [trachea[-1], (-20, y + 1, z - 18, 7.5), (-44, y, z - 34, 6.5)]
    left = [trachea[-1], (18, y + 3, z - 20, 6.5), (48, y + 2, z - 36, 6)]
    return [_scaled(plan, path) for path in (trachea, right, left)]


def paint_shoulders(
    volume: Volume,
    plan: BodyPlan,
    trunk: Trunk,
    spongy: SpongiosaHu,
    cortex: float,
    *,
    arms: str,
) -> None:
    """Paint sternum with cartilages, clavicles, scapulae, and the lowest cervical vertebrae."""
    marrow = float(spongy.at(100.0))
    for shape in _cartilages(plan, trunk):
        volume.paint(shape, CARTILAGE_HU)
    for shape in (*_sternum(plan, trunk), *_girdle(plan, arms)):
        volume.paint_shell(shape, depth=0.8, shell=cortex, core=marrow)
    for number, vertebra in enumerate(cervical(plan)):
        volume.paint_shell(
            vertebra_shape(vertebra),
            depth=0.7,
            shell=cortex,
            core=float(spongy.at(plan.subject.density_mg_cm3(Level.T1) * 1.5)),
            label=7 - number,
        )


def cervical(plan: BodyPlan) -> list[VertebraPlan]:
    """Plan C7 to C5 above T1; they become upright towards the head."""
    below = plan.vertebra(Level.T1)
    stacked = []
    for lean in (-20.0, -11.0, -3.0):
        width, _, _ = below.size_mm
        height, gap = 13.5 * plan.scale, 5.0 * plan.scale
        angle = np.deg2rad(lean)
        up = np.array([0.0, np.sin(angle), np.cos(angle)])
        top = below.lps(0, 0, below.size_mm[2] / 2)
        below = VertebraPlan(
            level=Level.T1,
            centre_lps_mm=top + up * (gap + height / 2),
            axes=np.array([[1.0, 0.0, 0.0], [0.0, up[2], -up[1]], up]),
            size_mm=(width * 0.92, 15.5 * plan.scale, height),
            disc_below_mm=gap,
            findings=HEALTHY,
        )
        stacked.append(below)
    return stacked


def _sternum(plan: BodyPlan, trunk: Trunk) -> list[Shape]:
    """Manubrium, and body with xiphoid process, as plates of balls."""
    plates = (
        ((426, 22), (415, 25), (402, 17), (393, 13)),
        ((390, 13), (360, 14), (325, 18), (300, 15), (283, 7), (268, 5)),
    )
    return [_plate(plan, trunk, plate) for plate in plates]


def _plate(plan: BodyPlan, trunk: Trunk, plate: Sequence[tuple[float, float]]) -> Shape:
    s = plan.scale
    heights, halves = np.array(plate).T
    order = np.argsort(heights)
    rows = np.arange(heights.min(), heights.max(), 2.5)
    widths = np.interp(rows, heights[order], halves[order])
    points = [
        (x * s, y + 0.004 * x * x * s, z * s, 5.0 * s)
        for z, half in zip(rows, widths, strict=True)
        for y in (sternum_y(trunk, float(z * s)),)
        for x in np.linspace(-half + 4, half - 4, max(3, int(half / 1.3)))
    ]
    balls = np.array(points)
    return beads(lambda: balls, around(balls), 1.4)


def sternum_y(trunk: Trunk, z: float) -> float:
    """Posterior coordinate of the middle of the sternum at a height."""
    return float(trunk.cage(z)[1]) - 2.0 * trunk.scale


def _cartilages(plan: BodyPlan, trunk: Trunk) -> list[Shape]:
    """Cartilages from the ribs to the sternum (1 to 7) or to the cartilage above (8 to 10)."""
    s = plan.scale
    joints = {Level.T1: 414, Level.T2: 393, Level.T3: 374, Level.T4: 354, Level.T5: 336,
              Level.T6: 320, Level.T7: 306}  # fmt: skip
    made = []
    for side in (1, -1):
        ends = {
            v.level: rib_path(plan, v, trunk, side)[-1]
            for v in plan.vertebrae
            if v.level <= Level.T10 and not v.extra
        }
        for level, end in ends.items():
            if level in joints:
                z = joints[level] * s
                goal = np.array([side * 17 * s, sternum_y(trunk, z), z])
            else:
                goal = (
                    ends[Level(level - 1)] * 0.55
                    + np.array([side * 17 * s, -118 * s, 300 * s]) * 0.45
                )
                goal[1] = min(goal[1], end[1])
            middle = (end + goal) / 2
            # The cartilages continue downwards before they ascend to the sternum.
            middle[2] = min(end[2], goal[2]) + 0.25 * abs(end[2] - goal[2])
            middle[1] = trunk.wall_y(float(middle[0]), float(middle[2]))
            knots = np.column_stack([[end, middle, goal], np.full(3, 5.0 * s)])
            made.append(tube(knots, 1.6))
    return made


def _girdle(plan: BodyPlan, arms: str) -> list[Shape]:
    """Clavicles and scapulae of both sides; lowered arms lower the shoulders."""
    made = []
    for side in (1, -1):
        mirror = np.array([side, 1, 1, 1])
        clavicle = _scaled(plan, [(22, -84, 424, 8), (55, -90, 436, 6), (95, -64, 454, 5.5),
                                  (128, -34, 468, 6.5)])  # fmt: skip
        made.append(tube(_sunk(clavicle, plan, arms) * mirror, 1.4))
        blade = _triangle((72, 56, 438), (116, 50, 336), (132, 22, 438), 2.2)
        edge = _path([(116, 50, 336, 3.5), (128, 38, 390, 5), (136, 18, 436, 9)])
        spine = _path([(74, 62, 428, 3.5), (108, 60, 446, 5), (140, 34, 464, 6), (146, 4, 472, 5)])
        hook = _path([(134, 12, 446, 6), (126, -14, 456, 5), (122, -30, 450, 4.5)])
        scapula = _scaled(plan, np.concatenate([blade, edge, spine, hook]))
        balls = _sunk(scapula, plan, arms) * mirror
        made.append(beads(lambda balls=balls: balls, around(balls), 1.4))  # type: ignore[misc]
    return made


def _sunk(balls: NDArray[np.float64], plan: BodyPlan, arms: str) -> NDArray[np.float64]:
    """Lower the lateral parts of the left shoulder if the arm is down."""
    if arms == "up":
        return balls
    lower = 0.55 * np.maximum(balls[:, 0] - 85 * plan.scale, 0)
    return balls - np.column_stack([0 * lower, 0 * lower, lower, 0 * lower])


def _triangle(
    first: Sequence[float], second: Sequence[float], third: Sequence[float], radius: float
):
    """Balls over a triangle, 2 mm apart."""
    a, b, c = (np.asarray(corner, np.float64) for corner in (first, second, third))
    u, v = np.meshgrid(np.linspace(0, 1, 52), np.linspace(0, 1, 52))
    inside = u + v <= 1
    places = a + u[inside][:, None] * (b - a) + v[inside][:, None] * (c - a)
    # The blade lies on the ribs and is concave towards them.
    hollow = 7 * (u * v * (1 - u - v))[inside] * 27
    places[:, 1] += hollow
    return np.column_stack([places, np.full(len(places), radius)])


def _path(knots: ArrayLike) -> NDArray[np.float64]:
    """Balls along straight segments, 1.5 mm apart."""
    points = np.asarray(knots, np.float64)
    pieces = [
        np.linspace(p, q, max(2, int(np.linalg.norm(q[:3] - p[:3]) / 1.5)))
        for p, q in pairwise(points)
    ]
    return np.concatenate(pieces)


def paint_arms(volume: Volume, plan: BodyPlan, media: Media, *, arms: str) -> None:
    """Paint the soft tissue of the upper arms, raised or at the side, before the trunk.

    Raises
    ------
    BadCohortConfig
        ``arms`` is neither ``up`` nor ``down``.
    """
    if arms not in ARMS:
        raise BadCohortConfig(f"arms = {arms!r}", "one of " + ", ".join(ARMS))
    for side in (1, -1):
        axis = _arm(plan, arms)[1] * np.array([side, 1, 1, 1])
        flesh = tube(axis, 3.0)
        volume.paint_shell(flesh, depth=1.8, shell=media.hu("skin") - 20, core=media.hu("fat"))
        volume.paint(tube(axis - np.array([0, 0, 0, 9.0]), 3.0), media.hu("muscle") + 5)


def paint_humeri(
    volume: Volume, plan: BodyPlan, spongy: SpongiosaHu, cortex: float, *, arms: str
) -> None:
    """Paint heads and shafts of both humeri."""
    for side in (1, -1):
        head, axis = _arm(plan, arms)
        mirror = np.array([side, 1, 1, 1])
        _paint_humerus(volume, plan, spongy, cortex, head * mirror[:3], axis * mirror)


def paint_axillae(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Paint fat between the ribs and the muscles of the arm."""
    s = plan.scale
    for side in (1, -1):
        centre, radii = np.array([side * 132, -14, 398]) * s, np.array([13, 40, 46]) * s

        def distance(
            x: Floats,
            y: Floats,
            z: Floats,
            centre: NDArray[np.float64] = centre,
            radii: NDArray[np.float64] = radii,
            side: int = side,
        ) -> Floats:
            bent = x + np.float32(side / 95.0 / s) * (y - np.float32(centre[1])) ** 2
            return ellipsoid(bent, y, z, centre, radii)

        shape = Shape(distance=distance, bounds=enclosing(centre[None], 50 * s), step_mm=2.0)
        volume.paint(shape, media.hu("fat"))


def _arm(plan: BodyPlan, arms: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle of the humeral head, and knots along the arm with the radius of its soft tissue."""
    if arms == "up":
        head = (158, 6, 462)
        axis = [(140, 6, 432, 36), (158, 4, 470, 46), (160, -14, 540, 46), (150, -34, 620, 42),
                (138, -52, 700, 38)]  # fmt: skip
    else:
        head = (160, 4, 424)
        axis = [(142, 4, 436, 32), (162, 2, 418, 42), (202, 6, 350, 46), (226, 10, 260, 44),
                (236, 12, 150, 38), (238, 0, 20, 34), (226, -30, -90, 28)]  # fmt: skip
    return _scaled(plan, [head])[0], _scaled(plan, axis)


def _paint_humerus(
    volume: Volume,
    plan: BodyPlan,
    spongy: SpongiosaHu,
    cortex: float,
    head: NDArray[np.float64],
    axis: NDArray[np.float64],
) -> None:
    s = plan.scale
    neck, end = axis[2, :3] * 0.35 + axis[1, :3] * 0.65, axis[3, :3]

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        ball = capsule(x, y, z, head, head * 0.999, (23.0 * s, 23.0 * s))
        shaft = capsule(x, y, z, head * 0.3 + neck * 0.7, end, (15.0 * s, 10.5 * s))
        return np.asarray(np.minimum(ball, shaft))

    shape = Shape(
        distance=distance, bounds=enclosing(np.array([head, neck, end]), 26 * s), step_mm=1.6
    )

    def depth(patch: Patch) -> Floats:
        far = np.sqrt(
            (patch.x - head[0]) ** 2 + (patch.y - head[1]) ** 2 + (patch.z - head[2]) ** 2
        )
        return np.asarray(0.9 + np.clip((far - 28 * s) / 30, 0, 1) * 3.6, np.float32)

    volume.paint_shell(shape, depth=depth, shell=cortex, core=float(spongy.at(90.0)))

"""Paint the whole anatomy of a patient on a grid: ideal HU, bone labels and parts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.femur import (
    HEAD_MG_CM3,
    core_density,
    cortex_depth,
    femur_parts,
    femur_shape,
    plan_femur,
)
from training.cohort.body.implants import (
    hip_implants,
    prosthesis_side,
    resected_femur_shape,
    spine_implants,
)
from training.cohort.body.organs import paint_organs, paint_vessels
from training.cohort.body.pathology import (
    paint_around_bodies,
    paint_implants,
    paint_inside_body,
    paint_plaques,
)
from training.cohort.body.pelvis import hip_bone_shape, sacrum_shape
from training.cohort.body.plan import BodyPlan, VertebraPlan, plan_body
from training.cohort.body.ribs import rib_shapes
from training.cohort.body.trunk import plan_trunk
from training.cohort.body.upper_chest import (
    CHEST_FROM_MM,
    paint_arms,
    paint_axillae,
    paint_humeri,
    paint_mediastinum,
    paint_shoulders,
)
from training.cohort.body.vertebra import (
    body_shape,
    canal_bounds,
    canal_centre,
    canal_half_mm,
    disc_shape,
    local_axes,
    shell_depth,
    vertebra_shape,
)
from training.cohort.matter.media import Media
from training.cohort.matter.physics import SpongiosaHu, bone_tissue_hu, mineral_mg_cm3, spongiosa
from training.cohort.paint.fields import Field, smooth_field
from training.cohort.paint.grid import Floats, Grid
from training.cohort.paint.raster import Bits, Part, Patch, Shape, Volume, core_and_shell, coverage
from training.cohort.paint.sdf import capsule, superellipse
from training.cohort.people.subject import Subject

LABEL_FEMUR = {1: 75, -1: 76}
LABEL_HIP_BONE = {1: 77, -1: 78}
"""Labels in addition to ``pipelines.contract.anatomy.Level``: left (1) and right (-1)."""

ENDPLATE_RISE = 0.16
"""Increase of trabecular density from the middle to the end plates, as a share."""

CORE_FROM_ENDPLATE_MM = 4.0

CORTEX_SHARE = 0.88
"""Share of bone tissue in a cortex; the rest is canals."""


PaintContext: TypeAlias = Callable[[Volume, BodyPlan, Media], None]
"""Function that paints skin and soft tissue in place of the parametric body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A patient on a grid before the scanner: no blur, no noise.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
    labels : (slices, rows, columns) uint8
        ``pipelines.contract.anatomy.Level``, femora and hip bones.
    parts : (slices, rows, columns) uint8
        ``training.cohort.paint.raster.Part`` of the labelled bone.
    """

    plan: BodyPlan
    grid: Grid
    hu: Floats
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]


def render(
    subject: Subject,
    grid: Grid,
    media: Media,
    *,
    arms: str = "up",
    context: PaintContext | None = None,
    on_step: Callable[[str], None] = lambda name: None,
    threads: ThreadPoolExecutor | None = None,
) -> Anatomy:
    """Paint a patient on a grid, from the skin to the bones; threads do not change the result.

    Parameters
    ----------
    arms
        ``up`` (beside the head) or ``down``.
    context
        ``training.cohort.icrp110.soft_body.phantom_context``; ``None`` for the parametric body.
    """
    plan = plan_body(subject)
    volume = Volume.of_air(grid, threads=threads)
    trunk = plan_trunk(plan)
    spongy = spongiosa(subject.marrow_fat, media.kvp)
    on_step("skin, fat and muscles")
    paint_arms(volume, plan, media, arms=arms)
    shows_chest = grid.axis(2)[-1] > CHEST_FROM_MM * plan.scale
    if context is None:
        _paint_wall(volume, plan, media)
        paint_axillae(volume, plan, media)
        on_step("organs")
        paint_organs(volume, plan, trunk, media)
        if shows_chest:
            paint_mediastinum(volume, plan, media)
    else:
        context(volume, plan, media)
        on_step("organs")
        paint_vessels(volume, plan, media)
    paint_plaques(volume, plan, spongy)
    on_step("pelvis and femora")
    _paint_pelvis(volume, plan, media, spongy)
    on_step("ribs")
    for shape in rib_shapes(plan, trunk):
        volume.paint_shell(
            shape, depth=0.7, shell=_cortex_hu(media), core=float(spongy.at(90.0)) + 20
        )
    if shows_chest:
        paint_shoulders(volume, plan, trunk, spongy, _cortex_hu(media), arms=arms)
    paint_humeri(volume, plan, spongy, _cortex_hu(media), arms=arms)
    on_step("spine")
    _paint_spine(volume, plan, media, spongy)
    return Anatomy(plan=plan, grid=grid, hu=volume.hu, labels=volume.labels, parts=volume.parts)


def _cortex_hu(media: Media) -> float:
    return CORTEX_SHARE * bone_tissue_hu(media.kvp)


def _paint_wall(volume: Volume, plan: BodyPlan, media: Media) -> None:
    """Skin, subcutaneous fat with septa, and muscles with fat between them."""
    trunk = plan_trunk(plan)
    fat, muscle = media.hu("fat"), media.hu("muscle") + 6
    septa = smooth_field(plan.subject.rng("septa"), 9.0)
    sheets = smooth_field(plan.subject.rng("muscle sheets"), (34.0, 34.0, 90.0))
    marbling = smooth_field(plan.subject.rng("marbling"), (4.0, 4.0, 14.0))

    def subcutaneous(patch: Patch) -> Floats:
        share = np.clip((septa.at(patch.x, patch.y, patch.z) - 1.5) / 0.8, 0, 1)
        return np.asarray(np.float32(fat) + share * np.float32(45))

    def muscles(patch: Patch) -> Floats:
        between = np.clip(1.1 - np.abs(sheets.at(patch.x, patch.y, patch.z)) / 0.07, 0, 1)
        within = np.clip((marbling.at(patch.x, patch.y, patch.z) - 1.0) / 1.2, 0, 0.8)
        share = np.maximum(between, within)
        if _is_at_flank(patch).any():
            share = np.maximum(share, _flank_sheets(patch, volume.voxel_mm))
        return np.asarray(np.float32(muscle) + share * np.float32(fat - muscle))

    skin = Shape(distance=trunk.skin, bounds=trunk.bounds, step_mm=4.0)
    volume.paint_shell(skin, depth=1.8, shell=media.hu("skin") - 20, core=subcutaneous)
    wall = Shape(distance=trunk.muscle, bounds=trunk.bounds, step_mm=4.0)
    volume.paint(wall, muscles)


def _flank_sheets(patch: Patch, voxel_mm: float) -> Floats:
    """Share of fat between the three flat muscles of the flank."""
    share = np.zeros(patch.distance.shape, np.float32)
    for depth_mm in (5.0, 9.5):
        sheet = np.abs(patch.distance + np.float32(depth_mm)) - np.float32(0.4)
        np.maximum(share, coverage(sheet, voxel_mm), out=share)
    return share * _is_at_flank(patch)


def _is_at_flank(patch: Patch) -> Bits:
    """Whether a voxel lies between hips and ribs, lateral to the spine; broadcastable."""
    return (np.abs(patch.y + 45) < 55) & (patch.z > 20) & (patch.z < 170)


def _paint_pelvis(volume: Volume, plan: BodyPlan, media: Media, spongy: SpongiosaHu) -> None:
    cortex = _cortex_hu(media)
    texture = smooth_field(plan.subject.rng("pelvis texture"), 4.0)
    density = float(np.mean(list(plan.subject.vbmd_mg_cm3.values())))

    def core(patch: Patch) -> Floats:
        field = 1 + 0.25 * texture.at(patch.x, patch.y, patch.z)
        return np.asarray(spongy.at(np.float32(0.85 * density) * field))

    femur = plan_femur(plan)
    head = HEAD_MG_CM3 * plan.subject.hip_density
    trabeculae = smooth_field(plan.subject.rng("femur trabeculae"), (2.4, 2.4, 4.8))
    variation = np.float32(plan.subject.texture_variation)
    for side in (1, -1):
        bone = hip_bone_shape(plan, side=side)
        volume.paint_shell(bone, depth=0.9, shell=cortex, core=core, label=LABEL_HIP_BONE[side])

        def femoral(patch: Patch, side: int = side) -> Floats:
            share = core_density(femur, patch, side)
            grain = 1 + variation * trabeculae.at(patch.x, patch.y, patch.z)
            return np.asarray(spongy.at(np.float32(head) * share * grain) - 40 * (1 - share))

        resected = prosthesis_side(plan.subject.findings) == side
        volume.paint_shell(
            (resected_femur_shape if resected else femur_shape)(femur, side=side),
            depth=partial(cortex_depth, femur, side=side, density=plan.subject.hip_density),
            shell=cortex,
            core=femoral,
            label=LABEL_FEMUR[side],
            parting=partial(femur_parts, femur),
        )
    paint_implants(volume, hip_implants(plan))
    volume.paint_shell(
        sacrum_shape(plan),
        depth=0.8,
        shell=cortex * 0.9,
        core=lambda patch: core(patch) - 20,
        label=Level.SACRUM,
    )


def _paint_spine(volume: Volume, plan: BodyPlan, media: Media, spongy: SpongiosaHu) -> None:
    texture = smooth_field(plan.subject.rng("trabeculae"), (2.4, 2.4, 4.8))
    for vertebra in plan.vertebrae:
        _paint_canal(volume, vertebra, media)
        volume.paint(disc_shape(vertebra), media.hu("disc") + 10)
    paint_around_bodies(volume, plan, spongy)
    for vertebra in plan.vertebrae:
        body = body_shape(vertebra)

        def marrow(patch: Patch, vertebra: VertebraPlan = vertebra, body: Shape = body) -> Floats:
            density = trabecular_density(
                vertebra,
                _mineral_mg_cm3(plan, vertebra),
                patch,
                texture,
                plan.subject.texture_variation,
            )
            return _marrow(
                vertebra, patch, density, volume.sampled(body, patch), spongy, media, plan
            )

        def parts(patch: Patch, core: Bits, body: Shape = body) -> NDArray[np.uint8]:
            in_body = volume.sampled(body, patch) < 0
            return np.where(in_body, core_and_shell(patch, core), np.uint8(Part.POSTERIOR))

        volume.paint_shell(
            vertebra_shape(vertebra),
            depth=partial(shell_depth, vertebra, cortex=plan.subject.cortex),
            shell=_cortex_hu(media),
            core=marrow,
            label=vertebra.label,
            parting=parts,
        )
        paint_inside_body(volume, plan, vertebra, spongy)
    paint_implants(volume, spine_implants(plan))


def _paint_canal(volume: Volume, vertebra: VertebraPlan, media: Media) -> None:
    """Thecal sac and epidural fat, from this vertebra to the next."""
    middle = canal_centre(vertebra)
    reach = (vertebra.size_mm[2] + vertebra.disc_below_mm) / 2 + 6

    def column(half_width: float, half_depth: float) -> Callable[[Floats, Floats, Floats], Floats]:
        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            at = local_axes(vertebra, x, y, z)
            round_ = superellipse(
                at.left, at.posterior - np.float32(middle), (half_width, half_depth), 2.2
            )
            return np.asarray(np.maximum(round_, np.abs(at.up + np.float32(3)) - np.float32(reach)))

        return distance

    bounds = canal_bounds(vertebra, reach + 4)
    half_width, half_depth = canal_half_mm(vertebra)
    wide = column(half_width, half_depth)
    volume.paint(Shape(distance=wide, bounds=bounds, step_mm=1.0), media.hu("fat") * 0.7)
    sac = column(half_width - 3, half_depth - 2.2)
    volume.paint(Shape(distance=sac, bounds=bounds, step_mm=1.0), media.hu("canal") - 8)


def trabecular_density(
    vertebra: VertebraPlan, mean_mg_cm3: float, patch: Patch, texture: Field, variation: float
) -> Floats:
    """Mineral density inside a body: high near the end plates, low in the middle.

    The mean from 4 mm below the upper to 4 mm above the lower end plate is ``mean_mg_cm3``;
    ``texture`` varies it over 2 to 3 mm with the coefficient of variation ``variation``.
    """
    at = local_axes(vertebra, patch.x, patch.y, patch.z)
    half = vertebra.size_mm[2] / 2
    share = np.clip(np.abs(at.up) / np.float32(half), 0, 1)
    mean_square = ((half - CORE_FROM_ENDPLATE_MM) / half) ** 2 / 3
    profile = 1 + ENDPLATE_RISE * (share**2 - np.float32(mean_square))
    grain = 1 + np.float32(variation) * texture.at(patch.x, patch.y, patch.z)
    return np.asarray(np.float32(mean_mg_cm3) * profile * grain, dtype=np.float32)


def _mineral_mg_cm3(plan: BodyPlan, vertebra: VertebraPlan) -> float:
    """Mean hydroxyapatite of a body, converted from the QCT scale on which subjects are drawn."""
    subject = plan.subject
    return mineral_mg_cm3(subject.density_mg_cm3(vertebra.level), subject.marrow_fat)


def _marrow(
    vertebra: VertebraPlan,
    patch: Patch,
    density: Floats,
    to_body: Floats,
    spongy: SpongiosaHu,
    media: Media,
    plan: BodyPlan,
) -> Floats:
    """HU inside the shell: trabecular bone, a denser arch, and the basivertebral vein."""
    hu = np.asarray(
        spongy.at(density) + np.float32(media.marrow_rise_hu(plan.subject.marrow_fat)), np.float32
    )
    at = local_axes(vertebra, patch.x, patch.y, patch.z)
    depth = vertebra.size_mm[1]
    vein = capsule(
        np.abs(at.left), at.posterior, at.up, (0, depth / 2, 0), (3.0, depth * 0.12, 0), (2.6, 1.0)
    )
    share = np.clip(np.float32(0.5) - vein, 0, 1)
    hu += share * (np.float32(media.hu("vein")) - hu)
    in_arch = np.clip(to_body / 2, 0, 1)
    mean = _mineral_mg_cm3(plan, vertebra)
    hu += in_arch * (np.float32(spongy.at(max(mean * 1.3, 150.0) * plan.subject.cortex)) - hu)
    return hu

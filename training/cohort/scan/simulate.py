"""Simulate one CT examination of a virtual patient: plan, anatomy, scan, header and truth."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.body.trunk import plan_trunk
from training.cohort.body.upper_chest import ARMS
from training.cohort.errors import BadCohortConfig
from training.cohort.icrp110.soft_body import context_name, phantom_context
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import Subject
from training.cohort.scan.equipment import KernelFamily
from training.cohort.scan.header import SeriesHeader
from training.cohort.scan.image import CtImage
from training.cohort.scan.scanner import Scanner, fine_grid, on_image_grid, scan
from training.cohort.scan.truth import is_covered, truth
from training.cohort.scan.water import patient_water_cm, water_profile

BELOW_HIPS_MM = 45.0
ABOVE_LUNGS_MM = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Scanned part of the body.

    Parameters
    ----------
    top, bottom
        First and last whole vertebra. ``SACRUM`` stands for its middle. ``None`` stands for the
        apex of the lungs at the top and for the hips at the bottom.
    body_part
        Body Part Examined (PS3.16 annex L).
    on_spine
        Whether the field of view is centred on the spine.
    """

    top: Level | None
    bottom: Level | None
    body_part: str
    on_spine: bool = False


REGIONS: Final = MappingProxyType(
    {
        "abdomen": Region(top=Level.T10, bottom=None, body_part="ABDOMEN"),
        "chest": Region(top=None, bottom=Level.L2, body_part="CHEST"),
        "chest_abdomen_pelvis": Region(top=None, bottom=None, body_part="CHESTABDPELVIS"),
        "lumbar": Region(top=Level.T11, bottom=Level.SACRUM, body_part="LSPINE", on_spine=True),
        "slab": Region(top=Level.L1, bottom=Level.L3, body_part="LSPINE"),
    }
)
AGENT = "Iohexol 350 mgI/ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationPlan:
    """All settings of one simulated examination.

    Parameters
    ----------
    protocol
        Protocol Name of the header; empty for none.
    phase
        ``none``, ``arterial``, ``portal`` or ``delayed``.
    iodine
        Dose of contrast medium relative to the usual one.
    region
        A key of ``REGIONS``.
    size
        Rows and columns.
    field_of_view_mm
        Side of the image.
    slice_spacing_mm
        Distance between slices.
    slices
        Number of slices from the upper end of the region; ``None``: as many as it needs.
    cut_below_mm
        Distance of the lower end of the scan above that of the region.
    offset_mm
        (x, y) shift of the field of view: a patient who lies off centre.
    arms
        ``up`` or ``down``.
    occasion
        Any text. Another text makes another examination: other UIDs, the same pixels.
    data
        Folder with ``icrp110``: the ICRP 110 phantom of the patient's sex is the soft body.
        ``None``: a parametric soft body.
    """

    subject: Subject
    scanner: Scanner
    protocol: str = ""
    phase: str = "none"
    iodine: float = 1.0
    region: str = "abdomen"
    size: int = 512
    field_of_view_mm: float = 410.0
    slice_spacing_mm: float = 2.5
    slices: int | None = None
    cut_below_mm: float = 0.0
    offset_mm: tuple[float, float] = (0.0, 0.0)
    arms: str = "up"
    occasion: str = ""
    data: Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise BadCohortConfig(f"region = {self.region!r}", "one of " + ", ".join(REGIONS))
        if self.arms not in ARMS:
            raise BadCohortConfig(f"arms = {self.arms!r}", "one of " + ", ".join(ARMS))
        _within("size", self.size, 16, 1024)
        _within("field_of_view_mm", self.field_of_view_mm, 80, 600)
        _within("slice_spacing_mm", self.slice_spacing_mm, 0.4, 20)
        if self.slices is not None:
            _within("slices", self.slices, 1, 2000)
        _within("cut_below_mm", self.cut_below_mm, 0, 1000)
        for offset in self.offset_mm:
            _within("offset_mm", offset, -400, 400)
        Media(kvp=self.scanner.kvp, phase=self.phase, iodine=self.iodine)

    @property
    def key(self) -> str:
        """Identifier of the examination: equal plans have equal UIDs, different plans do not."""
        return f"cohort/{self!r}" + ("" if self.data is None else "/icrp110")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A simulated CT with its header and its truth.

    Parameters
    ----------
    labels, parts : (slices, rows, columns) uint8
        Bone and part of the bone (``training.cohort.paint.raster.Part``) at each voxel of
        ``image``.
    """

    image: CtImage
    header: SeriesHeader
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    truth: dict[str, Any]


def simulate(
    plan: ExaminationPlan,
    *,
    on_step: Callable[[str], None] = lambda name: None,
    on_slice: Callable[[], None] = lambda: None,
    threads: int = 2,
) -> Examination:
    """Simulate an examination; the result is the same for any number of threads.

    Raises
    ------
    BadCohortConfig
        The field of view or the slices miss the spine, or ``data`` lacks the phantoms.
    """
    body = plan_body(plan.subject)
    grid = image_grid(plan, body)
    if not any(is_covered(v, grid.affine_lps, grid.shape) for v in body.vertebrae):
        raise BadCohortConfig(_what_misses(plan), "at least one whole vertebral body in the image")
    beam = plan.scanner.beam(patient_water_cm(body))
    media = Media(kvp=beam, phase=plan.phase, iodine=plan.iodine)
    heights = grid.axis(2)
    water = water_profile(body, heights[0], heights[-1], arms=plan.arms)
    context = None if plan.data is None else phantom_context(plan.data)
    with ThreadPoolExecutor(threads) as pool:
        anatomy = render(
            plan.subject,
            fine_grid(grid, plan.scanner),
            media,
            arms=plan.arms,
            context=context,
            on_step=on_step,
            threads=pool,
        )
        on_step("scan")
        image = scan(anatomy, plan.scanner, grid, water, on_slice=on_slice, threads=pool)
    header = _header(plan)
    return Examination(
        image=image,
        header=header,
        labels=on_image_grid(anatomy.labels, anatomy.grid, grid),
        parts=on_image_grid(anatomy.parts, anatomy.grid, grid),
        truth={
            **truth(anatomy, image, plan.scanner, media, header),
            "context": context_name(plan.data),
        },
    )


def _what_misses(plan: ExaminationPlan) -> str:
    """Format the fields that determine the imaged part of the patient."""
    x, y = plan.offset_mm
    return (
        f"slices = {plan.slices}, field_of_view_mm = {plan.field_of_view_mm:g}, "
        f"offset_mm = ({x:g}, {y:g}), cut_below_mm = {plan.cut_below_mm:g}"
    )


def image_grid(plan: ExaminationPlan, body: BodyPlan) -> Grid:
    """Return the grid of the images; slices start at the top of the region."""
    region = REGIONS[plan.region]
    top = _top_mm(region, body)
    height = max(top - _bottom_mm(region, body) - plan.cut_below_mm, 0.0)
    slices = plan.slices or int(np.ceil(height / plan.slice_spacing_mm)) + 1
    pixel = plan.field_of_view_mm / plan.size
    half = (plan.size - 1) / 2 * pixel
    lowest = top - (slices - 1) * plan.slice_spacing_mm
    middle_y = -24.0 * body.scale
    if region.on_spine:
        middle_y = float(body.spine_y((top + lowest) / 2)) + 10.0
    x, y = plan.offset_mm
    return Grid(
        origin_lps_mm=(round(x - half, 3), round(y + middle_y - half, 3), round(lowest, 3)),
        spacing_mm=(pixel, pixel, plan.slice_spacing_mm),
        shape=(slices, plan.size, plan.size),
    )


def _top_mm(region: Region, body: BodyPlan) -> float:
    if region.top is None:
        return plan_trunk(body).apex_mm + ABOVE_LUNGS_MM
    first = body.vertebra(region.top)
    return float(first.lps(0, 0, first.size_mm[2] / 2 + 8)[2])


def _bottom_mm(region: Region, body: BodyPlan) -> float:
    if region.bottom is None:
        return float(body.hip_lps_mm[2]) - BELOW_HIPS_MM
    if region.bottom == Level.SACRUM:
        return -45.0 * body.scale
    last = body.vertebra(region.bottom)
    return float(last.lps(0, 0, -last.size_mm[2] / 2 - 8)[2])


def _header(plan: ExaminationPlan) -> SeriesHeader:
    subject, scanner = plan.subject, plan.scanner
    kernel = scanner.reconstruction
    words = [plan.region.replace("_", " "), f"{plan.slice_spacing_mm:g} mm", kernel.name.lower()]
    if plan.phase != "none":
        words.append(plan.phase)
    return SeriesHeader(
        key=plan.key,
        patient_name=f"VIRTUAL^COHORT{subject.seed}",
        patient_id=f"VIRTUAL{subject.seed}",
        patient_sex=subject.sex,
        patient_age_years=subject.age_years,
        patient_size_m=subject.height_cm / 100,
        patient_weight_kg=subject.weight_kg,
        study_description=f"CT {plan.region.replace('_', ' ')}",
        series_description=" ".join(words),
        protocol_name=plan.protocol or None,
        manufacturer=scanner.model.manufacturer,
        model_name=scanner.model.name,
        kvp=float(scanner.kvp),
        tube_current_ma=scanner.mas * 2,
        exposure_ms=500,
        convolution_kernel=kernel.name,
        kernel_is_sharp=kernel.family is KernelFamily.SHARP,
        contrast_agent=None if plan.phase == "none" else AGENT,
        slice_thickness_mm=scanner.slice_thickness_mm,
        body_part=REGIONS[plan.region].body_part,
    )


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")

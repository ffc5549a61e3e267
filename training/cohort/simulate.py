"""One examination from a seed: subject, protocol, anatomy, scan.

Takes  ExaminationPlan
Gives  Examination
Next   training.cohort.cli
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.anatomy import Level
from training.cohort.anatomy import render
from training.cohort.errors import BadCohortConfig
from training.cohort.grid import Grid
from training.cohort.header import SeriesHeader
from training.cohort.image import CtImage
from training.cohort.media import Media
from training.cohort.plan import BodyPlan, plan_body
from training.cohort.scanner import Scanner, fine_grid, on_image_grid, scan
from training.cohort.subject import Subject
from training.cohort.truth import is_covered, truth
from training.cohort.water import patient_water_cm, water_profile

REGIONS: Final = ("abdomen", "chest", "slab")
REGION_TOP: Final = MappingProxyType({"abdomen": Level.T10, "chest": Level.T6, "slab": Level.L1})
REGION_BOTTOM: Final = MappingProxyType({"chest": Level.L2, "slab": Level.L3})
BELOW_HIPS_MM = 45.0
BODY_PART: Final = MappingProxyType({"abdomen": "ABDOMEN", "chest": "CHEST", "slab": "LSPINE"})
AGENT = "Iohexol 350 mgI/ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationPlan:
    """What is simulated.

    Parameters
    ----------
    region
        ``abdomen`` (T10 to below the hips), ``chest`` (T6 to L2) or ``slab`` (L1 to L3).
    size
        Rows and columns.
    field_of_view_mm
        Side of the image.
    slice_spacing_mm
        Distance between slices.
    slices
        ``None``: as many as the region needs; else counted from its upper end.
    """

    subject: Subject
    scanner: Scanner
    phase: str = "none"
    region: str = "abdomen"
    size: int = 512
    field_of_view_mm: float = 410.0
    slice_spacing_mm: float = 2.5
    slices: int | None = None

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise BadCohortConfig(f"region = {self.region!r}", "one of " + ", ".join(REGIONS))
        _within("size", self.size, 16, 1024)
        _within("field_of_view_mm", self.field_of_view_mm, 80, 600)
        _within("slice_spacing_mm", self.slice_spacing_mm, 0.4, 20)
        if self.slices is not None:
            _within("slices", self.slices, 1, 2000)

    @property
    def key(self) -> str:
        """Names the examination: the same plan has the same UIDs, another plan has others."""
        return f"cohort/{self!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A simulated CT with its header and its truth.

    Parameters
    ----------
    labels, parts : (slices, rows, columns) uint8
        Which bone, and which part of it (``training.cohort.raster.Part``), on the grid of
        ``image``.
    """

    image: CtImage
    header: SeriesHeader
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    truth: dict[str, object]


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
        The field of view or the slices miss the spine.
    """
    body = plan_body(plan.subject)
    grid = image_grid(plan, body)
    if not any(is_covered(v, grid.affine_lps, grid.shape) for v in body.vertebrae):
        raise BadCohortConfig(
            f"slices = {plan.slices}, field_of_view_mm = {plan.field_of_view_mm:g}",
            "at least one whole vertebral body in the image",
        )
    media = Media(kvp=plan.scanner.beam(patient_water_cm(body)), phase=plan.phase)
    heights = grid.axis(2)
    water = water_profile(body, heights[0], heights[-1])
    with ThreadPoolExecutor(threads) as pool:
        anatomy = render(
            plan.subject, fine_grid(grid, plan.scanner), media, on_step=on_step, threads=pool
        )
        on_step("scan")
        image = scan(anatomy, plan.scanner, grid, water, on_slice=on_slice, threads=pool)
    header = _header(plan)
    return Examination(
        image=image,
        header=header,
        labels=on_image_grid(anatomy.labels, anatomy.grid, grid),
        parts=on_image_grid(anatomy.parts, anatomy.grid, grid),
        truth=truth(anatomy, image, plan.scanner, media, header),
    )


def image_grid(plan: ExaminationPlan, body: BodyPlan) -> Grid:
    """Centre the field of view on the patient; slices from the region's top downwards."""
    first = body.vertebra(REGION_TOP[plan.region])
    top = float(first.lps(0, 0, first.size_mm[2] / 2 + 8)[2])
    if plan.region == "abdomen":
        bottom = float(body.hip_lps_mm[2]) - BELOW_HIPS_MM
    else:
        last = body.vertebra(REGION_BOTTOM[plan.region])
        bottom = float(last.lps(0, 0, -last.size_mm[2] / 2 - 8)[2])
    slices = plan.slices or int(np.ceil((top - bottom) / plan.slice_spacing_mm)) + 1
    pixel = plan.field_of_view_mm / plan.size
    corner = -(plan.size - 1) / 2 * pixel
    middle_y = -24.0 * body.scale
    lowest = top - (slices - 1) * plan.slice_spacing_mm
    return Grid(
        origin_lps_mm=(round(corner, 3), round(corner + middle_y, 3), round(lowest, 3)),
        spacing_mm=(pixel, pixel, plan.slice_spacing_mm),
        shape=(slices, plan.size, plan.size),
    )


def _header(plan: ExaminationPlan) -> SeriesHeader:
    subject, scanner = plan.subject, plan.scanner
    return SeriesHeader(
        key=plan.key,
        patient_name=f"VIRTUAL^COHORT{subject.seed}",
        patient_id=f"VIRTUAL{subject.seed}",
        patient_sex=subject.sex,
        patient_age_years=subject.age_years,
        patient_size_m=subject.height_cm / 100,
        patient_weight_kg=subject.weight_kg,
        study_description=f"CT {plan.region}",
        series_description=f"{plan.region} {plan.slice_spacing_mm:g} mm {scanner.kernel.lower()}",
        kvp=float(scanner.kvp),
        tube_current_ma=scanner.mas * 2,
        exposure_ms=500,
        convolution_kernel=scanner.kernel,
        contrast_agent=None if plan.phase == "none" else AGENT,
        slice_thickness_mm=scanner.slice_thickness_mm,
        body_part=BODY_PART[plan.region],
    )


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")

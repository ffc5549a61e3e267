"""Write the Segmentation object: bodies, cores and proximal femora on the grid of the CT.

Takes  SourceSeries, ExaminationResult
Gives  Segmentation
Next   pipelines.reporting.sr_content
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import numpy as np
from highdicom import PlanePositionSequence
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.findings import ModelUse
from pipelines.contract.job import Job
from pipelines.contract.secondary_findings import SegmentMask
from pipelines.outline.trabecular_core import LevelRegion
from pipelines.read.sources import SourceSeries
from pipelines.reporting import codes
from pipelines.reporting.equipment import (
    INTENDED_USE,
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    SERIES_DESCRIPTION,
    algorithm_of_segments,
    software_version,
)
from pipelines.reporting.source_images import inherit_character_set, source_images
from pipelines.reporting.uids import derived_uid

SERIES_NUMBER: Final = 9101
CONTENT_LABEL: Final = "BONE_HEALTH"
COLOURS: Final = ((70.0, 45.0, 40.0), (80.0, -45.0, 45.0), (65.0, 10.0, -50.0), (85.0, 0.0, 70.0))
"""CIELab of the bodies, by level in turn; cores are darker."""
HIP_COLOUR: Final = (75.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentNumbers:
    """Segments of one level in the Segmentation object; ``core`` is ``None`` for an empty core."""

    body: int
    core: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """One segment: its mask within a box of the CT, and what it is.

    Parameters
    ----------
    tracking
        What the tracking UID is derived from.
    region
        Where it lies, beside its type; ``None`` if the type defines it.
    side
        Modifier of the type.
    """

    label: str
    tracking: str
    box: tuple[slice, slice, slice]
    mask: NDArray[np.bool_]
    category: CodedConcept
    type: CodedConcept
    region: CodedConcept | None
    side: CodedConcept | None
    colour: tuple[float, float, float]


def segment_numbers(regions: Sequence[LevelRegion]) -> dict[Level, SegmentNumbers]:
    """Segment numbers by level, as `make_segmentation` assigns them."""
    numbers: dict[Level, SegmentNumbers] = {}
    number = 0
    for region in regions:
        body, number = number + 1, number + 1 + bool(region.core.any())
        numbers[region.level] = SegmentNumbers(body=body, core=number if number > body else None)
    return numbers


def make_segmentation(
    job: Job,
    series: SourceSeries,
    regions: Sequence[LevelRegion],
    models: Sequence[ModelUse],
    masks: Sequence[SegmentMask] = (),
) -> Segmentation:
    """BINARY Segmentation with one or two segments per level, then one per mask.

    Only slices that hold a segment are encoded, each with a reference to its source image, so
    memory stays at one bit per voxel and segment of those slices plus one working array.

    Parameters
    ----------
    masks
        Structures that secondary pipelines outlined; with ``regions`` at least one.

    Source
    ------
    PS3.3 A.51 Segmentation IOD, C.8.20.
    """
    segments = [*_of_levels(regions), *(_of_mask(mask) for mask in masks)]
    used = np.zeros(series.geometry.shape[0], bool)
    for segment in segments:
        used[segment.box[0]] = True
    planes = [plane for plane, here in zip(series.planes, used, strict=True) if here]
    place = np.cumsum(used) - 1
    pixels = np.zeros((len(planes), *series.geometry.shape[1:], len(segments)), np.uint8)
    for index, segment in enumerate(segments):
        rows, columns = segment.box[1:]
        pixels[place[segment.box[0]], rows, columns, index] = segment.mask
    images = source_images(series)
    made = Segmentation(
        source_images=images
        if series.is_multiframe
        else [image for image, here in zip(images, used, strict=True) if here],
        pixel_array=pixels,
        segmentation_type="BINARY",
        segment_descriptions=_descriptions(job, segments, models),
        series_instance_uid=derived_uid(job.key, "seg.series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(job.key, "seg.instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=software_version(),
        device_serial_number=SERIAL_NUMBER,
        plane_positions=[
            PlanePositionSequence("PATIENT", plane.position_lps_mm.tolist()) for plane in planes
        ]
        if series.is_multiframe
        else None,
        content_label=CONTENT_LABEL,
        content_description="Measured bones (research use only)",
        series_description=SERIES_DESCRIPTION,
        coding_schemes=[codes.private_scheme()],
        specific_character_set=None,
    )
    inherit_character_set(made, images[0])
    _fix_dimension_uid(made, derived_uid(job.key, "seg.dimensions"))
    made.ImageComments = INTENDED_USE
    return made


def _of_levels(regions: Sequence[LevelRegion]) -> list[_Segment]:
    segments = []
    for region in regions:
        segments.append(_of_level(region, is_core=False))
        if region.core.any():
            segments.append(_of_level(region, is_core=True))
    return segments


def _of_level(region: LevelRegion, *, is_core: bool) -> _Segment:
    level = region.level
    lightness, a, b = COLOURS[level % len(COLOURS)]
    return _Segment(
        label=f"{level.name} {'trabecular core' if is_core else 'vertebral body'}",
        tracking=_tracking(level, is_core=is_core),
        box=region.box,
        mask=region.core if is_core else region.body,
        category=codes.TISSUE if is_core else codes.ANATOMICAL_STRUCTURE,
        type=codes.TRABECULAR_BONE if is_core else codes.VERTEBRAL_BODY,
        region=codes.VERTEBRA[level],
        side=None,
        colour=(lightness - 25 if is_core else lightness, a, b),
    )


def _of_mask(mask: SegmentMask) -> _Segment:
    is_femur = isinstance(mask.site, Side)
    return _Segment(
        label=mask.label,
        tracking=mask.label,
        box=mask.box,
        mask=mask.mask,
        category=codes.ANATOMICAL_STRUCTURE,
        type=codes.PROXIMAL_FEMUR if is_femur else codes.VERTEBRAL_BODY,
        region=codes.VERTEBRA[mask.site] if isinstance(mask.site, Level) else None,
        side=codes.LATERALITY[mask.site] if isinstance(mask.site, Side) else None,
        colour=HIP_COLOUR if is_femur else COLOURS[0],
    )


def _descriptions(
    job: Job, segments: Sequence[_Segment], models: Sequence[ModelUse]
) -> list[SegmentDescription]:
    algorithm = algorithm_of_segments(models)
    return [
        _description(job, number, segment, algorithm)
        for number, segment in enumerate(segments, start=1)
    ]


def _description(
    job: Job, number: int, segment: _Segment, algorithm: AlgorithmIdentificationSequence
) -> SegmentDescription:
    made = SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.type,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=derived_uid(job.key, segment.tracking),
        tracking_id=segment.label,
        anatomic_regions=None if segment.region is None else [segment.region],
        display_color=CIELabColor(*segment.colour),
    )
    if segment.side is not None:
        # PS3.3 C.8.20.4: the side is a modifier of the property type. highdicom has no argument for
        # it, and all segments of the type share one code object, so the code is copied.
        kind = deepcopy(made.SegmentedPropertyTypeCodeSequence[0])
        kind.SegmentedPropertyTypeModifierCodeSequence = [segment.side]
        made.SegmentedPropertyTypeCodeSequence = [kind]
    return made


def _tracking(level: Level, *, is_core: bool) -> str:
    return f"{level.name}.{'core' if is_core else 'body'}"


def tracking_uid(job: Job, level: Level, *, is_core: bool) -> str:
    """UID by which segment and measurement group refer to the same structure."""
    return derived_uid(job.key, _tracking(level, is_core=is_core))


def _fix_dimension_uid(made: Dataset, uid: str) -> None:
    """Replace the only UID that highdicom generates, so that reprocessing makes the same object."""
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid

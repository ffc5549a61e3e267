"""Segmentation object: body and trabecular core of each level on the grid of the CT.

Takes  SourceSeries, LumbarResult
Gives  Segmentation
Next   pipelines.reporting.sr
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from highdicom import PlanePositionSequence
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pipelines import codes
from pipelines.anatomy import Level
from pipelines.findings import ModelUse
from pipelines.job import Job
from pipelines.reporting.equipment import (
    INTENDED_USE,
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    SERIES_DESCRIPTION,
    algorithm_of_segments,
    software_version,
)
from pipelines.reporting.source_images import source_images
from pipelines.reporting.uids import derived_uid
from pipelines.sources import SourceSeries
from pipelines.trabecular import LevelRegion

SERIES_NUMBER: Final = 9101
CONTENT_LABEL: Final = "BONE_HEALTH"
COLOURS: Final = ((70.0, 45.0, 40.0), (80.0, -45.0, 45.0), (65.0, 10.0, -50.0), (85.0, 0.0, 70.0))
"""CIELab of the bodies, by level in turn; cores are darker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentNumbers:
    """Segments of one level in the Segmentation object; ``core`` is ``None`` for an empty core."""

    body: int
    core: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """One segment: its mask within the box of its level, and what it is."""

    region: LevelRegion
    mask: NDArray[np.bool_]
    is_core: bool


def segment_numbers(regions: Sequence[LevelRegion]) -> dict[Level, SegmentNumbers]:
    """Segment numbers by level, as `make_segmentation` gives them."""
    numbers: dict[Level, SegmentNumbers] = {}
    for number, segment in enumerate(_segments(regions), start=1):
        level = segment.region.level
        if segment.is_core:
            numbers[level] = SegmentNumbers(body=numbers[level].body, core=number)
        else:
            numbers[level] = SegmentNumbers(body=number, core=None)
    return numbers


def make_segmentation(
    job: Job,
    series: SourceSeries,
    regions: Sequence[LevelRegion],
    models: Sequence[ModelUse],
) -> Segmentation:
    """BINARY Segmentation with one or two segments per level.

    Only slices that hold a segment are encoded, each with a reference to its source image, so
    memory stays at one bit per voxel and segment of those slices plus one working array.

    Source
    ------
    PS3.3 A.51 Segmentation IOD, C.8.20.
    """
    segments = _segments(regions)
    first = min(region.box[0].start for region in regions)
    stop = max(region.box[0].stop for region in regions)
    rows, columns = series.geometry.shape[1:]
    pixels = np.zeros((stop - first, rows, columns, len(segments)), np.uint8)
    for index, segment in enumerate(segments):
        box = segment.region.box
        place = (slice(box[0].start - first, box[0].stop - first), box[1], box[2], index)
        pixels[place] = segment.mask
    images = source_images(series)
    planes = series.planes[first:stop]
    made = Segmentation(
        source_images=images if series.is_multiframe else images[first:stop],
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
        content_description="Vertebral bodies and trabecular cores (research use only)",
        series_description=SERIES_DESCRIPTION,
        coding_schemes=[codes.private_scheme()],
    )
    _fix_dimension_uid(made, derived_uid(job.key, "seg.dimensions"))
    made.ImageComments = INTENDED_USE
    return made


def _segments(regions: Sequence[LevelRegion]) -> list[_Segment]:
    segments = []
    for region in regions:
        segments.append(_Segment(region=region, mask=region.body, is_core=False))
        if region.core.any():
            segments.append(_Segment(region=region, mask=region.core, is_core=True))
    return segments


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
    level = segment.region.level
    part = "trabecular core" if segment.is_core else "vertebral body"
    lightness, a, b = COLOURS[level % len(COLOURS)]
    return SegmentDescription(
        segment_number=number,
        segment_label=f"{level.name} {part}",
        segmented_property_category=(
            codes.TISSUE if segment.is_core else codes.ANATOMICAL_STRUCTURE
        ),
        segmented_property_type=(
            codes.TRABECULAR_BONE if segment.is_core else codes.VERTEBRAL_BODY
        ),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=tracking_uid(job, level, is_core=segment.is_core),
        tracking_id=f"{level.name} {part}",
        anatomic_regions=[codes.VERTEBRA[level]],
        display_color=CIELabColor(lightness - 25 if segment.is_core else lightness, a, b),
    )


def tracking_uid(job: Job, level: Level, *, is_core: bool) -> str:
    """UID by which segment and measurement group name the same thing."""
    return derived_uid(job.key, f"{level.name}.{'core' if is_core else 'body'}")


def _fix_dimension_uid(made: Dataset, uid: str) -> None:
    """The only identifier that highdicom makes up itself; reprocessing must give it again."""
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid

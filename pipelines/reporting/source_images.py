"""The stored images, reduced to the attributes that the output inherits or refers to.

Takes  SourceSeries
Gives  Dataset
Next   pipelines.reporting.seg, pipelines.reporting.sr_content
"""

from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from pipelines.read.enhanced import frame_value
from pipelines.read.sources import SourcePlane, SourceSeries

INHERITED: Final = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImageType",
)
"""Patient, study and frame of reference of the output (PS3.3 C.7.1.1, C.7.2.1, C.7.4.1)."""
MAY_BE_EMPTY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
)
"""Type 2: empty in the output if the source lacks them."""


def source_images(series: SourceSeries) -> list[Dataset]:
    """Light copies of the stored objects, in the order of their slices."""
    distance_mm = float(series.geometry.spacing_mm[0])
    if series.is_multiframe:
        return [_multiframe(series.datasets[0], series.planes, distance_mm)]
    return [
        _single_frame(dataset, plane, distance_mm)
        for dataset, plane in zip(series.datasets, series.planes, strict=True)
    ]


def inherit_character_set(made: Dataset, image: Dataset) -> None:
    """Set the Specific Character Set of an output object to that of a source image (PS3.3 C.12.1.1.2).

    highdicom rejects an empty first value (the usual one in Japan) and defined terms that its list
    lacks. The constructors therefore get ``specific_character_set=None``, and the attribute is set
    afterwards; text is encoded when the object is written.
    """
    if image.get("SpecificCharacterSet"):
        made.SpecificCharacterSet = image.SpecificCharacterSet


def _inherited(dataset: Dataset) -> Dataset:
    light = Dataset()
    for keyword in INHERITED:
        if keyword in dataset:
            light.add(dataset[keyword])
    for keyword in MAY_BE_EMPTY:
        if keyword not in light:
            setattr(light, keyword, None)
    return light


def _single_frame(dataset: Dataset, plane: SourcePlane, distance_mm: float) -> Dataset:
    light = _inherited(dataset)
    light.ImagePositionPatient = dataset.ImagePositionPatient
    light.update(_orientation(plane))
    light.update(_measures(plane, dataset.get("SliceThickness"), distance_mm))
    return light


def _multiframe(dataset: Dataset, planes: tuple[SourcePlane, ...], distance_mm: float) -> Dataset:
    """Make orientation and measures shared; highdicom reads them only there."""
    light = _inherited(dataset)
    light.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence
    thickness = frame_value(dataset, 0, "SliceThickness")
    shared = Dataset()
    shared.PixelMeasuresSequence = [_measures(planes[0], thickness, distance_mm)]
    shared.PlaneOrientationSequence = [_orientation(planes[0])]
    light.SharedFunctionalGroupsSequence = [shared]
    return light


def _orientation(plane: SourcePlane) -> Dataset:
    part = Dataset()
    part.ImageOrientationPatient = [DSfloat(v, auto_format=True) for v in plane.orientation]
    return part


def _measures(plane: SourcePlane, thickness: object, distance_mm: float) -> Dataset:
    """Pixel measures; a missing thickness is replaced by the slice distance."""
    part = Dataset()
    part.PixelSpacing = [DSfloat(v, auto_format=True) for v in plane.spacing_mm]
    part.SliceThickness = thickness or DSfloat(np.round(distance_mm, 6), auto_format=True)
    part.SpacingBetweenSlices = DSfloat(np.round(distance_mm, 6), auto_format=True)
    return part

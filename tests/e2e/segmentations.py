"""Decode a DICOM SEG with pydicom alone, and put it into patient coordinates."""

from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Segment:
    """One segment: its label and the patient coordinates (LPS, mm) of all its voxels."""

    label: str
    points_lps_mm: NDArray[np.float64]
    voxel_mm3: float

    @property
    def centroid_lps_mm(self) -> NDArray[np.float64]:
        """Mean of the voxel centres."""
        return np.asarray(self.points_lps_mm.mean(axis=0))

    def voxels(self) -> set[tuple[float, float, float]]:
        """Voxel centres rounded to 0.01 mm, to compare with another mask."""
        return {tuple(point) for point in np.round(self.points_lps_mm, 2) + 0.0}


def decode(segmentation: Dataset) -> dict[str, Segment]:
    """All segments of a BINARY SEG by label (PS3.3 C.8.20.2, C.7.6.16.2.3)."""
    frames = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    labels = {item.SegmentNumber: item.SegmentLabel for item in segmentation.SegmentSequence}
    points: dict[str, list[NDArray[np.float64]]] = {label: [] for label in labels.values()}
    for frame, groups in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        points[labels[number]].append(_patient_points(frame, groups, shared))
    measures = shared.PixelMeasuresSequence[0]
    thickness = float(measures.get("SpacingBetweenSlices", measures.SliceThickness))
    volume = float(np.prod(measures.PixelSpacing)) * thickness
    return {
        label: Segment(label=label, points_lps_mm=np.concatenate(parts), voxel_mm3=volume)
        for label, parts in points.items()
        if parts
    }


def _patient_points(
    frame: NDArray[np.uint8], groups: Dataset, shared: Dataset
) -> NDArray[np.float64]:
    """Equation C.7.6.2.1-1: column index along the row direction, row index along the column's."""
    position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    row_spacing, column_spacing = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    rows, columns = np.nonzero(frame)
    along_row = orientation[:3] * column_spacing
    along_column = orientation[3:] * row_spacing
    points = position + columns[:, None] * along_row + rows[:, None] * along_column
    return np.asarray(points, np.float64)


def read(content: bytes) -> Dataset:
    """Data set of a DICOM file held in memory."""
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))

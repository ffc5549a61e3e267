"""Open the stored objects of one series, without pixels, in order of position.

Takes  Job
Gives  SourceSeries
Next   pipelines.read.volume
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError  # noqa: N812  the module's only name is lower case
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from pipelines.contract.job import Job, JobInstance
from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.read.enhanced import frame_count, frame_value, is_multiframe
from pipelines.space.coordinates import Geometry, geometry_of_stack

ORIENTATION_TOLERANCE: Final = 1e-3
"""Largest difference of a direction cosine within one stack (0.06 degrees)."""
POSITION_TOLERANCE: Final = 0.03
"""How far a slice may lie from its regular place, as a fraction of the slice distance."""
POSITION_TOLERANCE_MM: Final = 0.02
"""The same in mm: headers round positions to hundredths."""

FOREIGN_ERRORS: Final = (
    InvalidDicomError,
    BytesLengthException,
    StructError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that pydicom and its decoders raise on invalid objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReference:
    """Where one slice came from; ``frame_number`` (from 1) only for multi-frame objects."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlane:
    """Where one slice is stored and how its stored values become Hounsfield units.

    Parameters
    ----------
    frame_index
        From 0, within its object.
    position_lps_mm : (3,)
        Centre of the first voxel.
    """

    path: Path
    frame_index: int
    frame: FrameReference
    position_lps_mm: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSeries:
    """One CT series as it is stored.

    Parameters
    ----------
    datasets
        Without pixel data: one per slice in the order of ``planes``, or one multi-frame object.
        Blank identifiers are filled from the job.
    planes
        In order of position along the slice normal.
    """

    datasets: tuple[Dataset, ...]
    planes: tuple[SourcePlane, ...]
    geometry: Geometry

    @property
    def is_multiframe(self) -> bool:
        """Whether the series is one Enhanced (multi-frame) object."""
        return is_multiframe(self.datasets[0])


@contextmanager
def foreign_errors_translated(name: str) -> Iterator[None]:
    """Raise `UnreadablePixels` for errors of pydicom and its decoders; no other place does so.

    Raises
    ------
    UnreadablePixels
        The object ``name`` cannot be read or decoded.
    """
    try:
        yield
    except FOREIGN_ERRORS as error:
        found = f"{name}: {type(error).__name__}: {error}"
        raise UnreadablePixels(found, "a decodable CT object", "re-send the series") from error


def instances_of(paths: Iterable[Path]) -> tuple[JobInstance, ...]:
    """Files of one series as instances.

    Raises
    ------
    UnreadablePixels
        A file is no DICOM object.
    """
    instances = []
    for path in paths:
        with foreign_errors_translated(path.name):
            meta = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).file_meta
            uid = str(meta.MediaStorageSOPInstanceUID)
        instances.append(JobInstance(sop_instance_uid=uid, path=str(path)))
    return tuple(instances)


def open_job(job: Job) -> SourceSeries:
    """Headers and geometry of the series of a job; raises as `open_series`."""
    series = open_series(job.instances)
    for dataset in series.datasets:
        # Some anonymisers empty the identifiers in the data set; the job has them from the node.
        dataset.StudyInstanceUID = dataset.get("StudyInstanceUID") or job.study_instance_uid
        dataset.SeriesInstanceUID = dataset.get("SeriesInstanceUID") or job.series_instance_uid
    return series


def open_series(instances: Sequence[JobInstance]) -> SourceSeries:
    """Headers and geometry of one series, single-frame or Enhanced.

    Raises
    ------
    UnreadablePixels
        An object is no CT image that can be read.
    GeometryMismatch
        Slices are fewer than two, differ in orientation, spacing, size or frame of reference, or
        are not evenly spaced.
    """
    headers: dict[Path, Dataset] = {}
    planes: list[SourcePlane] = []
    for instance in instances:
        path = Path(instance.path)
        with foreign_errors_translated(path.name):
            dataset = _read_header(path, instance.sop_instance_uid)
            headers[path] = dataset
            planes += _planes(dataset, path)
    if len(planes) < 2:
        raise GeometryMismatch(f"{len(planes)} slices", "at least two")
    if any(is_multiframe(dataset) for dataset in headers.values()) and len(headers) > 1:
        raise GeometryMismatch("several multi-frame objects in one series", "one")
    _require_one_stack(planes, list(headers.values()))
    anchor = planes[0]
    planes.sort(key=lambda plane: _height(plane, anchor))
    _require_even_spacing(planes)
    first = headers[planes[0].path]
    geometry = geometry_of_stack(
        first_position=planes[0].position_lps_mm,
        last_position=planes[-1].position_lps_mm,
        orientation=planes[0].orientation,
        spacing_mm=planes[0].spacing_mm,
        shape=(len(planes), int(first.Rows), int(first.Columns)),
        frame_of_reference_uid=str(first.FrameOfReferenceUID),
    )
    datasets = [headers[path] for path in dict.fromkeys(plane.path for plane in planes)]
    return SourceSeries(datasets=tuple(datasets), planes=tuple(planes), geometry=geometry)


def _read_header(path: Path, sop_instance_uid: str) -> Dataset:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    dataset.SOPInstanceUID = dataset.get("SOPInstanceUID") or sop_instance_uid
    dataset.SOPClassUID = dataset.get("SOPClassUID") or dataset.file_meta.MediaStorageSOPClassUID
    return dataset


def _planes(dataset: Dataset, path: Path) -> list[SourcePlane]:
    return [_plane(dataset, path, index) for index in range(frame_count(dataset))]


def _plane(dataset: Dataset, path: Path, index: int) -> SourcePlane:
    def value(keyword: str) -> Any:
        found = frame_value(dataset, index, keyword)
        if found is None:
            raise KeyError(keyword)
        return found

    return SourcePlane(
        path=path,
        frame_index=index,
        frame=_reference(dataset, index + 1 if is_multiframe(dataset) else None),
        position_lps_mm=np.asarray(value("ImagePositionPatient"), float),
        orientation=np.asarray(value("ImageOrientationPatient"), float),
        spacing_mm=_pair(value("PixelSpacing")),
        slope=float(value("RescaleSlope")),
        intercept=float(value("RescaleIntercept")),
    )


def _reference(dataset: Dataset, frame_number: int | None) -> FrameReference:
    return FrameReference(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        frame_number=frame_number,
    )


def _pair(spacing: Sequence[float]) -> tuple[float, float]:
    return float(spacing[0]), float(spacing[1])


def _height(plane: SourcePlane, first: SourcePlane) -> float:
    """Position along the slice normal (rows x columns), mm."""
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    return float(plane.position_lps_mm @ normal)


def _require_one_stack(planes: list[SourcePlane], headers: list[Dataset]) -> None:
    first = planes[0]
    for plane in planes:
        if not np.allclose(plane.orientation, first.orientation, atol=ORIENTATION_TOLERANCE):
            raise GeometryMismatch("slices of different orientation", "one orientation")
        if not np.allclose(plane.spacing_mm, first.spacing_mm, rtol=1e-3):
            raise GeometryMismatch("slices of different pixel spacing", "one spacing")
    if len({(dataset.Rows, dataset.Columns) for dataset in headers}) > 1:
        raise GeometryMismatch("slices of different size", "one matrix")
    spaces = {str(dataset.get("FrameOfReferenceUID") or "") for dataset in headers}
    if len(spaces) > 1 or "" in spaces:
        found = f"{len(spaces)} frames of reference" if len(spaces) > 1 else "none"
        raise GeometryMismatch(found, "one frame of reference", "re-send the original series")


def _require_even_spacing(planes: list[SourcePlane]) -> None:
    heights = np.asarray([_height(plane, planes[0]) for plane in planes])
    regular = np.linspace(heights[0], heights[-1], len(heights))
    distance = (heights[-1] - heights[0]) / (len(heights) - 1)
    allowed = max(POSITION_TOLERANCE * distance, POSITION_TOLERANCE_MM)
    gaps = np.diff(heights)
    if gaps.min() <= POSITION_TOLERANCE_MM:
        raise GeometryMismatch("two images at one position", "one image per position")
    if np.abs(gaps - distance).max() > 2 * allowed or np.abs(heights - regular).max() > max(
        2 * allowed, 0.1
    ):
        raise GeometryMismatch(
            f"slice distances from {gaps.min():.2f} to {gaps.max():.2f} mm",
            "even spacing",
            "re-send the whole series",
        )

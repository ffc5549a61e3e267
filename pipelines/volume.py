"""Instances -> one CT volume in Hounsfield units, its geometry and its source frames.

Takes  Job
Gives  CtVolume
Next   pipelines.localize
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.spaces import Geometry



@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReference:
    """Where one slice came from; ``frame_number`` (from 1) only for multi-frame objects."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionHeader:
    """What the header says and a gate may ask for; ``None`` means that the header is silent.

    Never a default: an unknown value stays unknown.
    """

    kvp: float | None
    convolution_kernel: str | None
    slice_thickness_mm: float | None
    contrast_agent: str | None
    patient_age_years: float | None
    patient_sex: str | None
    patient_position: str | None
    manufacturer: str | None
    model_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CtVolume:
    """A CT series as an array in patient space; nothing is resampled.

    Parameters
    ----------
    hu : (slices, rows, columns) float32, HU, read-only
        Slices in order of position along the slice normal.
    geometry
        Affine from index (slice, row, column) to patient coordinates (LPS, mm), and the frame
        of reference.
    frames
        One reference per slice, in the order of ``hu``.
    """

    hu: NDArray[np.float32]
    geometry: Geometry
    frames: tuple[FrameReference, ...]
    header: AcquisitionHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A label map on the grid of its CT.

    Parameters
    ----------
    labels : (slices, rows, columns) uint8, read-only
        0 background, else the value of ``pipelines.anatomy.Level``.
    geometry
        The geometry of the CT, the same object.
    """

    labels: NDArray[np.uint8]
    geometry: Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """One slice before it is put in order."""

    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: tuple[float, float]
    hu: NDArray[np.float32]
    frame: FrameReference


POSITION_TOLERANCE: Final = 0.03
"""Of the slice distance: how far a slice may lie from its regular place."""

AIR_HU: Final = -1024.0
"""Value given to padding outside the reconstructed circle."""


def read_volume(paths: Sequence[Path]) -> CtVolume:
    """Read the instances of one CT series, single-frame or Enhanced, as a volume.

    Raises
    ------
    UnreadablePixels
        An object cannot be decoded.
    GeometryMismatch
        Orientation, spacing, size or frame of reference differ between slices, positions are not
        evenly spaced, or fewer than two slices remain.
    """
    datasets = [_read(path) for path in paths]
    planes = [plane for dataset in datasets for plane in _planes(dataset)]
    if len(planes) < 2:
        raise GeometryMismatch(f"{len(planes)} slice", "at least two")
    normal = _stack_normal(planes)
    planes.sort(key=lambda plane: float(plane.position @ normal))
    frames_of_reference = {str(dataset.get("FrameOfReferenceUID", "")) for dataset in datasets}
    if len(frames_of_reference) > 1:
        raise GeometryMismatch("several frames of reference", "one in a series")
    hu = np.stack([plane.hu for plane in planes])
    hu.flags.writeable = False
    geometry = Geometry(
        affine=_affine(planes),
        shape=(hu.shape[0], hu.shape[1], hu.shape[2]),
        frame_of_reference_uid=frames_of_reference.pop() or None,
    )
    return CtVolume(
        hu=hu,
        geometry=geometry,
        frames=tuple(plane.frame for plane in planes),
        header=_header(datasets[0]),
    )


def _read(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path, force=True)
    except (InvalidDicomError, OSError, ValueError, KeyError) as error:
        raise UnreadablePixels(f"{path.name}: {error}", "a DICOM file", "re-send it") from error


def _planes(dataset: Dataset) -> list[_Plane]:
    """All slices of one object; foreign errors of decoding end here."""
    try:
        pixels = np.atleast_3d(dataset.pixel_array)
        if "PerFrameFunctionalGroupsSequence" in dataset:
            return _enhanced_planes(dataset, dataset.pixel_array)
        return [_single_plane(dataset, pixels[..., 0])]
    except (AttributeError, KeyError, IndexError) as error:
        raise GeometryMismatch(f"missing attribute: {error}", "a CT image") from error
    except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
        found = f"pixel data: {error}"
        raise UnreadablePixels(found, "decodable pixels", "re-send the series") from error


def _single_plane(dataset: Dataset, pixels: NDArray[Any]) -> _Plane:
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return _Plane(
        position=np.asarray(dataset.ImagePositionPatient, float),
        orientation=np.asarray(dataset.ImageOrientationPatient, float),
        spacing=(float(dataset.PixelSpacing[0]), float(dataset.PixelSpacing[1])),
        hu=_hounsfield(dataset, pixels, float(slope), float(intercept)),
        frame=FrameReference(
            sop_class_uid=str(dataset.SOPClassUID or dataset.file_meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(
                dataset.SOPInstanceUID or dataset.file_meta.MediaStorageSOPInstanceUID
            ),
        ),
    )


def _enhanced_planes(dataset: Dataset, pixels: NDArray[Any]) -> list[_Plane]:
    """Frames of an Enhanced CT: shared or per-frame functional groups (PS3.3 C.7.6.16)."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    planes = []
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):

        def group(name: str, own: Dataset = groups) -> Dataset:
            found: Dataset = (own if name in own else shared)[name].value[0]
            return found

        transform = group("PixelValueTransformationSequence")
        measures = group("PixelMeasuresSequence")
        position = group("PlanePositionSequence").ImagePositionPatient
        orientation = group("PlaneOrientationSequence").ImageOrientationPatient
        planes.append(
            _Plane(
                position=np.asarray(position, float),
                orientation=np.asarray(orientation, float),
                spacing=(float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1])),
                hu=_hounsfield(
                    dataset,
                    pixels[number],
                    float(transform.RescaleSlope),
                    float(transform.RescaleIntercept),
                ),
                frame=FrameReference(
                    sop_class_uid=str(dataset.SOPClassUID),
                    sop_instance_uid=str(dataset.SOPInstanceUID),
                    frame_number=number + 1,
                ),
            )
        )
    return planes


def _hounsfield(
    dataset: Dataset, pixels: NDArray[Any], slope: float, intercept: float
) -> NDArray[np.float32]:
    """Rescaled values (PS3.3 C.11.1.1); padding becomes air."""
    hu = pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        last = dataset.get("PixelPaddingRangeLimit", padding)
        low, high = min(padding, last), max(padding, last)
        hu[(pixels >= low) & (pixels <= high)] = AIR_HU
    return np.maximum(hu, np.float32(AIR_HU))


def _stack_normal(planes: list[_Plane]) -> NDArray[np.float64]:
    """Slice normal; checks that the slices form a regular stack."""
    first = planes[0]
    for plane in planes:
        if (
            not np.allclose(plane.orientation, first.orientation, atol=1e-3)
            or not np.allclose(plane.spacing, first.spacing, rtol=1e-3)
            or plane.hu.shape != first.hu.shape
        ):
            raise GeometryMismatch("slices of different orientation, spacing or size", "one stack")
    # Rows x columns: for an axial head-first supine image the normal points to the head.
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    heights = np.sort([float(plane.position @ normal) for plane in planes])
    distances = np.diff(heights)
    distance = float(np.median(distances))
    if distance <= 0.01 or np.abs(distances - distance).max() > max(
        POSITION_TOLERANCE * distance, 0.02
    ):
        raise GeometryMismatch(
            f"slice distances from {distances.min():.2f} to {distances.max():.2f} mm",
            "even spacing",
            "re-send the whole series",
        )
    return normal


def _affine(planes: list[_Plane]) -> NDArray[np.float64]:
    """Index to LPS from the ordered planes: right for tilted gantries too."""
    first, last = planes[0], planes[-1]
    step = (last.position - first.position) / (len(planes) - 1)
    row_spacing, column_spacing = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = first.orientation[3:] * row_spacing
    affine[:3, 2] = first.orientation[:3] * column_spacing
    affine[:3, 3] = first.position
    return affine


def _header(dataset: Dataset) -> AcquisitionHeader:
    source = _flat(dataset)
    kernel = source.get("ConvolutionKernel")
    if kernel is not None and not isinstance(kernel, str):
        kernel = "\\".join(map(str, kernel))
    return AcquisitionHeader(
        kvp=_number(source.get("KVP")),
        convolution_kernel=kernel or None,
        slice_thickness_mm=_number(source.get("SliceThickness")),
        contrast_agent=str(source.get("ContrastBolusAgent") or "") or None,
        patient_age_years=_age_years(str(source.get("PatientAge") or "")),
        patient_sex=str(source.get("PatientSex") or "") or None,
        patient_position=str(source.get("PatientPosition") or "") or None,
        manufacturer=str(source.get("Manufacturer") or "") or None,
        model_name=str(source.get("ManufacturerModelName") or "") or None,
    )


def _flat(dataset: Dataset) -> Dataset:
    """Header attributes in one place, also those that Enhanced CT keeps in functional groups."""
    flat = Dataset()
    for groups in (
        [dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[0]]
        if "PerFrameFunctionalGroupsSequence" in dataset
        else []
    ):
        for element in groups:
            if element.VR == "SQ" and element.value:
                flat.update(element.value[0])
    for element in dataset:
        if element.tag.group < 0x7FE0 and element.value not in (None, ""):
            flat.add(element)
    return flat


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if np.isfinite(number) and number > 0 else None


def _age_years(text: str) -> float | None:
    """Age String (PS3.5 6.2): nnnD, nnnW, nnnM or nnnY."""
    units = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
    if len(text) == 4 and text[:3].isdigit() and text[3] in units:
        return int(text[:3]) * units[text[3]]
    return None

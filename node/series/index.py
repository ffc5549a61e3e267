"""Read a DICOM header into a `SeriesRecord`: the attributes that decide about a series.

Takes  StoredInstance
Gives  SeriesRecord
Next   node.series.completeness

Each header is read once and stored as JSON in the ledger, so that no file is opened again when a
series is closed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pipelines.read.enhanced import (
    coded_contrast_agent,
    frame_count,
    frame_value,
    is_multiframe,
)

UNREADABLE: Final[Mapping[str, Any]] = {"unreadable": True}
TEXTS: Final = (
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
    "ProtocolName",
    "ConvolutionKernel",
    "ContrastBolusAgent",
    "RescaleType",
    "FrameOfReferenceUID",
)
LOCALIZER: Final = "LOCALIZER"
"""Value 3 of Image Type (PS3.3 C.8.2.1.1.1)."""
NUMBERS: Final = ("KVP", "SliceThickness", "Rows", "Columns")
PLANE: Final = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRecord:
    """Attributes that decide about a series.

    Parameters
    ----------
    positions_lps_mm : (slices, 3)
        Image Position (Patient) of every slice, in no order.
    orientations : (slices, 6)
        Image Orientation (Patient).
    spacings_mm : (slices, 2)
        Pixel Spacing.
    is_rescaled
        Stored values become Hounsfield units by slope and intercept.
    sop_instance_uids, paths
        Of the readable objects.
    unreadable
        SOP Instance UIDs of objects without a usable position.
    localizers
        SOP Instance UIDs of scouts that came in one series with the slices.
    """

    series_instance_uid: str
    study_instance_uid: str
    modality: str
    description: str
    body_part: str
    protocol: str
    image_type: tuple[str, ...]
    kernel: str
    contrast_agent: str
    rescale_type: str
    is_rescaled: bool
    kvp: float | None
    slice_thickness_mm: float | None
    sizes: frozenset[tuple[int, int]]
    frames_of_reference: frozenset[str]
    positions_lps_mm: NDArray[np.float64]
    orientations: NDArray[np.float64]
    spacings_mm: NDArray[np.float64]
    sop_instance_uids: tuple[str, ...]
    paths: tuple[str, ...]
    unreadable: tuple[str, ...]
    localizers: tuple[str, ...]


def read_header(path: Path) -> dict[str, Any]:
    """Attributes that decide about a series, as JSON; ``UNREADABLE`` for files that are not DICOM."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        return header_of(dataset)
    except (InvalidDicomError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return dict(UNREADABLE)


def header_of(dataset: Dataset) -> dict[str, Any]:
    """Attributes that `read_header` returns, from an open data set."""
    header: dict[str, Any] = {name: _text(frame_value(dataset, 0, name)) for name in TEXTS}
    header |= {name: _number(frame_value(dataset, 0, name)) for name in NUMBERS}
    if is_multiframe(dataset):
        header["ContrastBolusAgent"] = coded_contrast_agent(dataset) or header["ContrastBolusAgent"]
    header["is_rescaled"] = _number(frame_value(dataset, 0, "RescaleIntercept")) is not None
    header["ImageType"] = [str(word) for word in dataset.get("ImageType") or []]
    planes = (_plane(dataset, index) for index in range(frame_count(dataset)))
    header["planes"] = [plane for plane in planes if plane is not None]
    return header


def _plane(dataset: Dataset, frame_index: int) -> list[list[float]] | None:
    """[position, orientation, spacing], or ``None`` where one of them is missing."""
    try:
        plane = [
            [float(v) for v in frame_value(dataset, frame_index, keyword)] for keyword in PLANE
        ]
    except (TypeError, ValueError):
        return None
    if [len(part) for part in plane] != [3, 6, 2] or not np.isfinite(np.concatenate(plane)).all():
        return None
    return plane


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\\".join(map(str, value))
    return str(value)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def series_record(
    series_instance_uid: str,
    study_instance_uid: str,
    objects: Sequence[tuple[str, str, Mapping[str, Any]]],
) -> SeriesRecord:
    """Record of a series from the headers of its objects.

    Parameters
    ----------
    objects
        (SOP Instance UID, path, header) of every object.
    """
    placed = [one for one in objects if one[2].get("planes")]
    slices = [one for one in placed if not _is_localizer(one[2])]
    readable = slices or placed
    headers = [header for _, _, header in readable]
    # Objects of other modalities and scouts have no planes; their header is still used.
    first = headers[0] if headers else dict(objects[0][2]) if objects else {}
    planes = [plane for header in headers for plane in header["planes"]]
    return SeriesRecord(
        series_instance_uid=series_instance_uid,
        study_instance_uid=study_instance_uid,
        modality=first.get("Modality", ""),
        description=first.get("SeriesDescription", ""),
        body_part=first.get("BodyPartExamined", ""),
        protocol=first.get("ProtocolName", ""),
        image_type=tuple(first.get("ImageType", ())),
        kernel=first.get("ConvolutionKernel", ""),
        contrast_agent=first.get("ContrastBolusAgent", ""),
        rescale_type=first.get("RescaleType", ""),
        is_rescaled=all(header.get("is_rescaled", True) for header in headers),
        kvp=first.get("KVP"),
        slice_thickness_mm=first.get("SliceThickness"),
        sizes=frozenset((int(h["Rows"] or 0), int(h["Columns"] or 0)) for h in headers),
        frames_of_reference=frozenset(h["FrameOfReferenceUID"] for h in headers),
        positions_lps_mm=np.array([p[0] for p in planes], float).reshape(-1, 3),
        orientations=np.array([p[1] for p in planes], float).reshape(-1, 6),
        spacings_mm=np.array([p[2] for p in planes], float).reshape(-1, 2),
        sop_instance_uids=tuple(uid for uid, _, _ in readable),
        paths=tuple(path for _, path, _ in readable),
        unreadable=tuple(uid for uid, _, header in objects if not header.get("planes")),
        localizers=tuple(uid for uid, _, header in placed if slices and _is_localizer(header)),
    )


def _is_localizer(header: Mapping[str, Any]) -> bool:
    return LOCALIZER in {word.upper() for word in header["ImageType"]}

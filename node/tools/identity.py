"""Read or complete the UIDs of objects, also if de-identification emptied them.

Some public collections have the SOP Instance UID only in the file meta information, and empty study
and series UIDs. Such objects cannot be sent unchanged (PS3.7 9.1.1 requires the UIDs), but their
folder can be read, and completed copies can be sent.
"""

from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pipelines.contract.uids import derive_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """UIDs of one object; ``is_complete`` if the data set contains all of them."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    is_complete: bool


def identify(dataset: Dataset, path: Path) -> Identity:
    """UIDs from the data set, else the file meta, else derived from frame of reference and folder."""
    meta = getattr(dataset, "file_meta", Dataset())
    own = {
        name: str(dataset.get(name) or "")
        for name in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    }
    place = str(dataset.get("FrameOfReferenceUID") or ""), path.parent.name
    return Identity(
        sop_class_uid=own["SOPClassUID"] or str(meta.get("MediaStorageSOPClassUID") or ""),
        sop_instance_uid=own["SOPInstanceUID"]
        or str(meta.get("MediaStorageSOPInstanceUID") or "")
        or derive_uid("instance", str(path)),
        series_instance_uid=own["SeriesInstanceUID"] or derive_uid("series", *place),
        study_instance_uid=own["StudyInstanceUID"] or derive_uid("study", *place),
        is_complete=all(own.values()),
    )


def completed_copy(source: Path, folder: Path) -> tuple[Path, int]:
    """Copy of a folder in which all objects have their UIDs.

    Returns
    -------
    path, completed
        ``source`` itself and 0 if no UID is missing.
    """
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    incomplete = []
    for path in (one for one in files if one.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError, ValueError):
            continue
        if not identify(header, path).is_complete:
            incomplete.append(path)
    if not incomplete:
        return source, 0
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(incomplete):
        dataset = pydicom.dcmread(path)
        identity = identify(dataset, path)
        dataset.SOPClassUID = identity.sop_class_uid
        dataset.SOPInstanceUID = identity.sop_instance_uid
        dataset.SeriesInstanceUID = identity.series_instance_uid
        dataset.StudyInstanceUID = identity.study_instance_uid
        dataset.save_as(folder / f"{number:05d}.dcm")
    return folder, len(incomplete)

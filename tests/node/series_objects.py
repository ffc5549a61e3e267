"""Simulated CT headers and objects, without files or pixels where a test needs none."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from node.intake.spool import file_meta
from node.ledger.records import StoredInstance
from node.series.index import SeriesRecord, header_of, series_record

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def ct_image(
    *,
    study: str = "2.25.1",
    series: str = "2.25.2",
    number: int = 1,
    height_mm: float | None = None,
    thickness_mm: float = 2.5,
    **attributes: Any,
) -> Dataset:
    """One small axial CT image; attributes by keyword replace or add to the header."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{series}.{number}"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.FrameOfReferenceUID = f"{study}.9"
    image.Modality, image.PatientName, image.PatientID = "CT", "VIRTUAL^NODE", "V1"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    z = number * thickness_mm if height_mm is None else height_mm
    image.ImagePositionPatient = [-20.0, -20.0, round(z, 6)]
    image.ImageOrientationPatient = list(AXIAL)
    image.PixelSpacing, image.SliceThickness = [2.0, 2.0], thickness_mm
    image.KVP, image.ConvolutionKernel = 120, "STANDARD"
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, -1024, "HU"
    image.Rows = image.Columns = 16
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 0
    image.PixelData = np.full((16, 16), 1064, np.uint16).tobytes()
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    return image


def ct_series(count: int = 80, **attributes: Any) -> list[Dataset]:
    """A stack of axial images."""
    return [ct_image(number=number + 1, **attributes) for number in range(count)]


def record(images: Sequence[Dataset]) -> SeriesRecord:
    """The record of a series as the node reads it."""
    first = images[0]
    objects = [(str(i.SOPInstanceUID), f"/{i.SOPInstanceUID}.dcm", header_of(i)) for i in images]
    return series_record(str(first.SeriesInstanceUID), str(first.StudyInstanceUID), objects)


def stored(image: Dataset, folder: Path, *, sha256: str | None = None) -> StoredInstance:
    """Write an object as the listener would and describe it; ``sha256`` for a made-up digest."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, image, enforce_file_format=True)
    content = buffer.getvalue()
    content = content[144 + int.from_bytes(content[140:144], "little") :]
    identity = str(image.SOPClassUID), str(image.SOPInstanceUID), str(ExplicitVRLittleEndian)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{image.SOPInstanceUID}.dcm"
    path.write_bytes(file_meta(*identity) + content)
    return StoredInstance(
        sop_class_uid=identity[0],
        sop_instance_uid=identity[1],
        series_instance_uid=str(image.SeriesInstanceUID),
        study_instance_uid=str(image.StudyInstanceUID),
        transfer_syntax_uid=identity[2],
        path=path,
        size_bytes=len(content),
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        calling_ae_title="SENDER",
        called_ae_title="OSTEONODE",
        received_at=datetime.now(UTC),
    )

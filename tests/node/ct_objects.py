"""Small CT objects for tests: complete, damaged, and of other SOP classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

STUDY = "2.25.4711"
SIZE = 32


def ct_image(
    index: int = 0,
    *,
    study: str = STUDY,
    series: int = 1,
    value: int = 40,
    sop_class: str = CTImageStorage,
    **attributes: Any,
) -> Dataset:
    """One axial slice; ``index`` counts up along the patient, 2.5 mm apart."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = sop_class
    image.StudyInstanceUID = study
    image.SeriesInstanceUID = f"{study}.{series}"
    image.SOPInstanceUID = f"{study}.{series}.{index + 1}"
    image.FrameOfReferenceUID = f"{study}.99"
    image.Modality = "CT"
    image.PatientName, image.PatientID = "VIRTUAL^TEST", "T1"
    image.PatientBirthDate, image.PatientSex = "19500101", "F"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SeriesNumber, image.InstanceNumber = series, index + 1
    image.ImagePositionPatient = [-100, -100, 2.5 * index]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [0.8, 0.8], 2.5
    image.KVP, image.RescaleSlope, image.RescaleIntercept = 120, 1, -1024
    image.RescaleType = "HU"
    image.Rows = image.Columns = SIZE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 1
    image.PixelData = np.full((SIZE, SIZE), value, np.int16).tobytes()
    for keyword, content in attributes.items():
        setattr(image, keyword, content)
    return image


def write(image: Dataset, path: Path) -> Path:
    """Write a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, image, enforce_file_format=True)
    return path


def write_series(folder: Path, count: int, **options: Any) -> list[Path]:
    """Write a stack of slices."""
    return [
        write(ct_image(index, **options), folder / f"{index:04d}.dcm") for index in range(count)
    ]


def write_raw(
    path: Path,
    content: bytes,
    *,
    sop_instance: str = f"{STUDY}.1.1",
    sop_class: str = CTImageStorage,
    syntax: UID = ExplicitVRLittleEndian,
) -> Path:
    """Write a DICOM file with the given bytes as data set."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    head = DicomBytesIO()
    pydicom.filewriter.write_file_meta_info(head, meta)
    path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + content)
    return path


def encoded(path: Path) -> bytes:
    """Bytes of the data set in a DICOM file, without preamble and file meta information."""
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def stored_files(data_folder: Path) -> Iterator[Path]:
    """Objects in a node's spool."""
    yield from sorted((data_folder / "spool").rglob("*.dcm"))

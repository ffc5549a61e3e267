"""Write a ``CtImage`` as CT Image Storage instances, one per slice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from training.cohort.errors import BadCohortConfig
from training.cohort.scan.header import (
    STUDY_DATE,
    STUDY_TIME,
    SeriesHeader,
    decimal,
    describe_series,
)
from training.cohort.scan.image import CtImage
from training.cohort.uids import derived_uid

TRANSFER_SYNTAXES: Final[dict[str, UID]] = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
"""Transfer syntaxes by their name on the command line; all are lossless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValues:
    """Stored pixels and the rescale intercept to HU.

    Parameters
    ----------
    pixels : (..., rows, columns) uint16 or int16
    """

    pixels: NDArray[np.uint16] | NDArray[np.int16]
    rescale_intercept: int


def stored_values(hu: NDArray[np.int16]) -> StoredValues:
    """Choose a pixel representation that scanners use and that fits every value.

    Unsigned with intercept -1024 by default; signed with intercept 0 if a value is below -1024.
    """
    if int(hu.min()) >= -1024:
        pixels = (hu.astype(np.int32) + 1024).astype(np.uint16)
        return StoredValues(pixels=pixels, rescale_intercept=-1024)
    return StoredValues(pixels=hu, rescale_intercept=0)


def write_series(
    image: CtImage,
    header: SeriesHeader,
    folder: Path,
    *,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    reversed_numbers: bool = False,
    on_written: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Write one file per slice in the order of Instance Number, from ``IM0001.dcm``.

    Parameters
    ----------
    reversed_numbers
        Number the instances from the last slice of ``image`` to the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    datasets = ct_instances(image, header, reversed_numbers=reversed_numbers)
    for name, ds in zip(instance_names(len(image.hu)), datasets, strict=True):
        file = folder / name
        save(ds, file, transfer_syntax)
        files.append(file)
        on_written()
    return files


def instance_names(slices: int) -> list[str]:
    """File names of a series, in the order of Instance Number."""
    return [f"IM{number:04d}.dcm" for number in range(1, slices + 1)]


def ct_instances(
    image: CtImage, header: SeriesHeader, *, reversed_numbers: bool = False
) -> Iterator[Dataset]:
    """Yield one CT Image dataset per slice with uncompressed pixels."""
    values = stored_values(image.hu)
    numbers = range(len(image.hu))
    for instance, number in enumerate(reversed(numbers) if reversed_numbers else numbers, 1):
        yield _ct_instance(image, header, values, slice_number=number, instance_number=instance)


def _ct_instance(
    image: CtImage,
    header: SeriesHeader,
    values: StoredValues,
    *,
    slice_number: int,
    instance_number: int,
) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, header.sop_instance_uid(instance_number)
    describe_series(ds, header)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber, ds.AcquisitionNumber = instance_number, 1
    ds.ContentDate, ds.ContentTime = STUDY_DATE, STUDY_TIME
    ds.AcquisitionDate, ds.AcquisitionTime = STUDY_DATE, STUDY_TIME
    describe_acquisition(ds, header)
    describe_plane(ds, image, header, slice_number)
    set_pixels(ds, values.pixels[slice_number], values.rescale_intercept)
    return ds


def describe_acquisition(ds: Dataset, header: SeriesHeader) -> None:
    """Set the CT image module; with contrast medium also the contrast/bolus module."""
    ds.KVP = None if header.kvp is None else decimal(header.kvp)
    ds.ConvolutionKernel = header.convolution_kernel or ""
    ds.GantryDetectorTilt = decimal(header.gantry_tilt_deg)
    if header.tube_current_ma is not None:
        ds.XRayTubeCurrent = header.tube_current_ma
    if header.exposure_ms is not None:
        ds.ExposureTime = header.exposure_ms
    if header.tube_current_ma is not None and header.exposure_ms is not None:
        ds.Exposure = round(header.tube_current_ma * header.exposure_ms / 1000)
    if header.contrast_agent:
        ds.ContrastBolusAgent, ds.ContrastBolusRoute = header.contrast_agent, "IV"


def describe_plane(ds: Dataset, image: CtImage, header: SeriesHeader, number: int) -> None:
    """Set the image plane module of slice ``number``."""
    _, between_rows, between_columns = image.spacing_mm
    position = image.position_lps_mm(number)
    ds.PixelSpacing = [decimal(between_rows), decimal(between_columns)]
    ds.ImageOrientationPatient = [decimal(c) for c in (*image.row_cosine, *image.column_cosine)]
    ds.ImagePositionPatient = [decimal(p) for p in position]
    ds.SliceThickness = decimal(header.slice_thickness_mm or image.slice_gap_mm)
    ds.SpacingBetweenSlices = decimal(image.slice_gap_mm)
    ds.SliceLocation = decimal(round(float(image.normal @ position), 3))


def set_pixels(
    ds: Dataset, pixels: NDArray[np.uint16] | NDArray[np.int16], rescale_intercept: int
) -> None:
    """Set the image pixel module and the rescale; a leading third axis becomes frames."""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(pixels.dtype == np.int16)
    ds.RescaleIntercept, ds.RescaleSlope = decimal(rescale_intercept), decimal(1)
    ds.RescaleType = "HU"
    ds.WindowCenter, ds.WindowWidth = decimal(40), decimal(400)
    ds.PixelData = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OW"


def save(ds: Dataset, file: Path, transfer_syntax: UID = ExplicitVRLittleEndian) -> None:
    """Write a Part 10 file; encapsulate the pixels if the transfer syntax requires it."""
    if transfer_syntax not in TRANSFER_SYNTAXES.values():
        raise BadCohortConfig(
            f"transfer_syntax = {transfer_syntax.name}", "one of " + ", ".join(TRANSFER_SYNTAXES)
        )
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = UID(derived_uid("implementation"))
    ds.file_meta.ImplementationVersionName = "OSTEONODE"
    if transfer_syntax.is_encapsulated:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(transfer_syntax, generate_instance_uid=False)
    else:
        ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.save_as(file, enforce_file_format=True)

"""Write a localizer (scout) of the same study: one projection from front to back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from training.cohort.scan.header import STUDY_DATE, STUDY_TIME, SeriesHeader, describe_series
from training.cohort.scan.image import CtImage
from training.cohort.write.dicom import (
    describe_acquisition,
    describe_plane,
    save,
    set_pixels,
    stored_values,
)

SERIES_NUMBER = 1


def write_localizer(image: CtImage, header: SeriesHeader, file: Path) -> Path:
    """Write the scout as series 1 of the study of ``header``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save(localizer_instance(image, header), file)
    return file


def localizer_instance(image: CtImage, header: SeriesHeader) -> Dataset:
    """Build the dataset: rows from the head down, columns as in the slices."""
    scout = frontal_projection(image)
    header = replace(
        header,
        series_number=SERIES_NUMBER,
        series_description="Localizer",
        slice_thickness_mm=scout.spacing_mm[0],
    )
    values = stored_values(scout.hu)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, header.sop_instance_uid(1)
    describe_series(ds, header)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.InstanceNumber, ds.AcquisitionNumber = 1, 1
    ds.ContentDate, ds.ContentTime = STUDY_DATE, STUDY_TIME
    ds.AcquisitionDate, ds.AcquisitionTime = STUDY_DATE, STUDY_TIME
    describe_acquisition(ds, header)
    describe_plane(ds, scout, header, 0)
    set_pixels(ds, values.pixels[0], values.rescale_intercept)
    ds.RescaleType = "US"  # PS3.3 C.8.2.1.1.8: a projection is not in Hounsfield units
    return ds


def frontal_projection(image: CtImage) -> CtImage:
    """Return the mean along the rows as one coronal plane through the middle of the stack."""
    slices, rows, _ = image.hu.shape
    mean = image.hu.mean(axis=1)
    steps = image.affine_lps
    affine = np.eye(4)
    affine[:3, 0] = steps[:3, 1] * rows
    affine[:3, 1], affine[:3, 2] = steps[:3, 0], steps[:3, 2]
    affine[:3, 3] = steps[:3, 3] + steps[:3, 1] * (rows - 1) / 2
    if steps[2, 0] > 0:
        mean = mean[::-1]
        affine[:3, 3] += steps[:3, 0] * (slices - 1)
        affine[:3, 1] *= -1
    return CtImage(hu=np.rint(mean)[None].astype(np.int16), affine_lps=affine)

"""Read patient and acquisition attributes from the header of classic and Enhanced CT.

Takes  SourceSeries
Gives  AcquisitionHeader
Next   pipelines.read.volume
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from pipelines.read.enhanced import coded_contrast_agent, frame_count, frame_value

DAYS_PER_YEAR: Final = 365.25
AGE_UNITS: Final = {"D": 1 / DAYS_PER_YEAR, "W": 7 / DAYS_PER_YEAR, "M": 1 / 12, "Y": 1.0}
"""Age String (PS3.5 6.2) in years."""
ADULT_HEIGHT_M: Final = (1.0, 2.4)
ADULT_WEIGHT_KG: Final = (25.0, 300.0)
"""Plausible range of Patient's Size and Weight (PS3.3 C.7.2.2, metres and kilograms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionHeader:
    """Attributes that the gates use; ``None`` where the header has no valid value.

    No attribute has a default value.
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
    rescale_type: str | None = None
    patient_bmi_kg_m2: float | None = None


def read_acquisition(datasets: Sequence[Dataset]) -> AcquisitionHeader:
    """Read the header of a series; an attribute with several values across its frames is ``None``."""
    first = datasets[0]
    return AcquisitionHeader(
        kvp=_number(_agreed(datasets, "KVP")),
        convolution_kernel=_text(_agreed(datasets, "ConvolutionKernel")),
        slice_thickness_mm=_number(_agreed(datasets, "SliceThickness")),
        contrast_agent=_contrast_agent(first),
        patient_age_years=_age_years(first),
        patient_sex=_text(first.get("PatientSex")),
        patient_position=_text(first.get("PatientPosition")),
        manufacturer=_text(first.get("Manufacturer")),
        model_name=_text(first.get("ManufacturerModelName")),
        rescale_type=_text(_agreed(datasets, "RescaleType")),
        patient_bmi_kg_m2=_bmi(first),
    )


def _agreed(datasets: Sequence[Dataset], keyword: str) -> object:
    values = {
        _text(frame_value(dataset, index, keyword))
        for dataset in datasets
        for index in range(frame_count(dataset))
    }
    return values.pop() if len(values) == 1 else None


def _contrast_agent(dataset: Dataset) -> str | None:
    """Agent by name; ``"unnamed"`` where the header has a volume or a route but no name."""
    named = _text(dataset.get("ContrastBolusAgent"))
    if named:
        return named
    coded = _text(coded_contrast_agent(dataset))
    if coded:
        return coded
    volume = _number(dataset.get("ContrastBolusVolume"))
    return "unnamed" if volume or _text(dataset.get("ContrastBolusRoute")) else None


def _age_years(dataset: Dataset) -> float | None:
    text = _text(dataset.get("PatientAge")) or ""
    if len(text) == 4 and text[:3].isdigit() and text[3] in AGE_UNITS:
        return int(text[:3]) * AGE_UNITS[text[3]]
    born, studied = (_date(dataset.get(name)) for name in ("PatientBirthDate", "StudyDate"))
    if born is None or studied is None or studied < born:
        return None
    return (studied - born).days / DAYS_PER_YEAR


def _bmi(dataset: Dataset) -> float | None:
    """Body mass index; ``None`` for implausible values, such as a height in centimetres."""
    height, weight = (_number(dataset.get(name)) for name in ("PatientSize", "PatientWeight"))
    if height is None or weight is None:
        return None
    low, high = ADULT_HEIGHT_M
    light, heavy = ADULT_WEIGHT_KG
    if not (low <= height <= high and light <= weight <= heavy):
        return None
    return weight / height**2


def _date(value: object) -> date | None:
    text = _text(value) or ""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) and number > 0 else None


def _text(value: object) -> str | None:
    """Text of a value, several joined as DICOM does; ``None`` when it is empty."""
    if value is None:
        return None
    if isinstance(value, MultiValue):
        value = "\\".join(str(part) for part in value)
    return str(value).strip() or None

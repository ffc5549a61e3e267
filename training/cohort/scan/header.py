"""Header attributes of a cohort series: patient, study, series, acquisition."""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from training.cohort.errors import BadCohortConfig
from training.cohort.scan.orientation import FLIPPED_AXES
from training.cohort.uids import derived_uid

STUDY_DATE = "20260105"
STUDY_TIME = "080000"
EQUIPMENT = "OsteoNode virtual cohort"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """Attributes of one series that the pixels do not determine.

    Parameters
    ----------
    key
        Identifies the examination; every UID derives from it and the series number.
    protocol_name, kvp, tube_current_ma, exposure_ms, convolution_kernel, contrast_agent
        ``None`` if unknown; the attribute is then empty or absent.
    kernel_is_sharp
        Whether the kernel is meant for bone and lung.
    slice_thickness_mm
        Nominal thickness; ``None`` stands for the distance between slices.
    """

    key: str
    patient_name: str = "VIRTUAL^COHORT"
    patient_id: str = "VIRTUAL"
    patient_sex: str = ""
    patient_age_years: int | None = None
    patient_size_m: float | None = None
    patient_weight_kg: float | None = None
    study_description: str = "CT abdomen and pelvis"
    series_description: str = "Axial, standard"
    series_number: int = 2
    image_comments: str = "SIMULATED"
    manufacturer: str = "OsteoNode"
    model_name: str = EQUIPMENT
    protocol_name: str | None = None
    kvp: float | None = 120.0
    tube_current_ma: int | None = None
    exposure_ms: int | None = None
    convolution_kernel: str | None = None
    kernel_is_sharp: bool = False
    contrast_agent: str | None = None
    slice_thickness_mm: float | None = None
    patient_position: str = "HFS"
    gantry_tilt_deg: float = 0.0
    body_part: str = "ABDOMEN"

    def __post_init__(self) -> None:
        if self.patient_position not in FLIPPED_AXES:
            raise BadCohortConfig(
                f"patient_position = {self.patient_position!r}",
                "one of " + ", ".join(FLIPPED_AXES),
            )
        if self.patient_sex not in {"", "M", "F", "O"}:
            raise BadCohortConfig(f"patient_sex = {self.patient_sex!r}", "M, F, O or empty")
        if self.kvp is not None and not 20 <= self.kvp <= 200:
            raise BadCohortConfig(f"kvp = {self.kvp:g}", "20 to 200 kV")

    @property
    def study_instance_uid(self) -> str:
        """One study per key."""
        return derived_uid(self.key, "study")

    @property
    def frame_of_reference_uid(self) -> str:
        """One frame of reference per key: the patient stays on the table."""
        return derived_uid(self.key, "frame-of-reference")

    @property
    def series_instance_uid(self) -> str:
        """One series per key and series number."""
        return derived_uid(self.key, "series", self.series_number)

    def sop_instance_uid(self, number: int) -> str:
        """Return the UID of instance ``number`` (from 1)."""
        return derived_uid(self.key, "series", self.series_number, "instance", number)


def decimal(value: float) -> DSfloat:
    """Format a number with as many digits as a decimal string can hold (16 characters)."""
    return DSfloat(float(value), auto_format=True)


def describe_series(ds: Dataset, header: SeriesHeader) -> None:
    """Set the patient, study, series, frame of reference and equipment modules."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID = header.patient_name, header.patient_id
    ds.PatientBirthDate, ds.PatientSex = "", header.patient_sex
    if header.patient_age_years is not None:
        ds.PatientAge = f"{header.patient_age_years:03d}Y"
    if header.patient_size_m is not None:
        ds.PatientSize = decimal(round(header.patient_size_m, 2))
    if header.patient_weight_kg is not None:
        ds.PatientWeight = decimal(round(header.patient_weight_kg, 1))
    ds.StudyInstanceUID, ds.StudyID = header.study_instance_uid, "1"
    ds.StudyDate, ds.StudyTime = STUDY_DATE, STUDY_TIME
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.StudyDescription, ds.SeriesDescription = header.study_description, header.series_description
    ds.Modality, ds.SeriesInstanceUID = "CT", header.series_instance_uid
    ds.SeriesNumber, ds.SeriesDate, ds.SeriesTime = header.series_number, STUDY_DATE, STUDY_TIME
    if header.protocol_name is not None:
        ds.ProtocolName = header.protocol_name
    ds.PatientPosition, ds.BodyPartExamined = header.patient_position, header.body_part
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = header.frame_of_reference_uid, ""
    ds.Manufacturer, ds.ManufacturerModelName = header.manufacturer, header.model_name
    ds.DeviceSerialNumber, ds.SoftwareVersions = "0", "0.1.0"
    ds.ImageComments = header.image_comments

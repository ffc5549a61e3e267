"""Build the Structured Report document around the measurement groups of any report.

Takes  SourceSeries, measurement groups
Gives  Comprehensive3DSR
Next   pipelines.reporting.sr_content, pipelines.reporting.radiomics
"""

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom.seg import Segmentation
from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset

from pipelines.contract.job import Job
from pipelines.read.sources import SourceSeries
from pipelines.reporting import codes
from pipelines.reporting.equipment import (
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    software_version,
)
from pipelines.reporting.source_images import inherit_character_set, source_images
from pipelines.reporting.uids import derived_uid

Group = VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSeries:
    """The series that one kind of report is written into.

    Parameters
    ----------
    role
        Prefix of the derived UIDs: ``"sr"`` is used as ``sr.series`` and ``sr.instance``.
    """

    role: str
    number: int
    description: str


def make_document(
    job: Job,
    series: SourceSeries,
    groups: Sequence[Group],
    segmentation: Segmentation | None,
    written_to: ReportSeries,
    previous_versions: list[Dataset] | None = None,
) -> Comprehensive3DSR:
    """Comprehensive 3D SR, complete and unverified.

    Patient, study and character set are those of the source images; equipment and observer are
    this software; all UIDs derive from the job.

    Parameters
    ----------
    segmentation
        The object that the groups refer to, or ``None``.
    previous_versions
        References to reports that this one replaces (PS3.3 C.17.2, Predecessor Documents).

    Source
    ------
    PS3.16 TID 1500; PS3.3 A.35.13, C.12.1, C.17.2.
    """
    evidence = source_images(series)
    if segmentation is not None:
        evidence.append(segmentation)
    made = Comprehensive3DSR(
        evidence=evidence,
        content=MeasurementReport(
            observation_context=_observation_context(job),
            procedure_reported=codes.CT_UNSPECIFIED_REGION,
            imaging_measurements=groups,
            title=codes.IMAGING_MEASUREMENT_REPORT,
        ),
        series_instance_uid=derived_uid(job.key, f"{written_to.role}.series"),
        series_number=written_to.number,
        sop_instance_uid=derived_uid(job.key, f"{written_to.role}.instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=software_version(),
        device_serial_number=SERIAL_NUMBER,
        series_description=written_to.description,
        coding_schemes=[codes.private_scheme()],
        is_complete=True,
        is_final=False,
        is_verified=False,
        previous_versions=previous_versions,
        specific_character_set=None,
    )
    inherit_character_set(made, evidence[0])
    return made


def _observation_context(job: Job) -> ObservationContext:
    """The observing device: this software and its model set (TID 1002, 1004)."""
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DEVICE,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=derived_uid(f"{MODEL_NAME} {software_version()}", "observer"),
                name=MODEL_NAME,
                manufacturer_name=MANUFACTURER,
                model_name=f"{MODEL_NAME} {software_version()} ({job.model_set})",
                serial_number=SERIAL_NUMBER,
            ),
        )
    )

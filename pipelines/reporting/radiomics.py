"""Write the Structured Report of radiomic features: one group per vertebra (TID 1500, IBSI).

Takes  SourceSeries, LevelFeatures
Gives  Comprehensive3DSR
Next   pipelines.run

It is a separate document in a separate series, because it holds more than a hundred numbers per
vertebra. It is written only if a destination is configured to receive it.
"""

from collections.abc import Sequence
from typing import Final

from highdicom.seg import Segmentation
from highdicom.sr import (
    Comprehensive3DSR,
    FindingSite,
    Measurement,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)

from pipelines.contract.anatomy import Level
from pipelines.contract.findings import Abstained, ModelUse
from pipelines.contract.job import Job
from pipelines.lumbar.vertebral_features import LevelFeatures
from pipelines.radiomics.extract import RadiomicFeatures
from pipelines.radiomics.units import ORIGINAL, feature_unit
from pipelines.read.sources import SourceSeries
from pipelines.reporting import codes
from pipelines.reporting.equipment import SERIES_DESCRIPTION, algorithm_of_report
from pipelines.reporting.seg import SegmentNumbers, tracking_uid
from pipelines.reporting.sr_document import ReportSeries, make_document

REPORT_SERIES: Final = ReportSeries(
    role="radiomics", number=9104, description=f"{SERIES_DESCRIPTION} RADIOMICS"
)
DIGITS: Final = 9
"""Significant digits: with sign and exponent within the 16 characters of a Decimal String."""


def make_radiomics_report(
    job: Job,
    series: SourceSeries,
    features: Sequence[LevelFeatures],
    segmentation: Segmentation,
    numbers: dict[Level, SegmentNumbers],
    models: Sequence[ModelUse],
) -> Comprehensive3DSR:
    """Comprehensive 3D SR with the features of the original image, unverified, for research use.

    Parameters
    ----------
    segmentation
        The object whose segments the features were taken from: the whole vertebral bodies.
    numbers
        Its segment numbers by level.

    Source
    ------
    PS3.16 TID 1500, 1411, 1419; CID 7468, 7477; PS3.16 8 (coding scheme IBSI).
    """
    groups = [
        _group(job, one, segmentation, numbers[one.level], models)
        for one in features
        if one.level in numbers
    ]
    return make_document(job, series, groups, segmentation, REPORT_SERIES)


def _group(
    job: Job,
    one: LevelFeatures,
    segmentation: Segmentation,
    numbers: SegmentNumbers,
    models: Sequence[ModelUse],
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(job, one.level, is_core=False),
            identifier=f"{one.level.name} vertebral body",
        ),
        referenced_segment=ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=numbers.body,
            source_series=SourceSeriesForSegmentation(job.series_instance_uid),
        ),
        finding_type=codes.VERTEBRAL_BODY,
        finding_sites=[FindingSite(anatomic_location=codes.VERTEBRA[one.level])],
        algorithm_id=algorithm_of_report(models),
        measurements=_measurements(one.features),
        qualitative_evaluations=_evaluations(one.features),
    )


def _measurements(features: RadiomicFeatures | Abstained) -> list[Measurement]:
    """One item per feature of the original image; a withheld vertebra has none."""
    if isinstance(features, Abstained):
        return []
    named = {
        name.removeprefix(ORIGINAL): value
        for name, value in features.values.items()
        if name.startswith(ORIGINAL)
    }
    return [
        Measurement(
            name=codes.quantity(name),
            value=float(f"{value:.{DIGITS}g}"),
            unit=codes.UNIT[feature_unit(name)],
        )
        for name, value in named.items()
    ]


def _evaluations(features: RadiomicFeatures | Abstained) -> list[QualitativeEvaluation]:
    research = QualitativeEvaluation(codes.CONTENT_QUALIFICATION, codes.RESEARCH)
    if isinstance(features, Abstained):
        why = codes.REASON_VALUE[features.reason]
        return [research, QualitativeEvaluation(codes.WITHHELD_RADIOMICS, why)]
    settings = codes.RADIOMICS_SETTINGS_VALUE[features.settings]
    found = [research, QualitativeEvaluation(codes.RADIOMICS_SETTINGS, settings)]
    engine = codes.RADIOMICS_ENGINE_VALUE.get(features.engine)
    if engine is not None:
        found.append(QualitativeEvaluation(codes.RADIOMICS_ENGINE, engine))
    return found

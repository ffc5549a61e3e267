"""Write the Structured Report: one group for the examination, one per vertebra (TID 1500).

Takes  SourceSeries, ExaminationResult
Gives  Comprehensive3DSR
Next   pipelines.run
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import (
    Comprehensive3DSR,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    Scoord3DContentItem,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset

from pipelines.contract.anatomy import Level
from pipelines.contract.calibration import Calibration
from pipelines.contract.findings import Abstained, LumbarFindings, Measured, VertebraFindings
from pipelines.contract.job import Job, Predecessor
from pipelines.contract.reasons import Reason
from pipelines.lumbar.examination import ExaminationResult
from pipelines.read.sources import SourceSeries
from pipelines.read.volume import AcquisitionHeader
from pipelines.reporting import codes
from pipelines.reporting.equipment import INTENDED_USE, SERIES_DESCRIPTION, algorithm_of_report
from pipelines.reporting.secondary import secondary_groups
from pipelines.reporting.seg import SegmentNumbers, segment_numbers, tracking_uid
from pipelines.reporting.sr_document import Group, ReportSeries, make_document
from pipelines.reporting.uids import derived_uid
from pipelines.reporting.wording import headline, reason_sentences

REPORT_SERIES: Final = ReportSeries(role="sr", number=9102, description=SERIES_DESCRIPTION)
COMPREHENSIVE_3D_SR: Final = "1.2.840.10008.5.1.4.1.1.88.34"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What every group of one report needs."""

    job: Job
    result: ExaminationResult
    frame_of_reference_uid: str
    segmentation: Segmentation | None
    numbers: dict[Level, SegmentNumbers]


def make_report(
    job: Job,
    series: SourceSeries,
    header: AcquisitionHeader,
    result: ExaminationResult,
    segmentation: Segmentation | None,
) -> Comprehensive3DSR:
    """Comprehensive 3D SR, complete, unverified, for research use.

    Parameters
    ----------
    segmentation
        The object that the groups refer to; ``None`` where nothing is reported.

    Source
    ------
    PS3.16 TID 1500, 1501, 1411, 300; PS3.3 A.35.13, C.17.2.
    """
    context = _Context(
        job=job,
        result=result,
        frame_of_reference_uid=series.geometry.frame_of_reference_uid or "",
        segmentation=segmentation,
        numbers=segment_numbers(result.lumbar.regions),
    )
    groups: list[Group] = [_examination(context, header)]
    groups += [_vertebra(context, row) for row in result.lumbar.findings.vertebrae]
    for secondary in result.secondary:
        groups += secondary_groups(job, secondary, segmentation)
    previous = _previous(job.predecessor)
    return make_document(job, series, groups, segmentation, REPORT_SERIES, previous)


def _previous(predecessor: Predecessor | None) -> list[Dataset] | None:
    if predecessor is None:
        return None
    reference = Dataset()
    reference.StudyInstanceUID = predecessor.study_instance_uid
    reference.SeriesInstanceUID = predecessor.series_instance_uid
    reference.SOPClassUID = COMPREHENSIVE_3D_SR
    reference.SOPInstanceUID = predecessor.sop_instance_uid
    return [reference]


def _examination(
    context: _Context, header: AcquisitionHeader
) -> MeasurementsAndQualitativeEvaluations:
    result, findings = context.result, context.result.lumbar.findings
    evaluations = [
        QualitativeEvaluation(codes.CONTENT_QUALIFICATION, codes.RESEARCH),
        QualitativeEvaluation(codes.STATUS, codes.STATUS_VALUE[result.status]),
    ]
    evaluations += [
        QualitativeEvaluation(codes.REASON, codes.REASON_VALUE[reason])
        for reason in findings.reasons
    ]
    evaluations += _withheld(findings.mean_attenuation, findings.mean_vbmd)
    evaluations += _density_evaluations(findings)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(context.job.key, "examination"), identifier="Examination"
        ),
        finding_type=codes.EXAMINATION,
        finding_sites=[FindingSite(anatomic_location=codes.LUMBAR_SPINE)],
        algorithm_id=algorithm_of_report(result.models),
        measurements=[
            *_attenuation(findings.mean_attenuation),
            *_density(findings.mean_vbmd, findings.calibration),
        ],
        qualitative_evaluations=evaluations,
    )
    comments = [INTENDED_USE, headline(result, header), *reason_sentences(findings)]
    group[0].ContentSequence.extend(
        TextContentItem(
            name=codes.COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS
        )
        for text in comments
    )
    return group


def _vertebra(context: _Context, row: VertebraFindings) -> Group:
    numbers = context.numbers.get(row.level)
    is_core = numbers is not None and numbers.core is not None
    part = "trabecular core" if is_core else "vertebral body"
    shared: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(
            uid=tracking_uid(context.job, row.level, is_core=is_core),
            identifier=f"{row.level.name} {part}",
        ),
        "finding_type": codes.TRABECULAR_BONE,
        "finding_sites": [FindingSite(anatomic_location=codes.VERTEBRA[row.level])],
        "algorithm_id": algorithm_of_report(context.result.models),
        "measurements": [
            *_attenuation(row.trabecular_attenuation),
            *_volume(row.roi_volume),
            *_density(row.vbmd, context.result.lumbar.findings.calibration),
        ],
        "qualitative_evaluations": _evaluations(row),
    }
    group: Group
    if numbers is None or context.segmentation is None:
        group = MeasurementsAndQualitativeEvaluations(**shared)
    else:
        group = VolumetricROIMeasurementsAndQualitativeEvaluations(
            **shared, referenced_segment=_segment(context, context.segmentation, numbers)
        )
    group[0].ContentSequence.extend(_centroid(context, row))
    return group


def _segment(
    context: _Context, segmentation: Segmentation, numbers: SegmentNumbers
) -> ReferencedSegment:
    """The core that was measured; the body where there is no core."""
    return ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=numbers.body if numbers.core is None else numbers.core,
        source_series=SourceSeriesForSegmentation(context.job.series_instance_uid),
    )


def _evaluations(row: VertebraFindings) -> list[QualitativeEvaluation]:
    evaluations = [QualitativeEvaluation(codes.USED, codes.YES if row.used else codes.NO)]
    if row.excluded_reason is not None:
        evaluations.append(
            QualitativeEvaluation(codes.EXCLUDED_REASON, codes.REASON_VALUE[row.excluded_reason])
        )
    if row.presumed:
        evaluations.append(
            QualitativeEvaluation(codes.REASON_VALUE[Reason.NAMING_PRESUMED], codes.YES)
        )
    return evaluations + _withheld(row.trabecular_attenuation, row.vbmd)


def _withheld(
    attenuation: Measured | Abstained, density: Measured | Abstained
) -> list[QualitativeEvaluation]:
    """The reason of each withheld value, in place of its number."""
    return [
        QualitativeEvaluation(name, codes.REASON_VALUE[value.reason])
        for name, value in (
            (codes.WITHHELD_ATTENUATION, attenuation),
            (codes.WITHHELD_DENSITY, density),
        )
        if isinstance(value, Abstained)
    ]


def _centroid(context: _Context, row: VertebraFindings) -> list[Scoord3DContentItem]:
    """Centroid in patient coordinates (both templates are extensible)."""
    if not context.frame_of_reference_uid:
        return []
    return [
        Scoord3DContentItem(
            name=codes.CENTROID,
            graphic_type="POINT",
            graphic_data=np.asarray([row.centroid_lps_mm]),
            frame_of_reference_uid=context.frame_of_reference_uid,
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
    ]


def _attenuation(value: Measured | Abstained) -> list[Measurement]:
    if isinstance(value, Abstained):
        return []
    items = [
        Measurement(
            name=codes.ATTENUATION,
            value=round(value.value, 1),
            unit=codes.HOUNSFIELD_UNIT,
            derivation=codes.MEAN,
        )
    ]
    if value.standard_deviation is not None:
        items.append(
            Measurement(
                name=codes.ATTENUATION,
                value=round(value.standard_deviation, 1),
                unit=codes.HOUNSFIELD_UNIT,
                derivation=codes.STANDARD_DEVIATION,
            )
        )
    return items


def _volume(value: Measured | Abstained) -> list[Measurement]:
    if isinstance(value, Abstained):
        return []
    return [
        Measurement(
            name=codes.VOLUME,
            value=round(value.value, 1),
            unit=codes.CUBIC_MILLIMETRE,
            method=codes.SUM_OF_VOXELS,
        )
    ]


def _density_evaluations(findings: LumbarFindings) -> list[QualitativeEvaluation]:
    """Phase always; standard and category if a density is given."""
    evaluations = [QualitativeEvaluation(codes.PHASE, codes.PHASE_VALUE[findings.phase])]
    if isinstance(findings.mean_vbmd, Abstained):
        return evaluations
    standard = codes.STANDARD_VALUE[findings.calibration.standard]
    evaluations.append(QualitativeEvaluation(codes.STANDARD, standard))
    category = findings.category
    if isinstance(category, Abstained):
        reason = codes.REASON_VALUE[category.reason]
        evaluations.append(QualitativeEvaluation(codes.WITHHELD_CATEGORY, reason))
    else:
        value = codes.CATEGORY_VALUE[category]
        evaluations.append(QualitativeEvaluation(codes.CATEGORY, value))
    return evaluations


def _density(value: Measured | Abstained, calibration: Calibration) -> list[Measurement]:
    if isinstance(value, Abstained):
        return []
    uncertainty = value.standard_uncertainty
    properties = None
    if uncertainty is not None:
        properties = MeasurementProperties(
            upper_measurement_uncertainty=round(uncertainty, 1),
            lower_measurement_uncertainty=round(uncertainty, 1),
        )
    return [
        Measurement(
            name=codes.VBMD,
            value=round(value.value, 1),
            unit=codes.MG_PER_CM3,
            method=codes.CALIBRATION[calibration.kind],
            properties=properties,
        )
    ]

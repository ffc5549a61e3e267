"""Build the measurement groups of the secondary pipelines for the report (TID 1411, 1501).

Takes  PipelineResult, Segmentation
Gives  measurement groups
Next   pipelines.reporting.sr_content
"""

from typing import Any

from highdicom.seg import Segmentation
from highdicom.sr import (
    CodedConcept,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.job import Job
from pipelines.contract.reasons import EXPLANATION
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    PipelineResult,
    Quantity,
    Statement,
)
from pipelines.reporting import codes
from pipelines.reporting.equipment import algorithm_of_report
from pipelines.reporting.sr_document import Group
from pipelines.reporting.uids import derived_uid


def secondary_groups(
    job: Job, result: PipelineResult, segmentation: Segmentation | None
) -> list[Group]:
    """One group for the reasons of the pipeline, if any, then one per site."""
    groups = [_group(job, result, group, segmentation) for group in result.groups]
    return [_reasons(job, result), *groups] if result.reasons else groups


def _reasons(job: Job, result: PipelineResult) -> Group:
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(job, result, "reasons"),
        finding_type=codes.PIPELINE[result.pipeline],
        algorithm_id=algorithm_of_report(result.models),
        qualitative_evaluations=[
            QualitativeEvaluation(codes.REASON, codes.REASON_VALUE[reason])
            for reason in result.reasons
        ],
    )
    _comment(group, tuple(EXPLANATION[reason] for reason in result.reasons))
    return group


def _group(
    job: Job,
    result: PipelineResult,
    group: MeasurementGroup,
    segmentation: Segmentation | None,
) -> Group:
    shared: dict[str, Any] = {
        "tracking_identifier": _tracking(job, result, group.label),
        "finding_type": codes.PIPELINE[result.pipeline],
        "finding_sites": [finding_site(group.site)],
        "algorithm_id": algorithm_of_report(result.models),
        "measurements": [
            _measurement(one, one.value)
            for one in group.quantities
            if isinstance(one.value, Measured)
        ],
        "qualitative_evaluations": [
            *(_statement(one) for one in group.statements),
            *(
                QualitativeEvaluation(
                    _withheld_name(one.name), codes.REASON_VALUE[one.value.reason]
                )
                for one in group.quantities
                if isinstance(one.value, Abstained)
            ),
        ],
    }
    segment = _referenced(job, group.segment, segmentation)
    made: Group
    if segment is None:
        made = MeasurementsAndQualitativeEvaluations(**shared)
    else:
        made = VolumetricROIMeasurementsAndQualitativeEvaluations(
            **shared, referenced_segment=segment
        )
    _comment(made, group.sentences)
    return made


def finding_site(site: Level | Side | None) -> FindingSite:
    """A vertebra, one femur, or the lumbar spine."""
    if isinstance(site, Level):
        return FindingSite(anatomic_location=codes.VERTEBRA[site])
    if isinstance(site, Side):
        return FindingSite(anatomic_location=codes.FEMUR, laterality=codes.LATERALITY[site])
    return FindingSite(anatomic_location=codes.LUMBAR_SPINE)


def _tracking(job: Job, result: PipelineResult, label: str) -> TrackingIdentifier:
    name = f"{result.pipeline} {label}"
    return TrackingIdentifier(uid=derived_uid(job.key, name), identifier=name)


def _measurement(quantity: Quantity, value: Measured) -> Measurement:
    uncertainty = value.standard_uncertainty
    properties = None
    if uncertainty is not None:
        rounded = round(uncertainty, quantity.decimals)
        properties = MeasurementProperties(
            upper_measurement_uncertainty=rounded, lower_measurement_uncertainty=rounded
        )
    return Measurement(
        name=codes.quantity(quantity.name),
        value=round(value.value, quantity.decimals),
        unit=codes.UNIT[value.unit],
        properties=properties,
    )


def _statement(statement: Statement) -> QualitativeEvaluation:
    if isinstance(statement.value, Abstained):
        reason = codes.REASON_VALUE[statement.value.reason]
        return QualitativeEvaluation(_withheld_name(statement.name), reason)
    return QualitativeEvaluation(
        codes.STATEMENT[statement.name], codes.STATEMENT_VALUE[statement.value]
    )


def _withheld_name(name: str) -> CodedConcept:
    return codes.WITHHELD.get(name, codes.WITHHELD_RADIOMICS)


def _referenced(
    job: Job, label: str | None, segmentation: Segmentation | None
) -> ReferencedSegment | None:
    """The segment by its label; none where the Segmentation object does not hold it."""
    if label is None or segmentation is None:
        return None
    for segment in segmentation.SegmentSequence:
        if segment.SegmentLabel == label:
            return ReferencedSegment(
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                segment_number=int(segment.SegmentNumber),
                source_series=SourceSeriesForSegmentation(job.series_instance_uid),
            )
    return None


def _comment(group: Group, sentences: tuple[str, ...]) -> None:
    group[0].ContentSequence.extend(
        TextContentItem(
            name=codes.COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS
        )
        for text in sentences
    )

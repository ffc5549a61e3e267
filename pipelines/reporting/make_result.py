"""Fill ``result.json`` from the result of one examination.

Takes  ExaminationResult
Gives  ResultDocument
Next   pipelines.run

The types are in `pipelines.reporting.result_document`, which the node imports without torch.
"""

from typing import Final

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.calibration import Calibration
from pipelines.contract.findings import Abstained, LumbarFindings, Measured, VertebraFindings
from pipelines.contract.job import Job
from pipelines.contract.reasons import EXPLANATION, Reason
from pipelines.contract.secondary_findings import MeasurementGroup, PipelineResult, Quantity
from pipelines.density.categories import interval
from pipelines.lumbar.examination import ExaminationResult
from pipelines.read.volume import CtVolume
from pipelines.reporting.equipment import INTENDED_USE, MODEL_NAME, software_version
from pipelines.reporting.result_document import (
    SCHEMA_VERSION,
    CodedReason,
    Mean,
    Model,
    ModelSet,
    ResultDocument,
    Secondary,
    SecondaryGroup,
    SecondaryQuantity,
    SecondaryStatement,
    Software,
    SourceSeriesSummary,
    Vertebra,
    Withheld,
)

DECIMALS: Final = 2


def make_result(job: Job, ct: CtVolume, result: ExaminationResult) -> ResultDocument:
    """Result of one job as a document."""
    findings = result.lumbar.findings
    has_density = isinstance(findings.mean_vbmd, Measured) or any(
        isinstance(row.vbmd, Measured) for row in findings.vertebrae
    )
    return ResultDocument(
        schema_version=SCHEMA_VERSION,
        intended_use=INTENDED_USE,
        software=Software(name=MODEL_NAME, version=software_version()),
        job_key=job.key,
        source=_source(job, ct),
        status=result.status,
        reasons=tuple(CodedReason(code=r, text=EXPLANATION[r]) for r in findings.reasons),
        vertebrae=tuple(_vertebra(row, findings.calibration) for row in findings.vertebrae),
        mean=_mean(findings),
        contrast_phase=findings.phase,
        calibration=findings.calibration.kind if has_density else None,
        calibration_standard=findings.calibration.standard if has_density else None,
        calibration_source=findings.calibration.source if has_density else None,
        model_set=ModelSet(
            version=job.model_set,
            models=tuple(
                Model(name=model.name, version=model.version, digest=model.digest)
                for model in result.models
            ),
        ),
        secondary=tuple(_secondary(one) for one in result.secondary),
    )


def _secondary(result: PipelineResult) -> Secondary:
    return Secondary(
        pipeline=result.pipeline,
        reported=result.has_content,
        reasons=tuple(CodedReason(code=r, text=EXPLANATION[r]) for r in result.reasons),
        groups=tuple(_group(group) for group in result.groups),
    )


def _group(group: MeasurementGroup) -> SecondaryGroup:
    return SecondaryGroup(
        label=group.label,
        site=_site_name(group.site),
        quantities=tuple(_quantity(one) for one in group.quantities),
        statements=tuple(
            SecondaryStatement(name=one.name, value=None, withheld_reason=one.value.reason)
            if isinstance(one.value, Abstained)
            else SecondaryStatement(name=one.name, value=one.value, withheld_reason=None)
            for one in group.statements
        ),
        sentences=group.sentences,
        segment=group.segment,
    )


def _quantity(quantity: Quantity) -> SecondaryQuantity:
    value = quantity.value
    if isinstance(value, Abstained):
        return SecondaryQuantity(
            name=quantity.name,
            value=None,
            unit=None,
            standard_uncertainty=None,
            withheld_reason=value.reason,
        )
    spread = value.standard_uncertainty
    return SecondaryQuantity(
        name=quantity.name,
        value=round(value.value, quantity.decimals),
        unit=value.unit,
        standard_uncertainty=None if spread is None else round(spread, quantity.decimals),
        withheld_reason=None,
    )


def _site_name(site: Level | Side | None) -> str | None:
    if site is None:
        return None
    return site.name if isinstance(site, Level) else site.value


def _source(job: Job, ct: CtVolume) -> SourceSeriesSummary:
    slices, rows, columns = ct.hu.shape
    spacing = ct.geometry.spacing_mm
    return SourceSeriesSummary(
        study_instance_uid=job.study_instance_uid,
        series_instance_uid=job.series_instance_uid,
        frame_of_reference_uid=ct.geometry.frame_of_reference_uid,
        slices=slices,
        rows=rows,
        columns=columns,
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        slice_thickness_mm=ct.header.slice_thickness_mm,
        kvp=ct.header.kvp,
        convolution_kernel=ct.header.convolution_kernel,
        contrast_agent=ct.header.contrast_agent,
    )


def _vertebra(row: VertebraFindings, calibration: Calibration) -> Vertebra:
    x, y, z = row.centroid_lps_mm
    return Vertebra(
        level=row.level.name,
        presumed=row.presumed,
        used=row.used,
        excluded_reason=row.excluded_reason,
        trabecular_hu_mean=_value(row.trabecular_attenuation),
        trabecular_hu_sd=_spread(row.trabecular_attenuation),
        roi_volume_mm3=_value(row.roi_volume),
        centroid_lps_mm=(round(x, DECIMALS), round(y, DECIMALS), round(z, DECIMALS)),
        vbmd_mg_cm3=_value(row.vbmd),
        vbmd_standard_uncertainty_mg_cm3=_uncertainty(row.vbmd),
        calibration=calibration.kind if isinstance(row.vbmd, Measured) else None,
        withheld=Withheld(
            trabecular_hu_mean=_reason(row.trabecular_attenuation),
            roi_volume_mm3=_reason(row.roi_volume),
            vbmd_mg_cm3=_reason(row.vbmd),
        ),
    )


def _mean(findings: LumbarFindings) -> Mean:
    return Mean(
        levels=tuple(row.level.name for row in findings.vertebrae if row.used),
        trabecular_hu_mean=_value(findings.mean_attenuation),
        trabecular_hu_sd=_spread(findings.mean_attenuation),
        vbmd_mg_cm3=_value(findings.mean_vbmd),
        vbmd_standard_uncertainty_mg_cm3=_uncertainty(findings.mean_vbmd),
        vbmd_interval_mg_cm3=_interval(findings.mean_vbmd),
        category=None if isinstance(findings.category, Abstained) else findings.category,
        category_withheld_reason=(
            findings.category.reason if isinstance(findings.category, Abstained) else None
        ),
        withheld_reason=_reason(findings.mean_attenuation),
        vbmd_withheld_reason=_reason(findings.mean_vbmd),
    )


def _value(value: Measured | Abstained) -> float | None:
    return round(value.value, DECIMALS) if isinstance(value, Measured) else None


def _spread(value: Measured | Abstained) -> float | None:
    if isinstance(value, Abstained) or value.standard_deviation is None:
        return None
    return round(value.standard_deviation, DECIMALS)


def _uncertainty(value: Measured | Abstained) -> float | None:
    if isinstance(value, Abstained) or value.standard_uncertainty is None:
        return None
    return round(value.standard_uncertainty, DECIMALS)


def _interval(value: Measured | Abstained) -> tuple[float, float] | None:
    if isinstance(value, Abstained):
        return None
    low, high = interval(value)
    return round(low, DECIMALS), round(high, DECIMALS)


def _reason(value: Measured | Abstained) -> Reason | None:
    return value.reason if isinstance(value, Abstained) else None

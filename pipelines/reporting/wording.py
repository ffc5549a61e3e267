"""Write the sentences of the report: headline, density, range, reasons.

Takes  ExaminationResult, AcquisitionHeader
Gives  str
Next   pipelines.reporting.sr_content

Not allowed: a diagnosis, a T-score, a prediction, advice on treatment, and the word normal for a
withheld value.
"""

from pipelines.contract.calibration import Calibration
from pipelines.contract.findings import (
    Abstained,
    DensityCategory,
    LumbarFindings,
    Measured,
    Status,
)
from pipelines.contract.reasons import EXPLANATION
from pipelines.density.categories import CUTS_MG_CM3, interval
from pipelines.lumbar.examination import ExaminationResult
from pipelines.read.volume import AcquisitionHeader

CATEGORY_SENTENCES = {
    DensityCategory.VERY_LOW: "Low trabecular bone density on CT, in the QCT range of osteoporosis "
    "(below 80 mg/cm3). Consider DXA (spine and hip) and clinical fracture-risk assessment (e.g. "
    "FRAX), and evaluation for secondary causes, if not already done.",
    DensityCategory.LOW: "Low bone density on CT (QCT range of osteopenia, 80 to 120 mg/cm3). "
    "Consider DXA/FRAX according to age and risk factors.",
    DensityCategory.NOT_LOW: "No CT evidence of low trabecular density (above 120 mg/cm3). Does "
    "not exclude osteoporosis or fracture risk.",
}
STATUS_WORDS = {
    Status.RESULT: "RESULT",
    Status.CAUTION: "RESULT WITH CAUTION",
    Status.NOT_REPORTED: "NOT REPORTED",
}


def headline(result: ExaminationResult, header: AcquisitionHeader) -> str:
    """Status and the main numbers in one paragraph."""
    findings = result.lumbar.findings
    parts = [f"{STATUS_WORDS[result.status]}."]
    used = [row for row in findings.vertebrae if row.used]
    if used:
        kvp = "tube voltage not stated" if header.kvp is None else f"{header.kvp:g} kV"
        levels = ", ".join(
            f"{row.level.name} {row.trabecular_attenuation.value:.0f} HU"
            for row in used
            if isinstance(row.trabecular_attenuation, Measured)
        )
        parts.append(f"Trabecular attenuation ({kvp}): {levels}.")
    if isinstance(findings.mean_attenuation, Measured):
        names = ", ".join(row.level.name for row in used)
        parts.append(f"Mean over {names}: {findings.mean_attenuation.value:.0f} HU.")
    if isinstance(findings.mean_vbmd, Measured):
        parts.append(density_sentence(findings.mean_vbmd, findings.calibration))
        parts += category_sentences(findings)
    return " ".join(parts)


def density_sentence(density: Measured, calibration: Calibration) -> str:
    """Density with its 95 % interval and the calibration."""
    low, high = interval(density)
    return (
        f"Estimated mean volumetric BMD {density.value:.0f} mg/cm3 (95 % interval "
        f"{low:.0f} to {high:.0f}; {calibration.source}; {calibration.standard} equivalent). "
        "This is not a DXA T-score."
    )


def category_sentences(findings: LumbarFindings) -> tuple[str, ...]:
    """The QCT range, the reason why there is none, or the limits that the interval includes."""
    category = findings.category
    if isinstance(category, Abstained):
        return (EXPLANATION[category.reason],)
    if category is not DensityCategory.INDETERMINATE:
        return (CATEGORY_SENTENCES[category],)
    if isinstance(findings.mean_vbmd, Abstained):
        return ()
    low, high = interval(findings.mean_vbmd)
    cuts = " and ".join(f"{cut:.0f}" for cut in CUTS_MG_CM3 if low < cut < high)
    return (f"Category indeterminate: the interval includes {cuts} mg/cm3.",)


def reason_sentences(findings: LumbarFindings) -> tuple[str, ...]:
    """One sentence per reason."""
    return tuple(EXPLANATION[reason] for reason in findings.reasons)

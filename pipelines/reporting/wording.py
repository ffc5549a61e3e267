"""The sentences of the report.

Takes  ExaminationFindings, AcquisitionHeader
Gives  str
Next   pipelines.reporting.sr

Forbidden here: a diagnosis, a T-score, a prediction, advice on treatment, and the word normal for
a withheld value.
"""

from pipelines.calibration import GENERIC, STANDARD
from pipelines.findings import ExaminationFindings, Measured, Status
from pipelines.reasons import EXPLANATION
from pipelines.volume import AcquisitionHeader

STATUS_WORDS = {
    Status.RESULT: "RESULT",
    Status.CAUTION: "RESULT WITH CAUTION",
    Status.NOT_REPORTED: "NOT REPORTED",
}


def headline(findings: ExaminationFindings, header: AcquisitionHeader) -> str:
    """Status and the main numbers in one paragraph."""
    parts = [f"{STATUS_WORDS[findings.status]}."]
    used = [row for row in findings.vertebrae if row.used]
    if findings.status != Status.NOT_REPORTED:
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
    return " ".join(parts)


def density_sentence(density: Measured, calibration: str) -> str:
    """Density with its 95 % interval and the kind of calibration."""
    spread = 1.96 * (density.standard_uncertainty or 0.0)
    kind = "generic conversion, not calibrated" if calibration == GENERIC else calibration
    return (
        f"Estimated mean volumetric BMD {density.value:.0f} mg/cm3 (95 % interval "
        f"{density.value - spread:.0f} to {density.value + spread:.0f}; {kind}; {STANDARD} "
        "equivalent). This is not a DXA T-score."
    )


def reason_sentences(findings: ExaminationFindings) -> tuple[str, ...]:
    """One sentence per reason."""
    return tuple(EXPLANATION[reason] for reason in findings.reasons)

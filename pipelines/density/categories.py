"""Assign the QCT range of trabecular density, as far as the interval of the estimate allows.

Takes  Measured
Gives  DensityCategory
Next   pipelines.lumbar.measure

Source
------
120 and 80 mg/cm3, mean of at least two vertebrae: ACR and ISCD 2007, Chinese QCT guideline. They
are for postmenopausal women and older men. The header does not state menopause, so they are applied
from 50 years. They are not WHO classes, and no T-score follows from them.
"""

from typing import Final

from pipelines.contract.findings import Abstained, ContrastPhase, DensityCategory, Measured
from pipelines.contract.reasons import Reason

LOW_MG_CM3: Final = 120.0
VERY_LOW_MG_CM3: Final = 80.0
CUTS_MG_CM3: Final = (VERY_LOW_MG_CM3, LOW_MG_CM3)
SCOPE_YEARS: Final = 50.0
NEAR_SHARE: Final = 0.05
NORMAL_QUANTILE: Final = 1.96


def categorize(
    density: Measured | Abstained,
    *,
    age_years: float | None,
    sex: str | None,
    phase: ContrastPhase,
) -> DensityCategory | Abstained:
    """Return the range of a mean density; ``INDETERMINATE`` where its 95 % interval spans a limit.

    Abstains
    --------
    ``AGE_OR_SEX_UNKNOWN``, ``NOT_IN_SCOPE``
        The ranges may not apply to this patient.
    ``NEAR_A_CUT``
        Within 5 % of a limit after contrast medium that is not corrected for.
    """
    if isinstance(density, Abstained):
        return density
    if age_years is None or sex not in {"F", "M"}:
        return Abstained(reason=Reason.AGE_OR_SEX_UNKNOWN)
    if age_years < SCOPE_YEARS:
        return Abstained(reason=Reason.NOT_IN_SCOPE)
    uncorrected = phase not in {ContrastPhase.NONE, ContrastPhase.PORTAL_VENOUS}
    if uncorrected and any(abs(density.value - cut) <= NEAR_SHARE * cut for cut in CUTS_MG_CM3):
        return Abstained(reason=Reason.NEAR_A_CUT)
    low, high = interval(density)
    if any(low < cut < high for cut in CUTS_MG_CM3):
        return DensityCategory.INDETERMINATE
    if density.value < VERY_LOW_MG_CM3:
        return DensityCategory.VERY_LOW
    return DensityCategory.LOW if density.value <= LOW_MG_CM3 else DensityCategory.NOT_LOW


def range_number(mg_cm3: float) -> int:
    """Range of a value without its interval: 0 above 120, 1 from 80 to 120, 2 below 80 mg/cm3."""
    return int(mg_cm3 <= LOW_MG_CM3) + int(mg_cm3 < VERY_LOW_MG_CM3)


def interval(density: Measured) -> tuple[float, float]:
    """Return the 95 % interval, mg/cm3; that of an estimate may lie below zero."""
    reach = NORMAL_QUANTILE * (density.standard_uncertainty or 0.0)
    return density.value - reach, density.value + reach

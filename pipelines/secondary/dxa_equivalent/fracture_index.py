"""Compute the fracture-association index of a vertebra, after the logistic model of study 1.

Takes  AcquisitionHeader, Measured
Gives  Measured
Next   pipelines.reporting.wording

The study fits case status (a present fracture elsewhere) on age, sex, body mass index and areal density.
The value measures similarity to cases. It does not predict a fracture and is an index, not a
probability (docs/domain.md A9). The coefficients are those of the model card ``fracture_index``.
"""

from dataclasses import dataclass
from typing import Final

from models.coefficients import LinearModel, linear_model
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.reasons import Reason
from pipelines.read.acquisition import AcquisitionHeader

MODEL: Final = "fracture_index"
INDEX_UNIT: Final = "1"
"""UCUM: no unit. The index lies between 0 and 1."""
SCOPE_YEARS: Final = (40.0, 90.0)
"""Outside it the index is withheld (docs/domain.md 4.4)."""
SEXES: Final = {"F": 1.0, "M": 0.0}
"""Patient's Sex (0010,0040) as the model takes it; other values count as unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Age, sex and body mass index of the patient; ``None`` means not stated.

    Parameters
    ----------
    sex
        Patient's Sex (0010,0040).
    """

    age_years: float | None
    sex: str | None
    bmi_kg_m2: float | None


def person_of(header: AcquisitionHeader) -> Person:
    """Read the person from the header; a missing value stays ``None``."""
    return Person(
        age_years=header.patient_age_years,
        sex=header.patient_sex,
        bmi_kg_m2=header.patient_bmi_kg_m2,
    )


def fracture_index(
    person: Person, abmd: Measured | Abstained, model: LinearModel | None = None
) -> Measured | Abstained:
    """Return the fracture-association index of one vertebra.

    Parameters
    ----------
    abmd
        Areal density of the vertebra, measured by DXA or its estimate from CT, g/cm2.
    model
        Default: the shipped one.

    Abstains
    --------
    ``AGE_OR_SEX_UNKNOWN``, ``BMI_UNKNOWN``
        An input is not stated; there are no defaults.
    ``FRACTURE_INDEX_NOT_IN_SCOPE``
        Age outside 40 to 90 years.
    The reason of ``abmd``
        If the density itself is withheld.

    Source
    ------
    Study 1, External Validation; docs/domain.md 1.A, 4.4.
    """
    if isinstance(abmd, Abstained):
        return abmd
    if person.age_years is None or person.sex not in SEXES:
        return Abstained(reason=Reason.AGE_OR_SEX_UNKNOWN)
    if not SCOPE_YEARS[0] <= person.age_years <= SCOPE_YEARS[1]:
        return Abstained(reason=Reason.FRACTURE_INDEX_NOT_IN_SCOPE)
    if person.bmi_kg_m2 is None:
        return Abstained(reason=Reason.BMI_UNKNOWN)
    values = {
        "age_years": person.age_years,
        "is_female": SEXES[person.sex],
        "bmi_kg_m2": person.bmi_kg_m2,
        "abmd_g_cm2": abmd.value,
    }
    formula = linear_model(MODEL) if model is None else model
    uncertainty = None
    if abmd.standard_uncertainty is not None:
        uncertainty = abs(formula.slope("abmd_g_cm2", values)) * abmd.standard_uncertainty
    return Measured(value=formula.value(values), unit=INDEX_UNIT, standard_uncertainty=uncertainty)

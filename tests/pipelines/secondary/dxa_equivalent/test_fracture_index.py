"""The fracture-association index: withheld if an input is missing, and not called a probability."""

import re

import pytest
from pydicom.dataset import Dataset

from models.coefficients import linear_model
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.reasons import Reason
from pipelines.read.acquisition import read_acquisition
from pipelines.secondary.dxa_equivalent.fracture_index import (
    MODEL,
    Person,
    fracture_index,
    person_of,
)
from pipelines.secondary.dxa_equivalent.report import SENTENCES

ABMD = Measured(value=0.8, unit="g/cm2", standard_uncertainty=0.05)


def person(**changed):
    return Person(**{"age_years": 70.0, "sex": "F", "bmi_kg_m2": 24.0, **changed})


@pytest.mark.parametrize(
    ("who", "density", "reason"),
    [
        (person(age_years=None), ABMD, Reason.AGE_OR_SEX_UNKNOWN),
        (person(sex=None), ABMD, Reason.AGE_OR_SEX_UNKNOWN),
        (person(sex="O"), ABMD, Reason.AGE_OR_SEX_UNKNOWN),
        (person(age_years=39.9), ABMD, Reason.FRACTURE_INDEX_NOT_IN_SCOPE),
        (person(age_years=90.1), ABMD, Reason.FRACTURE_INDEX_NOT_IN_SCOPE),
        (person(bmi_kg_m2=None), ABMD, Reason.BMI_UNKNOWN),
        (person(), Abstained(reason=Reason.METAL), Reason.METAL),
    ],
)
def test_the_index_is_withheld_with_its_reason(who, density, reason):
    assert fracture_index(who, density) == Abstained(reason=reason)


@pytest.mark.parametrize("age", [40.0, 90.0])
def test_the_scope_includes_its_ends(age):
    assert isinstance(fracture_index(person(age_years=age), ABMD), Measured)


def index(who, abmd):
    found = fracture_index(who, Measured(value=abmd, unit="g/cm2"))
    assert isinstance(found, Measured)
    return found.value


def test_the_index_rises_with_age_and_falls_with_density():
    """As in the study; the index lies between 0 and 1."""
    assert 0 < index(person(), 1.1) < index(person(), 0.9) < index(person(), 0.7) < 1
    assert index(person(age_years=50), 0.8) < index(person(age_years=80), 0.8)


def test_uncertainty_of_the_density_passes_on():
    """First order: the uncertainty is proportional, and equals half the change over both sides."""
    found = fracture_index(person(), ABMD)
    assert isinstance(found, Measured)
    assert found.standard_uncertainty is not None
    change = index(person(), 0.8 - 0.005) - index(person(), 0.8 + 0.005)
    assert found.standard_uncertainty == pytest.approx(change / 0.01 * 0.05, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "weight", "bmi"),
    [
        ("1.60", "64", 25.0),
        ("160", "64", None),  # centimetres
        ("1.60", "", None),
        ("", "64", None),
        ("1.60", "6400", None),
        ("0", "64", None),
    ],
)
def test_the_person_is_read_from_the_header(size, weight, bmi):
    header = Dataset()
    header.PatientAge, header.PatientSex = "071Y", "F"
    header.PatientSize, header.PatientWeight = size, weight
    found = person_of(read_acquisition([header]))
    assert (found.age_years, found.sex) == (71.0, "F")
    assert found.bmi_kg_m2 == (None if bmi is None else pytest.approx(bmi))


def test_the_shipped_model_takes_the_inputs_of_the_study():
    names = [term.name for term in linear_model(MODEL).terms]
    assert names == ["age_years", "is_female", "bmi_kg_m2", "abmd_g_cm2"]


def test_the_sentences_make_no_prediction():
    """docs/domain.md 4.2: no diagnosis, no T-score, no prediction, no advice."""
    text = " ".join(SENTENCES)
    assert re.search(r"predicts no|not predict|no prediction", text)
    assert not re.search(r"diagnos|T-score|risk|will |treat|normal", text)

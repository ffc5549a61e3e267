"""Formulas as data: checked content, no defaults."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.cards import card, model_cards
from models.coefficients import LinearModel, Term, linear_model
from models.errors import UnknownModel

FORMULA = LinearModel(
    outcome="a test",
    link="logit",
    intercept=0.5,
    terms=(
        Term(name="x", unit="1", coefficient=2.0, centre=1.0, scale=4.0),
        Term(name="y", unit="1", coefficient=-1.0),
    ),
)


def test_contributions_add_up_to_the_value():
    """2 (3 - 1) / 4 - 2 + 0.5 = -0.5."""
    values = {"x": 3.0, "y": 2.0}
    assert FORMULA.contributions(values) == {"x": 1.0, "y": -2.0}
    assert FORMULA.value(values) == pytest.approx(1 / (1 + math.exp(0.5)))
    assert FORMULA.model_copy(update={"link": "identity"}).value(values) == -0.5


def test_a_missing_input_is_not_replaced():
    with pytest.raises(KeyError, match="y"):
        FORMULA.value({"x": 3.0})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_logistic_value_stays_between_zero_and_one(x, y):
    assert 0 <= FORMULA.value({"x": x, "y": y}) <= 1


@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(["logit", "identity"]))
def test_the_slope_is_the_derivative(x, y, link):
    model = FORMULA.model_copy(update={"link": link})
    step = 1e-5
    by_steps = model.value({"x": x + step, "y": y}) - model.value({"x": x - step, "y": y})
    assert model.slope("x", {"x": x, "y": y}) == pytest.approx(by_steps / (2 * step), abs=1e-7)


@pytest.mark.parametrize("broken", [{"scale": 0.0}, {"coefficient": math.nan}, {"power": 2}])
def test_a_term_that_cannot_be_computed_is_refused(broken):
    with pytest.raises(ValidationError):
        Term.model_validate({"name": "x", "unit": "1", "coefficient": 1.0, **broken})


def test_shipped_coefficients_are_those_of_their_cards():
    """`linear_model` refuses any other content."""
    shipped = [one for one in model_cards() if one.kind == "coefficients"]
    assert shipped
    for one in shipped:
        assert linear_model(one.name).terms


def test_a_network_is_no_formula():
    with pytest.raises(UnknownModel, match="is a network"):
        linear_model("spine_3mm")
    assert card("spine_3mm").kind == "network"

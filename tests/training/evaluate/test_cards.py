"""The cards of the segmentation networks contain the figures of the last committed evaluation."""

import json
from pathlib import Path

import pytest

from models.cards import Metric, card
from training.evaluate.cards import ROWS_OF_NETWORK, figures_of, with_figures

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "segmentation.json"


def row(on, what, value=0.9):
    return {"on": on, "what": what, "value": value, "goal": "0.88", "n": 1}


@pytest.mark.parametrize("name", ROWS_OF_NETWORK)
def test_a_card_holds_the_committed_figures(name):
    """Run ``training.evaluate.cards`` after a new export or a new measurement of a network."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    found = figures_of(name, rows)
    assert found
    assert set(found) <= set(card(name).metrics)
    assert card(name) == with_figures(card(name), rows)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("lumbar levels rightly named, by place", "spine_3mm"),
        ("bodies called lumbar", "spine_3mm"),
        ("mean Dice body L1-L4", "vertebra_1mm"),
        ("Dice whole T12", "vertebra_1mm"),
        ("Dice vertebra trabecular core", "vertebra_1mm"),
        ("Dice femur left, head to lesser trochanter", "femur_1mm"),
        ("Dice femur in the crop", "femur_1mm"),
        ("Dice femur left, which holds metal, coarse", "hips_3mm"),
        ("Dice sacrum", "hips_3mm"),
        ("seconds", None),
        ("Dice chest DCNN", None),
    ],
)
def test_a_figure_goes_to_the_network_it_depends_on(what, name):
    assert {one for one in ROWS_OF_NETWORK if figures_of(one, [row("a CT", what)])} == (
        {name} - {None}
    )


def test_figures_on_other_data_stay():
    """Figures on the same CT are replaced, even if they have another name now."""
    held_out = Metric(on="simulated patches", what="Dice sacrum", value=0.7, n=24)
    stale = Metric(on="a CT", what="Dice femora", value=0.5, n=1)
    before = card("hips_3mm").model_copy(update={"metrics": (held_out, stale)})
    updated = with_figures(before, [row("a CT", "Dice sacrum")])
    assert updated.metrics == (held_out, Metric(on="a CT", what="Dice sacrum", value=0.9, n=1))

"""Result table, figures and published numbers that all four studies share."""

import json
import re

import numpy as np
import pytest

from training.statistics.confusion import class_counts
from training.statistics.estimate import Estimate
from training.statistics.recovery import integer_counts
from training.tables import figures, published
from training.tables.errata import ERRATA
from training.tables.published import STUDY_1, STUDY_2, STUDY_3, STUDY_4, Published
from training.tables.table import Run, StudyTable, row, write_table

ALL = {1: STUDY_1, 2: STUDY_2, 3: STUDY_3, 4: STUDY_4}
KEYS = ["metric", "published", "reproduced", "ci_low", "ci_high", "baseline", "n", "cohort"]


def estimate(value, low=0.1, high=0.9):
    return Estimate(value=value, standard_error=0.1, ci_low=low, ci_high=high, n=9)


@pytest.fixture
def table():
    return StudyTable(
        study="Study 1",
        run=Run(command="python -m x --out y", seed=3, device="cpu", duration_s=1.5),
        rows=[
            row(STUDY_1["r_test"], estimate(0.92345678), n=552, baseline=0.5),
            row("an unpublished figure", None, n=1, cohort="a hospital"),
            row("an undefined one", float("nan"), n=1),
        ],
        notes=["tuned to nothing"],
    )


def test_the_table_has_the_agreed_keys_and_its_run(table, tmp_path):
    write_table(table, tmp_path / "study1")
    found = json.loads((tmp_path / "study1" / "table.json").read_text("utf-8"))
    assert [list(one) for one in found["rows"]] == [KEYS] * 3
    assert found["rows"][0] == {
        "metric": "r predicted and DXA, test",
        "published": 0.934,
        "reproduced": 0.923457,
        "ci_low": 0.1,
        "ci_high": 0.9,
        "baseline": 0.5,
        "n": 552,
        "cohort": "virtual cohort",
    }
    assert found["rows"][2]["reproduced"] is None
    assert {"command", "seed", "device", "duration_s", "study", "notes"} < set(found)


def test_the_markdown_table_has_the_same_values(table, tmp_path):
    write_table(table, tmp_path)
    text = (tmp_path / "table.md").read_text("utf-8")
    assert "| 0.934 | 0.9235 (0.1 to 0.9) | 0.5 | 552 | virtual cohort |" in text
    assert "`python -m x --out y` (seed 3, cpu, 1.5 s)" in text
    assert "* tuned to nothing" in text


def test_every_figure_is_written_and_not_empty(tmp_path):
    draws = np.random.default_rng(0)
    reference = draws.normal(0.9, 0.14, 80)
    measured = reference + draws.normal(0, 0.05, 80)
    truth = (reference < 0.85).astype(int)
    probability = 1 / (1 + np.exp(20 * (measured - 0.85)))
    models = {"network": (truth, probability), "mean HU": (truth, draws.random(80))}
    figures.scatter(measured, reference, tmp_path / "scatter.png", quantity="aBMD, g/cm2")
    figures.bland_altman_plot(measured, reference, tmp_path / "ba.png", quantity="aBMD, g/cm2")
    figures.roc(models, tmp_path / "roc.png")
    figures.confusion(np.array([[5, 1], [2, 9]]), ("no", "yes"), tmp_path / "confusion.png")
    figures.calibration_plot(models, tmp_path / "calibration.png")
    figures.decision_curves(models, tmp_path / "decision.png")
    figures.violins({"a": measured, "b": reference}, tmp_path / "violin.png", quantity="g/cm2")
    sizes = {file.name: file.stat().st_size for file in tmp_path.glob("*.png")}
    assert len(sizes) == 7
    assert min(sizes.values()) > 4000


@pytest.mark.parametrize("study", ALL)
def test_published_figures_have_a_key_and_a_source(study):
    """Unique keys, a source for each, and a value inside its interval (except docs/domain.md C2)."""
    broken = {"auc_osteopenia_model2_validation"}
    for key, one in ALL[study].items():
        assert one.key == key
        assert one.source
        if one.ci_low is not None and one.ci_high is not None:
            assert (one.ci_low <= one.value <= one.ci_high) == (key not in broken)


def test_published_measures_of_study_4_come_from_whole_counts():
    """In training one specificity (214 of 220) is truncated, not rounded."""
    sizes = published.STUDY_4_SUBJECTS
    for model in (1, 2):
        for part in ("validation", "test"):
            classes = sizes[part]
            for name, size in zip(published.CLASSES, classes, strict=True):
                rest = sum(classes) - size
                for word, total in (("sensitivity", size), ("specificity", rest)):
                    value = STUDY_4[f"{word}_{name}_model{model}_{part}"].value
                    assert integer_counts(value, total), (model, part, name, word)


def test_recovered_matrices_reproduce_the_published_accuracies():
    for model, matrix in published.STUDY_4_CONFUSION.items():
        for name, one in zip(published.CLASSES, class_counts(matrix), strict=True):
            printed = STUDY_4[f"accuracy_{name}_model{model}_test"].value
            assert round(one.accuracy().value, 3) == printed


def test_every_erratum_has_the_printed_statement_and_the_finding():
    codes = [one.code for one in ERRATA]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-D]\d+", code) for code in codes)
    assert all(one.printed and one.finding for one in ERRATA)


def test_a_row_is_built_from_a_published_figure():
    found = row(Published(key="k", metric="m", value=1.0, source="Table 1"), 2.0, n=3)
    assert (found.published, found.reproduced, found.ci_low) == (1.0, 2.0, None)

"""R-score from a table of features: positive class, splits by patient, leakage."""

import csv
import json
import sys

import numpy as np
import pytest

from training.statistics.errors import UnusableSample
from training.study2.r_score import (
    leakage,
    main,
    read_features,
    run_split,
    selected,
    split_rows,
)

NAMES = [f"original_firstorder_f{i}" for i in range(6)]


def written(folder, *, patients=36, signal=2.5, own=1.5, seed=0):
    """Write vertebrae whose features depend a little on fracture and much on the patient."""
    draws = np.random.default_rng(seed)
    files = [folder / "first.csv", folder / "again.csv"]
    rows: list[list[dict[str, object]]] = [[], []]
    for patient in range(patients):
        fracture = int(patient % 2)
        person = draws.normal(0, own, 6)
        for level in ("L1", "L2", "L3"):
            true = (
                person + signal * fracture * np.array([1, 1, 0, 0, 0, 0]) + draws.normal(0, 0.3, 6)
            )
            t_score = -1.5 - 0.5 * fracture + draws.normal(0, 1)
            for part in rows:
                reading = true + draws.normal(0, [0.1, 0.1, 0.1, 0.1, 0.1, 9], 6)
                values = dict(zip(NAMES, reading.round(4), strict=True))
                keys = {"patient": f"P{patient}", "level": level}
                part.append(
                    {**keys, "is_fracture": fracture, "t_score": round(t_score, 2), **values}
                )
    for file, part in zip(files, rows, strict=True):
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(part[0]))
            writer.writeheader()
            writer.writerows(part[::-1] if file.name == "again.csv" else part)
    return files


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    first, again = written(tmp_path_factory.mktemp("features"))
    return read_features(first, [again])


def test_repeats_are_matched_by_patient_and_level(table):
    assert table.features.shape == (108, 6)
    assert table.repeats.shape == (108, 1, 6)
    assert np.abs(table.repeats[:, 0, 0] - table.features[:, 0]).max() < 1


@pytest.mark.parametrize("unit", ["vertebra", "patient"])
def test_a_split_selects_on_its_training_part(table, unit):
    scored = run_split(table, unit, seed=3, folds=3)
    assert len(scored.train) + len(scored.test) == 108
    shared = set(table.patient[scored.train]) & set(table.patient[scored.test])
    assert bool(shared) == (unit == "vertebra")
    assert not scored.chain["icc"].get_support()[5]
    assert set(selected(table, scored)) <= set(NAMES[:5])
    fracture = scored.r_score[table.is_fracture].mean()
    assert fracture > scored.r_score[~table.is_fracture].mean()


def test_rows_have_the_published_values(table):
    found = split_rows(table, run_split(table, "patient", seed=3, folds=3))
    by_name = {one.metric: one for one in found}
    area = by_name["AUC r-score, test, vertebrae"]
    assert area.published == 0.9144
    assert None not in (area.reproduced, area.ci_low, area.ci_high)
    assert area.baseline == by_name["AUC t-score, test, vertebrae"].reproduced
    assert by_name["r-score: sensitivity for fracture, test, %"].published == 74.1
    assert by_name["r-score: specificity for fracture, test, %"].published == 95.6
    assert by_name["features with ICC > 0.8"].reproduced == 5
    assert all(one.cohort == "virtual cohort, split by patient" for one in found)


def test_a_split_by_vertebra_inflates_the_auc(tmp_path):
    """No feature depends on fracture, all depend on the patient; only leakage raises the AUC above 0.5."""
    first, _ = written(tmp_path, patients=12, signal=0.0, own=3.0, seed=5)
    rows = leakage(read_features(first), splits=3, seed=1, folds=3)
    by_vertebra, by_patient, difference = (one.reproduced for one in rows)
    assert by_vertebra is not None
    assert by_patient is not None
    assert by_patient < 0.6
    assert by_vertebra > 0.8
    assert difference == pytest.approx(by_vertebra - by_patient, abs=1e-5)


def test_the_command_writes_table_and_pictures(tmp_path, monkeypatch, capsys):
    first, again = written(tmp_path)
    out = tmp_path / "out"
    arguments = ["--features", str(first), "--repeats", str(again), "--out", str(out)]
    options = ["--splits", "1", "--folds", "3", "--on", "a hospital"]
    monkeypatch.setattr(sys, "argv", ["study2_rscore", *arguments, *options])
    main()
    assert "| leakage: AUC split by vertebra minus by patient |" in capsys.readouterr().out
    found = json.loads((out / "table.json").read_text("utf-8"))
    assert {one["cohort"].split(",")[0] for one in found["rows"]} == {"a hospital"}
    assert len(list(out.glob("*.png"))) == 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("patient,level,is_fracture,t_score\nA,L1,1,0\n", "has columns"),
        ("patient,level,is_fracture,t_score,f\nA,L1,1,0,x\n", "a number"),
        ("patient,level,is_fracture,t_score,f\nA,L1,yes,0,1\n", "is_fracture"),
    ],
)
def test_the_error_for_an_unreadable_table_has_the_reason(tmp_path, text, why):
    file = tmp_path / "features.csv"
    file.write_text(text)
    with pytest.raises(UnusableSample, match=why):
        read_features(file)


def test_a_repeat_without_a_vertebra_is_refused(tmp_path):
    first, again = written(tmp_path, patients=4)
    again.write_text("\n".join(again.read_text().splitlines()[:-1]))
    with pytest.raises(UnusableSample, match="lacks 1 vertebrae"):
        read_features(first, [again])

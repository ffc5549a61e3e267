"""Three-class bone status of the femur from a table of features."""

import json
import sys

import numpy as np
import pytest

from training.statistics.errors import UnusableSample
from training.study3.femur_status import MEAN_HU, fit_models, main, mean_hu, part_rows, read_femora
from training.tables.published import CLASSES, STUDY_3


def written(folder, *, patients=90, part=None):
    """Write both femora of each patient; the first feature falls with the status."""
    draws = np.random.default_rng(0)
    names = [MEAN_HU, *(f"f{i}" for i in range(52))]
    lines = [",".join(["patient", "side", "status", *(["part"] if part else []), *names])]
    for patient in range(patients):
        status = patient % 3
        for side in "LR":
            values = draws.normal(0, 1, len(names)) - status * np.r_[1.5, 0.8, np.zeros(51)]
            keys = [f"P{patient}", side, CLASSES[status], *([part(patient)] if part else [])]
            lines.append(",".join([*keys, *(f"{value:.4f}" for value in values)]))
    file = folder / "femora.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_patients_are_split_in_the_proportions_of_the_study(tmp_path):
    table = read_femora(written(tmp_path))
    patients = {name: set(table.patient[rows]) for name, rows in table.parts.items()}
    assert not patients["train"] & patients["test"]
    assert not patients["train"] & patients["validation"]
    sizes = [len(patients[name]) for name in ("train", "validation", "test")]
    assert sizes == pytest.approx([90 * 248 / 456, 90 * 107 / 456, 90 * 101 / 456], abs=1.01)


def test_a_given_split_is_kept(tmp_path):
    by_date = ("train", "validation", "test")
    table = read_femora(written(tmp_path, part=lambda patient: by_date[patient // 30]))
    assert set(table.patient[table.parts["test"]]) == {f"P{i}" for i in range(60, 90)}


def test_a_patient_in_two_parts_is_refused(tmp_path):
    by_date = ("train", "validation", "test")
    file = written(tmp_path, part=lambda patient: by_date[patient // 30])
    lines = file.read_text().splitlines()
    lines[1] = lines[1].replace("train", "test")
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UnusableSample, match="P0 lies in two parts"):
        read_femora(file)


def test_rows_have_the_published_values_and_the_baseline(tmp_path):
    table = read_femora(written(tmp_path), cohort="a hospital")
    chain, baseline = fit_models(table, trees=30, seed=0)
    assert baseline is not None
    rows = part_rows(
        table,
        "test",
        chain.predict_proba(table.features),
        baseline.predict_proba(mean_hu(table)),
    )
    by_name = {one.metric: one for one in rows}
    area = by_name[STUDY_3["auc_osteoporosis_test"].metric]
    assert area.published == 0.960
    assert area.reproduced is not None
    assert area.baseline is not None
    assert area.reproduced > 0.8
    assert area.baseline > 0.7
    assert by_name[STUDY_3["sensitivity_normal_test"].metric].published == 0.846
    assert {one.cohort for one in rows} == {"a hospital"}
    assert len(rows) == 3 * 4 + 3


def test_the_command_writes_table_and_pictures(tmp_path, monkeypatch, capsys):
    file = written(tmp_path)
    arguments = ["--features", str(file), "--out", str(tmp_path / "out"), "--trees", "20"]
    monkeypatch.setattr(sys, "argv", ["study3_femur", *arguments])
    main()
    assert "| macro AUC, test |" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "table.json").read_text("utf-8"))
    assert len(found["rows"]) == 3 * 15
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


def test_an_unknown_status_is_refused(tmp_path):
    file = tmp_path / "femora.csv"
    file.write_text("patient,status,f\nA,fine,1\n")
    with pytest.raises(UnusableSample, match="status"):
        read_femora(file)

"""Study 1 from patients to rows: split, scans, training, predictions."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.anatomy import Level
from pipelines.vertebra_input import SHAPE
from training.checkpoint import STATE
from training.cohort.equipment import HELD_OUT, TRAINING
from training.lumbar.examples import Example, make_patient, read_examples
from training.lumbar.plan import LumbarCohort, plan_cohort
from training.lumbar.predict import baseline, predict
from training.lumbar.train import Config, augmented, train
from training.studies.study1_networks import bmd_rows, status_rows


@pytest.fixture(scope="module")
def cohort() -> LumbarCohort:
    return plan_cohort(60, seed=3)


@pytest.fixture(scope="module")
def scanned(cohort: LumbarCohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One training and one test patient."""
    folder = tmp_path_factory.mktemp("examples")
    for row in (int(np.argmin(cohort.is_test)), int(np.argmax(cohort.is_test))):
        make_patient(cohort, folder, row)
    return folder


def test_patients_are_split_seven_to_three_in_equal_shares() -> None:
    """As the study: by patient, with class, sex and age alike in both parts."""
    cohort = plan_cohort(460, seed=1)
    women = cohort.people.sex == "F"
    assert cohort.is_test.sum() == 138
    assert abs(women[cohort.is_test].mean() - women[~cohort.is_test].mean()) < 0.05
    ages = [cohort.people.age_years[part].mean() for part in (cohort.is_test, ~cohort.is_test)]
    assert abs(ages[0] - ages[1]) < 1.5


def test_test_patients_lie_in_scanners_that_training_never_saw(cohort: LumbarCohort) -> None:
    """Held out by generator, not only by seed."""
    rows = range(len(cohort.people))
    seen = {cohort.scanner(r).model.name for r in rows if not cohort.is_test[r]}
    held = {cohort.scanner(r).model.name for r in rows if cohort.is_test[r]}
    assert seen <= {model.name for model in TRAINING}
    assert held <= {model.name for model in HELD_OUT}
    assert all(cohort.scanner(r).kvp == 120 for r in rows)


def test_test_patients_have_skeletons_of_another_family(cohort: LumbarCohort) -> None:
    """Squareness of the bodies: what one part has, the other never has."""
    squareness: dict[bool, list[float]] = {False: [], True: []}
    for row in range(40):
        squareness[bool(cohort.is_test[row])].append(cohort.subject(row).form.body_exponent)
    assert min(squareness[True]) > max(squareness[False])


def test_a_scanned_vertebra_shows_its_core_in_the_middle(scanned: Path) -> None:
    """Shape of the study, the core inside, its mean that of the label."""
    examples = read_examples(scanned)
    assert len(examples) == 8
    assert {e.level for e in examples} == {Level.L1, Level.L2, Level.L3, Level.L4}
    for example in examples:
        hu, core = example.hu(), example.core()
        assert hu.shape == core.shape == SHAPE
        places = np.argwhere(core).mean(axis=0) - (np.array(SHAPE) - 1) / 2
        assert np.abs(places * (0.625, 0.4, 0.4)).max() < 8
        assert hu[core].mean() == pytest.approx(example.core_hu, abs=12)
        assert 0.4 < example.abmd_g_cm2 < 1.8
        assert example.status in (0, 1, 2)


def test_a_patient_that_is_done_is_not_scanned_again(cohort: LumbarCohort, scanned: Path) -> None:
    """After a stop the run goes on."""
    row = int(np.argmin(cohort.is_test))
    record = scanned / f"{row:05d}" / "patient.json"
    before = record.stat().st_mtime_ns
    make_patient(cohort, scanned, row)
    assert record.stat().st_mtime_ns == before


@pytest.mark.parametrize("task", ["bmd", "status"])
def test_training_learns_resumes_and_predicts(task, scanned: Path, tmp_path: Path) -> None:
    """At half the resolution: the loss of four vertebrae falls, a resumed run counts on."""
    config = Config(
        task=task, examples=scanned, out=tmp_path, epochs=4, batch=4, micro=4, stride=2, threads=1
    )
    train(config)
    train(replace(config, epochs=6, resume=True))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 7))
    losses = [line["loss"] for line in lines]
    assert np.isfinite(losses).all()
    if task == "status":  # the areal densities of one patient's levels are too much alike
        assert np.mean(losses[-3:]) < losses[0] - 0.05
    assert json.loads((tmp_path / STATE).read_text())["step"] == 6
    found = predict(read_examples(scanned), config)
    if task == "bmd":
        assert found.shape == (8,)
        assert np.isfinite(found).all()
    else:
        assert found.sum(axis=1) == pytest.approx(np.ones(8))


def test_augmentation_turns_in_the_plane_only() -> None:
    """A cylinder along the slices stays as it is; a slice keeps its place."""
    axis = (torch.arange(32) - 15.5) / 16
    hill = torch.exp(-4 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    image = hill.expand(8, 32, 32)[None, None].clone()
    image[:, :, 4:] *= 2
    found = augmented(image.expand(4, 1, 8, 32, 32), torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, image.expand_as(found), atol=0.03, rtol=0)


def test_augmentation_flips_and_turns_what_is_not_round() -> None:
    """A ramp along the columns is reversed in some and tilted in all, and stays a ramp."""
    ramp = torch.linspace(-1, 1, 32).expand(8, 32, 32)[None, None]
    found = augmented(ramp.expand(16, 1, 8, 32, 32), torch.Generator().manual_seed(2))
    middle = found[:, 0, 4, 8:24, 8:24]
    across = (middle[:, :, -1] - middle[:, :, 0]).mean(dim=1)
    down = (middle[:, -1] - middle[:, 0]).mean(dim=1)
    assert (across > 0).any()
    assert (across < 0).any()
    angles = torch.rad2deg(torch.atan2(down.abs(), across.abs()))
    assert angles.max() < 15.5
    assert angles.max() > 5


def made_up(count: int) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(
            folder=Path(),
            level=Level(Level.L1 + k),
            patient=p,
            is_test=True,
            abmd_g_cm2=float(rng.normal(0.9 - 0.12 * (p % 3), 0.05)),
            status=p % 3,
            core_hu=float(rng.normal(160 - 40 * (p % 3), 10)),
            vbmd_mg_cm3=100.0,
            age_years=60,
            sex="F",
            bmi_kg_m2=24.0,
        )
        for p in range(count)
        for k in range(4)
    ]


def test_perfect_predictions_make_a_perfect_table() -> None:
    """r = 1, no error, AUC = 1; the baseline stands beside them."""
    test = made_up(30)
    truth = np.array([e.abmd_g_cm2 for e in test])
    classes = np.eye(3)[[e.status for e in test]]
    plain_bmd, plain_status = baseline(made_up(30), test)
    rows = {r.metric: r for r in bmd_rows(test, truth, plain_bmd)}
    assert rows["r predicted and DXA, test"].reproduced == 1
    assert rows["r predicted and DXA, test"].published == 0.934
    assert rows["MAE, test, g/cm2"].reproduced == 0
    assert 0 < (rows["r predicted and DXA, test"].baseline or 0) < 1
    noisy = 0.98 * classes + 0.02 * np.random.default_rng(1).dirichlet(np.ones(3), len(test))
    areas = {r.metric: r for r in status_rows(test, noisy, plain_status)}
    assert areas["AUC osteoporosis, test, vertebrae"].reproduced == 1
    assert areas["accuracy"].reproduced == 1
    assert all(math.isfinite(r.reproduced or 0) for r in areas.values())

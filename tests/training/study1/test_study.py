"""Study 1 from patients to result rows: split, scans, training, predictions."""

import argparse
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.contract.anatomy import Level
from pipelines.secondary.dxa_equivalent.network_input import SHAPE, Normalization
from training.cohort.dxa.spine import scan_spine
from training.cohort.people.densitometry import DXA_LEVELS
from training.cohort.people.findings import Findings
from training.cohort.people.form import FAMILIES
from training.cohort.people.studies import SCENARIOS
from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.loop.checkpoint import STATE, WEIGHTS
from training.loop.precision import Precision
from training.study1.examples import Example, make_patient, read_examples
from training.study1.export import export, metrics_of
from training.study1.fracture_plan import (
    FractureCohort,
    artefact_g_cm2,
    plan_fracture_cohort,
)
from training.study1.hyperostosis import error_rows, table_of
from training.study1.networks import bmd_rows, normalization_rows, status_rows
from training.study1.normalization import trained_rows
from training.study1.osteophytes import plan_osteophytes
from training.study1.plan import LumbarCohort, plan_cohort
from training.study1.predict import baseline, predict
from training.study1.train import (
    Config,
    augmented,
    build,
    output_of,
    read_stride,
    take_features,
    train,
)


@pytest.fixture(scope="module")
def cohort() -> LumbarCohort:
    return plan_cohort(60, seed=3)


@pytest.fixture(scope="module")
def scanned(cohort: LumbarCohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one training and one test patient."""
    folder = tmp_path_factory.mktemp("examples")
    for row in (int(np.argmin(cohort.is_test)), int(np.argmax(cohort.is_test))):
        make_patient(cohort, folder, row)
    return folder


def test_patients_are_split_seven_to_three_in_equal_shares() -> None:
    """The split is by patient, as in the study; class, sex and age are alike in both parts."""
    cohort = plan_cohort(460, seed=1)
    women = cohort.people.sex == "F"
    assert cohort.is_test.sum() == 138
    assert abs(women[cohort.is_test].mean() - women[~cohort.is_test].mean()) < 0.05
    ages = [cohort.people.age_years[part].mean() for part in (cohort.is_test, ~cohort.is_test)]
    assert abs(ages[0] - ages[1]) < 1.5


def test_scanners_of_test_patients_are_not_in_the_training_part(cohort: LumbarCohort) -> None:
    """The test part differs by parameters of the simulation, not only by seed."""
    rows = range(len(cohort.people))
    seen = {cohort.scanner(r).model.name for r in rows if not cohort.is_test[r]}
    held = {cohort.scanner(r).model.name for r in rows if cohort.is_test[r]}
    assert seen <= {model.name for model in TRAINING}
    assert held <= {model.name for model in HELD_OUT}
    assert all(cohort.scanner(r).kvp == 120 for r in rows)


def test_test_patients_have_skeletons_of_another_family(cohort: LumbarCohort) -> None:
    """No training patient has the family of the test part."""
    rows = range(len(cohort.people))
    families = {
        part: {cohort.family(r) for r in rows if cohort.is_test[r] == part}
        for part in (True, False)
    }
    assert families == {True: {"common"}, False: {"stout", "slender"}}
    limits = FAMILIES["common"]["body_exponent"]
    squareness = [cohort.subject(r).form.body_exponent for r in rows if cohort.is_test[r]]
    assert limits[0] <= min(squareness)
    assert max(squareness) <= limits[1]


def test_a_family_does_not_predict_the_class(cohort: LumbarCohort) -> None:
    """Stout skeletons have thinner cortex, so DXA is close to the population table."""
    rows = range(len(cohort.people))
    for family in ("stout", "slender", "common"):
        row = next(r for r in rows if cohort.family(r) == family)
        scan = scan_spine(cohort.subject(row), precision_cv=0)
        expected = cohort.people.abmd_g_cm2[row].mean()
        assert scan.total.abmd_g_cm2 == pytest.approx(expected, abs=0.13)


def test_dense_and_sparse_spines_differ_in_dxa_as_in_the_population_table(
    cohort: LumbarCohort,
) -> None:
    """Without the cortex factor the difference would be two thirds of that in the population."""
    planned = cohort.people.abmd_g_cm2.mean(axis=1)
    order = [row for row in np.argsort(planned).tolist() if cohort.family(row) == "slender"]
    sparse, dense = order[:3], order[-3:]

    def difference(areal: Callable[[int], float]) -> float:
        return float(
            np.mean([areal(row) for row in dense]) - np.mean([areal(row) for row in sparse])
        )

    scanned = difference(lambda row: scan_spine(cohort.subject(row)).total.abmd_g_cm2)
    assert scanned / difference(lambda row: float(planned[row])) == pytest.approx(1.0, abs=0.2)


def test_a_scanned_vertebra_shows_its_core_in_the_middle(scanned: Path) -> None:
    """The crop has the study's shape, the core lies inside, and its mean is that of the label."""
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


def test_a_complete_patient_is_not_scanned_again(cohort: LumbarCohort, scanned: Path) -> None:
    """An interrupted run continues with the missing patients."""
    row = int(np.argmin(cohort.is_test))
    record = scanned / f"{row:05d}" / "patient.json"
    before = record.stat().st_mtime_ns
    make_patient(cohort, scanned, row)
    assert record.stat().st_mtime_ns == before


@pytest.mark.parametrize("task", ["bmd", "status"])
def test_training_learns_resumes_and_predicts(task, scanned: Path, tmp_path: Path) -> None:
    """At half the resolution the loss of four vertebrae falls, and a resumed run continues its count."""
    config = Config(
        task=task,
        examples=scanned,
        out=tmp_path,
        epochs=4,
        batch=4,
        micro=4,
        stride=(2, 2, 2),
        threads=1,
    )
    train(config)
    train(replace(config, epochs=6, resume=True))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 7))
    losses = [line["loss"] for line in lines]
    assert np.isfinite(losses).all()
    if task == "status":  # the areal densities of one patient's levels are too similar
        assert np.mean(losses[-3:]) < losses[0] - 0.05
    assert json.loads((tmp_path / STATE).read_text())["step"] == 6
    found = predict(read_examples(scanned), config)
    if task == "bmd":
        assert found.shape == (8,)
        assert np.isfinite(found).all()
    else:
        assert found.sum(axis=1) == pytest.approx(np.ones(8))


def test_augmentation_turns_in_the_plane_only() -> None:
    """A cylinder along the slices does not change; a slice keeps its position."""
    axis = (torch.arange(32) - 15.5) / 16
    hill = torch.exp(-4 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    image = hill.expand(8, 32, 32)[None, None].clone()
    image[:, :, 4:] *= 2
    found = augmented(image.expand(4, 1, 8, 32, 32), torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, image.expand_as(found), atol=0.03, rtol=0)


def test_augmentation_flips_and_rotates_a_ramp() -> None:
    """A ramp along the columns is reversed in some samples, tilted in all, and stays a ramp."""
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


def test_stretching_makes_a_vertebra_deeper_and_no_wider() -> None:
    """Rows are stretched, columns and slices not; the stretch precedes the rotation."""
    hill = (torch.linspace(-1, 1, 64).abs() < 0.5).float()
    block = (hill[:, None] * hill).expand(8, 64, 64)[None, None]
    depth = torch.full((12,), 1.25)
    found = augmented(block.expand(12, 1, 8, 64, 64), torch.Generator().manual_seed(3), depth)
    volume = found.sum(dim=(1, 2, 3, 4)) / block.sum()
    torch.testing.assert_close(volume, depth, atol=0.04, rtol=0)


def test_early_layers_in_bfloat16_give_nearly_the_same_output() -> None:
    """The same network runs with and without bfloat16; all gradients are finite."""
    torch.manual_seed(0)
    network = build("bmd").eval()
    image = torch.rand(4, 1, 32, 32, 32)
    early = Precision.EARLY_BFLOAT16
    found = output_of(network, image, "cpu", early)
    torch.testing.assert_close(found, network(image), atol=0.02, rtol=0)
    output_of(network.train(), image, "cpu", early).square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_the_second_network_starts_from_the_features_of_the_first(tmp_path: Path) -> None:
    """All layers except the last are copied."""
    first, second = build("bmd"), build("status")
    save_file(first.state_dict(), tmp_path / WEIGHTS)
    take_features(second, tmp_path)
    torch.testing.assert_close(
        second.get_parameter("features.conv0.weight"), first.get_parameter("features.conv0.weight")
    )
    assert second.get_parameter("class_layers.out.weight").shape == (3, 1024)


@pytest.mark.parametrize(("text", "stride"), [("2", (2, 2, 2)), ("2,4,4", (2, 4, 4))])
def test_a_stride_is_one_number_or_three(text: str, stride: tuple[int, int, int]) -> None:
    assert read_stride(text) == stride


@pytest.mark.parametrize("text", ["0", "2,4"])
def test_other_strides_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="one or three"):
        read_stride(text)


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
            spine_t_score=-1.5 * (p % 3),
            core_hu=float(rng.normal(160 - 40 * (p % 3), 10)),
            vbmd_mg_cm3=100.0,
            age_years=60,
            sex="F",
            bmi_kg_m2=24.0,
            simulated=True,
        )
        for p in range(count)
        for k in range(4)
    ]


@pytest.fixture(scope="module")
def paper_like() -> FractureCohort:
    return plan_fracture_cohort(SCENARIOS["paper-like"], seed=1)


def test_the_fracture_cohort_has_the_published_size(paper_like: FractureCohort) -> None:
    """It has 30 fracture patients without hyperostosis, and 30 controls and 41 cases with it."""
    groups, counts = np.unique(paper_like.people.group, return_counts=True)
    assert dict(zip(groups.tolist(), counts.tolist(), strict=True)) == {
        "fracture": 30,
        "hyperostotic control": 30,
        "hyperostotic fracture": 41,
    }
    cases = paper_like.people.is_case
    assert cases.sum() == 71
    added = artefact_g_cm2(paper_like.people)
    for name, mean in (("fracture", 0), ("hyperostotic control", 0.08)):
        mine = paper_like.people.group == name
        assert added[mine].mean() == pytest.approx(mean, abs=0.07)
    for row in np.flatnonzero(paper_like.people.group == "fracture"):
        assert not paper_like.subject(int(row)).findings.levels


def test_painted_osteophytes_add_the_artefact_of_the_scenario(paper_like: FractureCohort) -> None:
    """Simulated DXA of one case is compared with and without them."""
    added = artefact_g_cm2(paper_like.people)
    row = int(np.argmin(np.abs(added - 0.3)))
    subject = paper_like.subject(row)
    bare = replace(subject, findings=Findings())
    with_lips, without = (scan_spine(one, precision_cv=0) for one in (subject, bare))
    difference = with_lips.total.abmd_g_cm2 - without.total.abmd_g_cm2
    assert difference == pytest.approx(added[row], abs=0.1)


def test_osteophytes_are_in_the_scan_but_not_in_the_label() -> None:
    """Every training patient has osteophytes of up to 12 mm at L1 to L4; the label is without them."""
    cohort = plan_osteophytes(12)
    assert not cohort.is_test.any()
    assert {cohort.family(row) for row in range(12)} == {"stout", "slender"}
    lips = np.array(
        [
            [cohort.subject(row).findings.at(level).osteophyte_mm for level in DXA_LEVELS]
            for row in range(12)
        ]
    )
    assert lips.min() >= 0
    assert lips.max() <= 12
    assert (lips.mean(axis=1) > 4).sum() >= 4
    for row in range(12):
        assert not cohort.labelled(row).findings.levels
        assert cohort.labelled(row).seed == cohort.subject(row).seed


def test_group_b_on_images_is_scored_with_both_densities() -> None:
    """Areal density is that of DXA or of the network; the rows contain the difference."""
    examples = made_up(40)
    is_case = np.array([one.patient % 2 == 1 for one in examples])
    dxa = np.array([one.abmd_g_cm2 for one in examples])
    table = table_of(examples, is_case)
    assert table.inputs[:, 3] == pytest.approx(dxa)
    assert table.inputs[0].tolist()[:3] == [60, 1.0, 24.0]
    other = table_of(examples, is_case, dxa - 0.3, first=1000)
    assert other.inputs[:, 3] == pytest.approx(dxa - 0.3)
    assert not set(other.patient) & set(table.patient)
    group = np.where(is_case, "hyperostotic fracture", "hyperostotic control")
    rows = error_rows(np.where(is_case, dxa - 0.3, dxa), dxa, group, "made up")
    found = {row.metric: row.reproduced for row in rows}
    assert found["network minus DXA, hyperostotic fracture, g/cm2"] == pytest.approx(-0.3)
    assert found["network minus DXA, hyperostotic control, g/cm2"] == pytest.approx(0)


def test_perfect_predictions_make_a_perfect_table() -> None:
    """r is 1, errors are 0, AUC is 1; the rows also have the baseline."""
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


def test_one_window_keeps_the_density_that_minmax_removes(scanned: Path) -> None:
    """The mean over the core correlates with DXA as the mean HU does only with the fixed window."""
    examples = read_examples(scanned)
    found = {row.metric: row.reproduced for row in normalization_rows(examples)}
    hu = np.array([e.core_hu for e in examples])
    plain = np.corrcoef(hu, [e.abmd_g_cm2 for e in examples])[0, 1]
    name = "r of the mean over the core and DXA, {}, no network"
    assert found[name.format("fixed_window")] == pytest.approx(plain, abs=0.05)
    assert len(found) == 3


def test_normalisations_are_compared_by_their_loss_of_correlation() -> None:
    """For predictions of DXA, DXA with noise, and noise alone, r falls in that order."""
    test = made_up(30)
    truth = np.array([e.abmd_g_cm2 for e in test])
    noise = np.random.default_rng(1).normal(0, truth.std(), len(test))
    predicted = {
        Normalization.FIXED_WINDOW: truth,
        Normalization.CROP_MINMAX: truth + noise,
        Normalization.MASKED_MINMAX: noise,
    }
    rows = {row.metric: row for row in trained_rows(test, predicted, truth)}
    assert rows["r, fixed_window"].reproduced == 1
    assert rows["MAE, g/cm2, fixed_window"].reproduced == 0
    lost = [rows[f"r of fixed_window less r of {one}"] for one in ("crop_minmax", "masked_minmax")]
    assert 0 < (lost[0].ci_low or 0) < (lost[0].reproduced or 0) < (lost[1].reproduced or 0)
    assert lost[1].reproduced == pytest.approx(1, abs=0.3)


def test_a_card_has_the_results_of_its_network(scanned: Path, tmp_path: Path) -> None:
    """Weights in half precision predict nearly the same; the card has digest and rows of the table."""
    config = Config(
        task="bmd", examples=scanned, out=tmp_path, epochs=1, batch=4, micro=4,
        stride=(2, 4, 4), threads=1,
    )  # fmt: skip
    train(config)
    rows = [
        {"metric": "MAE, test, g/cm2", "reproduced": 0.04, "n": 8, "cohort": "virtual"},
        {"metric": "AUC normal, test", "reproduced": 0.9, "n": 8, "cohort": "virtual"},
    ]
    card = export("bmd", tmp_path, "0.0.1", metrics_of("bmd", {"rows": rows}), tmp_path)
    assert [metric.what for metric in card.metrics] == ["MAE, test, g/cm2"]
    assert hashlib.sha256((tmp_path / card.file).read_bytes()).hexdigest() == card.sha256
    assert "virtual" in card.training_data
    whole, half = build("bmd").eval(), build("bmd").eval()
    whole.load_state_dict(load_file(tmp_path / WEIGHTS))
    half.load_state_dict({k: v.float() for k, v in load_file(tmp_path / card.file).items()})
    image = torch.rand(2, 1, 32, 32, 32)
    torch.testing.assert_close(half(image), whole(image), atol=0.005, rtol=0)

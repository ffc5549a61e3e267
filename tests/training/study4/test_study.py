"""Cohort and trainer of study 4: classes, parts, slices, resumed runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.contract.anatomy import Level
from training.cohort.people.form import HELD_OUT_FAMILY
from training.cohort.scan.equipment import HELD_OUT
from training.study4.evaluate import outline_rows
from training.study4.examples import make_subjects, read_subjects
from training.study4.plan import Part, plan_cohort, qct_class
from training.study4.predict import classify_all, load_network, outline_all
from training.study4.train import Config, build, slice_batch, train


def test_classes_are_those_of_the_study() -> None:
    """Above 120 is normal, 80 to 120 with both ends osteopenia, below 80 osteoporosis."""
    density = np.array([120.1, 120.0, 100.0, 80.0, 79.9])

    assert qct_class(density).tolist() == [0, 1, 1, 1, 2]


def test_parts_have_the_study_s_sizes_and_classes() -> None:
    """They have 530, 100 and 418 subjects with equal class shares; only test subjects are held out."""
    cohort = plan_cohort()

    sizes = [int((cohort.part == part).sum()) for part in Part]
    assert sizes == [530, 100, 418]
    status = qct_class(cohort.people.qct_vbmd_mg_cm3)
    shares = [np.bincount(status[cohort.part == part], minlength=3) for part in Part]
    for part in shares:
        assert np.allclose(part / part.sum(), np.bincount(status) / len(status), atol=0.02)
    test = int(np.flatnonzero(cohort.part == Part.TEST)[0])
    known = int(np.flatnonzero(cohort.part == Part.TRAINING)[0])
    assert cohort.scanner(test).model in HELD_OUT
    assert cohort.scanner(known).model not in HELD_OUT
    assert HELD_OUT_FAMILY == "stout"


def test_subjects_have_nothing_that_the_study_excluded() -> None:
    cohort = plan_cohort()

    for row in range(0, 200, 10):
        for level in (Level.L1, Level.L2):
            found = cohort.subject(row).findings.at(level)
            assert not found.fracture
            assert not found.screws
            assert found.cement_ml == 0
            assert found.kellgren_lawrence <= 3


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chest") / "examples"
    make_subjects(plan_cohort((6, 3, 3), 2), folder)
    return folder


def test_the_mask_of_a_slice_is_the_trabecular_area(examples: Path) -> None:
    """Denser subjects have higher HU in the true area, which is as large as a body's core."""
    subjects = read_subjects(examples)

    assert len(subjects) == 12
    means = [float(one.hu(Level.L1)[one.core(Level.L1)].mean()) for one in subjects]
    density = [one.vbmd_mg_cm3 for one in subjects]
    assert np.corrcoef(means, density)[0, 1] > 0.95
    for one in subjects:
        area = one.core(Level.L2).sum() * one.pixel_mm**2
        assert 500 < area < 2000
    before = (examples / "00000" / "subject.json").stat().st_mtime_ns
    make_subjects(plan_cohort((6, 3, 3), 2), examples)
    assert (examples / "00000" / "subject.json").stat().st_mtime_ns == before


def test_augmentation_moves_slice_and_mask_together() -> None:
    """A bright square and its mask coincide after flip, rotation and shift."""
    hu = torch.zeros(4, 1, 192, 192, dtype=torch.int16)
    hu[:, :, 80:110, 85:120] = 400
    masks = hu > 0
    generator = torch.Generator().manual_seed(1)

    image, target = slice_batch(hu, masks, generator)
    assert image.shape == target.shape == (4, 1, 128, 128)
    bright = image > 0.6
    both = (bright & (target > 0.5)).sum((1, 2, 3))
    assert torch.all(2 * both / (bright.sum((1, 2, 3)) + target.sum((1, 2, 3))) > 0.9)


def test_a_stopped_run_resumes_and_predicts(examples: Path, tmp_path: Path) -> None:
    """Steps continue after a resumption; the saved weights give masks and probabilities."""
    out = tmp_path / "dcnn"
    train(Config(task="dcnn", examples=examples, out=out, steps=1, batch=2))
    again = train(Config(task="dcnn", examples=examples, out=out, steps=1, batch=2, resume=True))
    assert again.step == 2
    assert json.loads((out / "state.json").read_text("utf-8"))["step"] == 2
    single = tmp_path / "single"
    train(Config(task="single", examples=examples, out=single, steps=1, batch=2))

    test = read_subjects(examples, [Part.TEST])
    regions = outline_all(test, load_network(out))
    assert len(regions) == 2 * len(test)
    assert all(0 <= one.dice <= 1 for one in regions)
    shares = classify_all(regions, load_network(single), "single")
    assert shares.shape == (3, 3)
    assert np.allclose(shares.sum(axis=1), 1)


@pytest.mark.parametrize(("task", "channels"), [("fusion", 2), ("single", 1)])
def test_classifiers_have_one_input_channel_per_level(task: str, channels: int) -> None:
    network = build(task).eval()  # type: ignore[arg-type]

    with torch.inference_mode():
        assert network(torch.zeros(1, channels, 96, 96)).shape == (1, 3)


def test_the_error_for_missing_examples_has_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.study4\.examples"):
        train(Config(task="dcnn", examples=tmp_path, out=tmp_path / "run", steps=1))


def test_the_shipped_dcnn_outlines_test_subjects() -> None:
    """The registered weights reach study 4's Dice on slices of the test part."""
    (row,) = outline_rows(2)

    assert (row.what, row.n) == ("Dice chest DCNN", 4)
    assert row.value >= 0.951

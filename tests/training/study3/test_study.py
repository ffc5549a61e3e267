"""Virtual cohort of study 3: its scanners, the inclusion of candidates, and the example of one hip."""

from types import MappingProxyType

import numpy as np
import pytest

from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.study3.examples import (
    NETWORK,
    READER,
    Example,
    _taken,
    make_example,
    measure_dxa,
    read_examples,
)
from training.study3.plan import TEST_SLICE_MM, candidate
from training.study3.study import femora_of


def test_the_scanner_of_the_test_part_is_in_no_other_part():
    """The test part has the slice thickness of the study."""
    for number in range(6):
        test, train = candidate("test", number), candidate("train", number)
        assert test.scanner.model in HELD_OUT
        assert test.scanner.slice_thickness_mm == TEST_SLICE_MM
        assert train.scanner.model in TRAINING
        assert test.subject.form.body_exponent > train.subject.form.body_exponent
        assert test.subject.seed != train.subject.seed


def test_the_same_candidate_is_the_same_patient():
    assert candidate("validation", 3) == candidate("validation", 3)


def test_a_part_includes_candidates_in_order_until_each_class_is_complete(tmp_path):
    """Candidates of a complete class are skipped; batch size does not change the result."""
    statuses = np.random.default_rng(2).integers(0, 3, 200)

    def scanned(_, batch):
        return [int(statuses[number]) for number in batch]

    found = [
        [one for batch in _taken(tmp_path, 1, "train", (4, 2, 3), scanned, size) for one in batch]
        for size in (1, 7)
    ]
    assert found[0] == found[1] == sorted(found[0])
    assert np.bincount(statuses[found[0]]).tolist() == [4, 2, 3]
    for number in range(found[0][-1]):
        if number not in found[0]:
            before = [one for one in found[0] if one < number]
            full = np.bincount(statuses[before], minlength=3)[statuses[number]]
            assert full == (4, 2, 3)[statuses[number]]


def example(number, outlines, part="train"):
    return Example(
        part=part,
        number=number,
        side="left",
        status=number % 3,
        age_years=70,
        sex="F",
        t_score=-1.0,
        features=MappingProxyType({name: {"a": value} for name, value in outlines.items()}),
        withheld=None,
        dice=None,
        volume_difference_cm3=None,
    )


def test_a_femur_without_an_outline_is_excluded():
    """The network's outline has priority; a withheld one has no features."""
    given = [
        example(0, {NETWORK: 1.0, READER: 2.0}),
        example(1, {READER: 3.0}, part="test"),
        example(2, {}),
    ]
    table = femora_of(given, (NETWORK, READER))
    assert table.features[:, 0].tolist() == [1.0, 3.0]
    assert table.parts["train"].tolist() == [0]
    assert table.parts["test"].tolist() == [1]


def test_one_hip_is_scanned_outlined_and_measured_once(tmp_path):
    """Network and reader outline the same bone; existing files are kept."""
    assert measure_dxa(tmp_path, 1, "test", 0) in {0, 1, 2}
    make_example(tmp_path, 1, "test", 0)
    (found,) = read_examples(tmp_path)
    assert found.dice is not None
    assert found.dice > 0.95
    assert {len(values) for values in found.features.values()} == {1184}
    means = [values["original_firstorder_Mean"] for values in found.features.values()]
    assert means[0] == pytest.approx(means[1], abs=25)
    file = next((tmp_path / "test").glob("?????.json"))
    before = file.stat().st_mtime_ns
    make_example(tmp_path, 1, "test", 0)
    assert file.stat().st_mtime_ns == before

"""Splits never divide a patient, and keep the shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics.errors import UnusableSample
from training.statistics.splits import balanced_split, repeated_splits


def test_study_1_split_has_the_published_class_counts():
    """460 patients (169, 190 and 101 per class): 322 in training, 138 in test (51, 57 and 30)."""
    classes = np.repeat([0, 1, 2], [169, 190, 101])
    age = np.random.default_rng(0).normal(55, 12, (460, 1))
    split = balanced_split(classes, age, candidates=5)
    assert (len(split.train), len(split.test)) == (322, 138)
    assert np.bincount(classes[split.test]).tolist() == [51, 57, 30]


def test_more_candidates_improve_the_balance():
    draws = np.random.default_rng(1)
    covariates, strata = draws.normal(size=(120, 4)), draws.integers(0, 2, (120, 2))
    one = balanced_split(strata, covariates, candidates=1, seed=3)
    many = balanced_split(strata, covariates, candidates=200, seed=3)
    assert many.largest_difference < one.largest_difference
    assert sorted([*many.train, *many.test]) == list(range(120))
    assert np.array_equal(
        many.test, balanced_split(strata, covariates, candidates=200, seed=3).test
    )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_split_with_an_empty_part_is_refused(share):
    with pytest.raises(UnusableSample):
        balanced_split(np.zeros(20), np.zeros((20, 1)), test_share=share)


@given(st.lists(st.integers(1, 4), min_size=20, max_size=40), st.integers(0, 99))
def test_repeated_splits_keep_patients_whole(levels, seed):
    patients = np.repeat(np.arange(len(levels)), levels)
    positive = patients % 4 == 0
    for train, test in repeated_splits(patients, positive, repeats=3, seed=seed):
        assert not set(patients[train]) & set(patients[test])
        assert len(train) + len(test) == len(patients)
        assert positive[test].any()

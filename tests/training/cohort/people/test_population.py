"""Drawn people agree with published strata, scenarios and shares within sampling error."""

import csv
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.cohort.errors import BadCohortConfig
from training.cohort.people.densitometry import (
    NHANES_III,
    hyperostosis,
    qct_class,
    t_score,
    total_hip_mean,
    who_class,
)
from training.cohort.people.population import LEVELS, draw_population, seeds_of
from training.cohort.people.strata import (
    COUNTS,
    EDGES_YEARS,
    MEANS_MG_CM3,
    SDS_MG_CM3,
    density_curve,
)
from training.cohort.people.studies import study_groups
from training.cohort.people.subject import draw_subject, subject_of
from training.cohort.people.table import columns, write_table

ROOT = Path(__file__).parents[4]

# Study 4, Table 1: mean and SD over all 1048; class shares of normal strata with these numbers
# (docs/domain.md 1.C and 3.2). The study's own counts give 59.3, 28.2 and 12.5 %.
MEAN, SD = 130.3, 42.9
SHARES = (0.609, 0.258, 0.133)
REPORTED_SHARES = (0.593, 0.282, 0.125)


@pytest.fixture(scope="module")
def chest():
    """Twenty times as many people as in the study."""
    return draw_population(seeds_of(1, 20 * 1048), study_groups("chest"))


def test_the_chest_cohort_has_the_published_mean_and_spread(chest):
    """Three standard errors of a mean and of a standard deviation, and 0.3 for the floor."""
    n, vbmd = len(chest), chest.qct_vbmd_mg_cm3
    assert vbmd.mean() == pytest.approx(MEAN, abs=3 * SD / np.sqrt(n) + 0.3)
    assert vbmd.std() == pytest.approx(SD, abs=3 * SD / np.sqrt(2 * n) + 0.3)


def test_the_chest_cohort_has_the_class_shares_of_its_strata(chest):
    """Three standard errors, and 0.7 % because density also decreases within a decade."""
    n = len(chest)
    found = np.bincount(qct_class(chest.qct_vbmd_mg_cm3)) / n
    for share, expected in zip(found, SHARES, strict=True):
        assert share == pytest.approx(
            expected, abs=3 * np.sqrt(expected * (1 - expected) / n) + 7e-3
        )


def test_a_cohort_of_the_published_size_agrees_with_the_reported_counts():
    """At n = 1048 the strata do not differ significantly from the reported 621, 296 and 131."""
    people = draw_population(seeds_of(2, 1048), study_groups("chest"))
    found = np.bincount(qct_class(people.qct_vbmd_mg_cm3)) / 1048
    for share, expected in zip(found, REPORTED_SHARES, strict=True):
        assert share == pytest.approx(expected, abs=3.3 * np.sqrt(expected * (1 - expected) / 1048))


@pytest.mark.parametrize("sex", ["M", "F"])
def test_every_decade_has_its_published_mean_and_spread(chest, sex):
    """Table 1, in every stratum with at least 200 drawn people."""
    for stratum, (low, high) in enumerate(pairwise(EDGES_YEARS)):
        mine = (chest.sex == sex) & (chest.age_years >= low) & (chest.age_years < high)
        if mine.sum() < 200:
            continue
        vbmd = chest.qct_vbmd_mg_cm3[mine]
        sd = SDS_MG_CM3[sex][stratum]
        error = sd / np.sqrt(mine.sum())
        assert vbmd.mean() == pytest.approx(MEANS_MG_CM3[sex][stratum], abs=3.5 * error + 0.7)
        assert vbmd.std() == pytest.approx(sd, abs=3.5 * error + 0.7)
        expected = COUNTS[sex][stratum] / 1048
        assert mine.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / len(chest)))


def test_density_is_continuous_in_age():
    """No step at a birthday."""
    for sex in "MF":
        means = density_curve(sex).means[18:90]
        assert np.abs(np.diff(means)).max() < 5


def test_levels_differ_as_specified(chest):
    """L1 to L4: +3, 0, -2, +1 mg/cm3; T12 +5, L5 +2."""
    place = {level: LEVELS.index(level) for level in LEVELS}
    offset = chest.vbmd_mg_cm3.mean(axis=0) - chest.vbmd_mg_cm3[:, place[Level.L2]].mean()
    for level, expected in (("L1", 3), ("L3", -2), ("L4", 1), ("T12", 5), ("L5", 2)):
        assert offset[place[Level[level]]] == pytest.approx(expected, abs=0.25)


def test_a_person_is_the_same_in_any_table():
    """A row depends only on its seed."""
    seeds = seeds_of(5, 50)
    all_rows = columns(draw_population(seeds, study_groups("femur")))
    some_rows = columns(draw_population(seeds[20:30], study_groups("femur")))
    for name, values in some_rows.items():
        np.testing.assert_array_equal(values, all_rows[name][20:30])


@pytest.mark.parametrize("study", ["lumbar", "chest", "ovcf", "femur"])
def test_a_subject_equals_its_row_of_the_table(study):
    """``draw_subject`` and ``draw_population`` have the same numbers."""
    people = draw_population(np.array([77]), study_groups(study))
    subject = draw_subject(77, study=study, with_findings=True)
    assert subject.sex == people.sex[0]
    assert subject.age_years == people.age_years[0]
    np.testing.assert_allclose(list(subject.vbmd_mg_cm3.values()), people.vbmd_mg_cm3[0], atol=0.05)
    grades = [subject.findings.at(level).kellgren_lawrence for level in LEVELS[-5:-1]]
    assert grades == people.spondylosis[0].tolist()
    assert subject_of(people, 0).age_years == subject.age_years


def test_hip_and_spine_are_correlated():
    """Latent correlation 0.65 at one age and sex; three standard errors."""
    people = draw_population(seeds_of(6, 4000), study_groups("chest"))
    hip = people.total_hip_g_cm2 - total_hip_mean(people.sex, people.age_years.astype(float))
    mean, sd = np.array(
        [density_curve(s).at(a) for s, a in zip(people.sex, people.age_years, strict=True)]
    ).T
    spine = (people.qct_vbmd_mg_cm3 - mean) / sd
    assert np.corrcoef(hip, spine)[0, 1] == pytest.approx(0.65, abs=3 * 0.58 / np.sqrt(4000) + 0.02)


def test_the_femur_cohort_has_the_classes_of_its_study():
    """Study 3: 202, 175 and 79 of 456; a shift of the American hip values leads to them."""
    people = draw_population(seeds_of(7, 4000), study_groups("femur"))
    found = np.bincount(who_class(people.hip_t_score)) / 4000
    np.testing.assert_allclose(found, [0.44, 0.38, 0.17], atol=0.05)


def test_osteophytes_are_as_common_as_published():
    """35 % at 55 years and 80 % at 70 have a level of grade 2 or more."""
    for age, expected in ((55, 0.35), (70, 0.80)):
        people = draw_population(seeds_of(8, 4000), study_groups("femur"), age_years=age)
        share = (people.spondylosis.max(axis=1) >= 2).mean()
        assert share == pytest.approx(expected, abs=0.025)


def test_study_1_excludes_hyperostosis_from_its_main_cohort():
    """Kellgren-Lawrence 2 or more is an exclusion there, and required in group B."""
    people = draw_population(seeds_of(9, 2000), study_groups("lumbar"))
    worst = people.spondylosis.max(axis=1)
    main = np.isin(people.group, ["main", "fracture"])
    assert worst[main].max() <= 1
    assert worst[~main].min() >= 2
    assert people.abmd_g_cm2[people.group == "main"].mean() == pytest.approx(0.905, abs=0.015)


def test_hyperostosis_stays_in_the_published_ranges():
    """Grades 2, 3 and 4: 0.03-0.08, 0.1-0.2, 0.2-0.45 g/cm2; facets grade 3: 0.47 at L1."""
    grades = np.array([[0, 2, 3, 4]])
    none = np.zeros((1, 4), int)
    np.testing.assert_allclose(hyperostosis(grades, none, np.zeros((1, 4)))[0], [0, 0.03, 0.1, 0.2])
    np.testing.assert_allclose(hyperostosis(grades, none, np.ones((1, 4)))[0], [0, 0.08, 0.2, 0.45])
    assert hyperostosis(none, none + 3, np.ones((1, 4)))[0, 0] == 0.47


def test_t_scores_and_classes_at_their_borders():
    """WHO: -2.5 is osteoporosis, -1.0 is normal. QCT: 80 and 120 are osteopenia."""
    assert t_score(NHANES_III.spine[0], NHANES_III.spine) == 0
    assert who_class([-2.5, -2.49, -1.01, -1.0]).tolist() == [2, 1, 1, 0]
    assert qct_class([79.9, 80.0, 120.0, 120.1]).tolist() == [2, 1, 1, 0]


def test_the_command_writes_the_table(tmp_path: Path):
    """CSV and JSON contain the same people."""
    for name in ("people.csv", "people.json"):
        command = [sys.executable, "-m", "training.cohort", "table", "--study", "ovcf"]
        subprocess.run(
            [*command, "--n", "30", "--seed", "3", "--out", str(tmp_path / name)],
            check=True,
            cwd=ROOT,
        )
    content = json.loads((tmp_path / "people.json").read_text())
    with (tmp_path / "people.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert content["simulated"] is True
    assert content["t_score_reference"] == NHANES_III.name
    assert [float(row["qct_vbmd_mg_cm3"]) for row in rows] == content["columns"]["qct_vbmd_mg_cm3"]
    assert {row["sex"] for row in rows} == {"F"}
    assert all(row["is_postmenopausal"] == "True" for row in rows)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("study", lambda: study_groups("knee")),
        ("scenario", lambda: study_groups("lumbar", "best")),
        ("out", lambda: write_table(draw_population(seeds_of(1, 2)), Path("x.doc"), study="")),
    ],
)
def test_the_error_for_a_bad_value_names_its_field(field, call):
    with pytest.raises(BadCohortConfig, match=field):
        call()

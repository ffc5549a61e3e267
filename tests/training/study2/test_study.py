"""Virtual women of study 2: counts of the study, features by outline, and the shipped formula."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.cards import ModelCard, checked_content
from models.coefficients import LinearModel, linear_model
from pipelines.contract.anatomy import Level
from training.cohort.scan.equipment import TRAINING
from training.statistics.delong import auc
from training.statistics.errors import UnusableSample
from training.study2.agreement import Pair, agreement_rows
from training.study2.features import VertebraRow, make_woman, read_vertebrae
from training.study2.model import fit_product, product_rows, ship, shipped_model
from training.study2.own_outline import outline_woman, with_own
from training.study2.plan import RECIPES, plan_ovcf
from training.study2.r_score import FeatureTable, fit_chain
from training.study2.study import feature_table
from training.tables.published import STUDY_2_COUNTS


@pytest.fixture(scope="module")
def study():
    return plan_ovcf("study")


def test_the_cohort_has_the_counts_of_the_study(study):
    """It has 96 women with and 49 without fracture; 173 and 156 bodies (Table 1: 119 + 54, 111 + 45)."""
    people = study.people
    assert (people.is_case.sum(), (~people.is_case).sum()) == (96, 49)
    counted = [
        sum(len(study.levels(row)) for row in np.flatnonzero(people.is_case == is_case))
        for is_case in (True, False)
    ]
    assert counted == [sum(pair) for pair in zip(*STUDY_2_COUNTS.values(), strict=True)]
    assert set(people.sex) == {"F"}
    assert people.is_postmenopausal.all()


def test_only_levels_without_fracture_count(study):
    """Fracture patients have a painted fracture at one of L1 to L4; others have none."""
    for row in range(len(study.people)):
        levels, broken = study.levels(row), study.fractured(row)
        assert levels
        assert bool(broken) == study.people.is_case[row]
        assert not set(levels) & set(broken)
        assert set(levels) | set(broken) <= {Level.L1, Level.L2, Level.L3, Level.L4}
    for row in (0, 140):
        found = study.subject(row).findings
        painted = {level for level, one in found.levels.items() if one.fracture}
        assert painted == set(study.fractured(row))
        assert not any(one.screws or one.cement_ml for one in found.levels.values())


def test_t_scores_are_those_of_the_closed_form(study):
    """Density is 0.60 + 0.0029 v + d and more (docs/domain.md 3.6); reference NHANES III (1.047, 0.110)."""
    people = study.people
    found = study.t_scores(3)
    expected = (people.abmd_g_cm2[3, 1] - (1.047 - 0.005)) / 0.110
    assert found[Level.L2] == pytest.approx(expected)


def test_current_depends_on_thickness_within_the_range_of_the_study(study):
    """Automatic exposure control gives 50 to 220 mA."""
    rows = np.argsort(study.people.bmi_kg_m2)[[0, 72, -1]]
    mas = [study.scanner(int(row)).mas for row in rows]
    assert mas == sorted(mas)
    assert min(mas) >= 50
    assert max(mas) <= 220


def test_another_effect_does_not_change_women_without_fracture(study):
    """The two scenarios differ only in fracture patients."""
    other = plan_ovcf("study_as_specified")
    assert [other.subject(row) for row in (0, 48)] == [study.subject(row) for row in (0, 48)]
    assert other.subject(49) != study.subject(49)
    assert [other.levels(row) for row in range(145)] == [study.levels(row) for row in range(145)]


def test_the_held_out_scanner_and_family_are_in_no_other_cohort():
    """The held-out part differs by parameters of the simulation (docs/domain.md 3.7)."""
    others = [recipe for name, recipe in RECIPES.items() if name != "held_out"]
    own = RECIPES["held_out"]
    assert not set(own.models) & {model for one in others for model in one.models}
    assert not set(own.families) & {family for one in others for family in one.families}
    assert set(RECIPES["product"].models) == set(TRAINING)
    seeds = [set(plan_ovcf(name).people.seed) for name in ("study", "product", "held_out")]
    assert not seeds[0] & seeds[1]
    assert not seeds[2] & (seeds[0] | seeds[1])


def test_a_woman_is_scanned_once_with_three_outlines(tmp_path):
    """Each outline has 107 finite features; those of readers differ; a second run changes nothing."""
    recipe = replace(RECIPES["held_out"], slices_mm=(2.0,), pixels_mm=(0.8, 0.8))
    cohort = replace(plan_ovcf("held_out"), recipe=recipe)
    row = next(row for row in range(80) if len(cohort.levels(row)) == 1)
    make_woman(cohort, tmp_path, row)
    (one,) = read_vertebrae(tmp_path)
    outlines = one.features["study2_product"]
    assert [len(found) for found in outlines] == [107, 107, 107]
    assert np.isfinite([list(found.values()) for found in outlines]).all()
    volumes = [found["original_shape_VoxelVolume"] for found in outlines]
    assert len(set(volumes)) == 3
    assert volumes == pytest.approx([volumes[0]] * 3, rel=0.25)
    assert one.level == cohort.levels(row)[0]
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    make_woman(cohort, tmp_path, row)
    assert file.stat().st_mtime_ns == before
    assert json.loads(file.read_text("utf-8"))["simulated"]


def vertebrae(*, patients=40, seed=0) -> list[VertebraRow]:
    """Rows with a median that falls with fracture, and one feature that depends on the outline."""
    draws = np.random.default_rng(seed)
    found = []
    for patient in range(patients):
        fracture = patient % 2 == 1
        for level in (Level.L1, Level.L2):
            median = draws.normal(60 if fracture else 120, 40)
            outlines = [
                {
                    "original_firstorder_Median": median + draws.normal(0, 2),
                    "original_firstorder_Energy": (median**2 + draws.normal(0, 300)) * 1e4,
                    "original_shape_MeshVolume": draws.normal(25000, 4000),
                }
                for _ in range(4)
            ]
            found.append(
                VertebraRow(
                    patient=f"P{patient}",
                    level=level,
                    is_fracture=fracture,
                    age_years=60,
                    scanner="S",
                    slice_mm=1.0,
                    t_score=draws.normal(-2.5 if fracture else -1.5, 1.5),
                    core_hu=median + draws.normal(0, 10),
                    vbmd_mg_cm3=median * 0.8,
                    features={"study2_product": outlines},
                )
            )
    return found


@pytest.fixture(scope="module")
def tables() -> list[FeatureTable]:
    rows = vertebrae()
    return [feature_table(rows, "study2_product", "test", outline=number) for number in range(4)]


def test_each_outline_can_be_the_scored_one(tables):
    """The others are repeats for the ICC; baselines rise with fracture."""
    first, second, *_ = tables
    assert first.features.shape == (80, 3)
    assert first.repeats.shape == (80, 3, 3)
    assert (first.repeats[:, 0] == second.features).all()
    assert (second.repeats[:, 0] == first.features).all()
    assert auc(first.is_fracture, first.baselines["mean HU of the core"]) > 0.7
    with pytest.raises(UnusableSample, match="no vertebra"):
        feature_table([], "study2_product", "test")


def test_the_shipped_formula_equals_the_scikit_learn_pipeline(tables):
    """The score agrees to six digits; the feature that is not repeatable is not selected."""
    model = fit_product(tables[0], folds=4, seed=1)
    chain = fit_chain(tables[0], np.arange(80), "patient", folds=4, seed=1)
    assert model.score(tables[0]) == pytest.approx(
        chain.decision_function(tables[0].features), rel=1e-4, abs=1e-4
    )
    assert model.formula.link == "identity"
    assert "MeshVolume" not in model.in_words()
    assert (model.rows, model.women) == (80, 40)


def test_the_shipped_formula_is_tested_without_another_fit():
    """The formula stays the same on outlines of a newer network; the cut comes from these rows."""
    terms = linear_model("r_score").terms
    values = np.array([[term.centre + step * term.scale for term in terms] for step in (-1, 0, 1)])
    table = FeatureTable(
        patient=np.array(["a", "b", "c"]),
        is_fracture=np.array([True, True, False]),
        t_score=np.zeros(3),
        names=tuple(term.name for term in terms),
        features=values,
        repeats=values[:, None],
        cohort="test",
        baselines={},
    )
    model = shipped_model(table)
    scores = model.score(table)
    assert model.formula == linear_model("r_score")
    assert scores[1] == pytest.approx(model.formula.intercept)
    assert scores[0] > scores[1] > scores[2]
    assert scores[1] >= model.cut > scores[2]


def test_product_rows_are_clustered_by_woman_and_compare_outlines(tables):
    model = fit_product(tables[0], folds=4, seed=1)
    rows = {one.metric: one for one in product_rows(model, tables)}
    area = rows["R-score of the product: AUC, vertebrae"]
    assert area.reproduced == pytest.approx(
        auc(tables[0].is_fracture, model.score(tables[0])), abs=1e-5
    )
    low, high = area.ci_low, area.ci_high
    assert low is not None
    assert high is not None
    assert low < auc(tables[0].is_fracture, model.score(tables[0])) < high
    repeated = rows["R-score of the product: ICC(2,1), own outline and true one"].reproduced
    assert repeated is not None
    assert 0.9 < repeated < 1
    assert rows["R-score of the product: AUC with the outline of reader 2"].n == 80


def test_the_product_s_outline_is_the_fourth_of_a_vertebra(tmp_path):
    """The shipped network outlines a crop of a virtual woman; a row without outline is dropped."""
    cohort = plan_ovcf("held_out", seed=1)
    outline_woman(cohort, tmp_path, 0)
    record = json.loads((tmp_path / "0000.json").read_text("utf-8"))
    name, own = next((name, one) for name, one in record["levels"].items() if one)
    rows = [
        replace(one, patient=str(record["seed"]), level=Level[name] if number == 0 else Level.T12)
        for number, one in enumerate(vertebrae()[:2])
    ]

    (outlined,) = with_own(rows, tmp_path)

    assert outlined.features["study2_product"][-1] == own
    assert own["original_shape_VoxelVolume"] == pytest.approx(35_000, rel=0.8)


def test_the_written_card_matches_the_written_file(tables, tmp_path):
    model = fit_product(tables[0], folds=4, seed=1)
    ship(model, tables[0], tmp_path, command="python -m test")
    card = ModelCard.model_validate_json((tmp_path / "r_score.json").read_text("utf-8"))
    content = checked_content(tmp_path / card.file, card.sha256)
    assert LinearModel.model_validate_json(content) == model.formula
    assert "Simulation only" in card.training_data
    assert "No probability" in model.formula.outcome


def test_agreement_is_over_vertebrae_with_both_scores():
    """A constant difference of 1 lowers absolute agreement; a withheld score is counted, not imputed.

    Scores 0 to 3 against 1 to 4: MSR 10/3, MSC 2, MSE 0, so ICC(2,1) is MSR / (MSR + 2 MSC / 4)
    = 0.7692 (Shrout and Fleiss 1979).
    """
    pairs = [
        Pair(
            woman=1,
            level="L1",
            is_fracture=False,
            true_score=true,
            own_score=own,
            dice=0.95,
            features_off_sd=0.2,
        )
        for true, own in ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (1.0, None))
    ]
    rows = {one.metric: one for one in agreement_rows(pairs, "test")}
    found = rows["R-score, own against true outline: ICC(2,1)"]
    assert found.reproduced == pytest.approx(0.7692, abs=1e-4)
    assert found.n == 4
    assert rows["R-score, own minus true outline: mean"].reproduced == 1
    assert rows["vertebrae without a score from the own outline"].reproduced == 1
    with pytest.raises(UnusableSample, match="2 vertebrae"):
        agreement_rows(pairs[3:] + pairs[:1], "test")

"""A simulated chest: lungs up to the apex, vertebrae from T1, great vessels, arms up or down."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.organs import aorta_path
from training.cohort.body.plan import plan_body
from training.cohort.body.ribs import rib_path
from training.cohort.body.trunk import plan_trunk
from training.cohort.body.upper_chest import CERVICAL, cervical
from training.cohort.errors import BadCohortConfig
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import ExaminationPlan, image_grid, simulate

SUBJECT = draw_subject(4)
PLAN = plan_body(SUBJECT)
CHEST = Grid(origin_lps_mm=(-240.0, -180.0, 240.0), spacing_mm=(4.0, 4.0, 4.0), shape=(75, 80, 120))


@pytest.fixture(scope="module")
def chest():
    return render(SUBJECT, CHEST, Media(kvp=120, phase="arterial"))


def hu_at(anatomy, place):
    x, y, z = np.rint((np.asarray(place) - CHEST.origin_lps_mm) / 4.0).astype(int)
    return float(anatomy.hu[z, y, x])


def test_every_thoracic_vertebra_in_view_has_its_label_from_above(chest):
    heights = {
        level: np.argwhere(chest.labels == level)[:, 0].mean()
        for level in range(Level.T1, Level.T10 + 1)
    }
    assert list(heights.values()) == sorted(heights.values(), reverse=True)


def test_the_lowest_neck_continues_the_spine(chest):
    """VerSe labels 5 to 7 are C5 to C7."""
    necks = cervical(PLAN)
    assert len(necks) == CERVICAL
    assert necks[0].centre_lps_mm[2] > PLAN.vertebra(Level.T1).centre_lps_mm[2] + 10
    assert (chest.labels == 7).any()


def test_lungs_reach_their_apex_and_no_further(chest):
    apex = plan_trunk(PLAN).apex_mm
    body = chest.hu[:, 35:45, 65:71]  # beside the windpipe, within the neck
    aerated = ((body > -950) & (body < -700)).sum(axis=(1, 2))
    heights = CHEST.axis(2)
    assert aerated[(heights > apex - 40) & (heights < apex - 15)].min() > 2
    assert aerated[heights > apex + 8].max() == 0


def test_the_trachea_holds_air_and_the_aorta_contrast(chest):
    x, y, z, _ = aorta_path(PLAN)[2]
    assert hu_at(chest, (x, y, z)) > 250
    row = chest.hu[int((440 * PLAN.scale - 240) / 4), :, 58:62]
    assert row.min() < -850


def test_ribs_run_from_the_spine_to_the_front_inside_the_skin():
    trunk = plan_trunk(PLAN)
    for level in range(Level.T1, Level.T10 + 1):
        vertebra = PLAN.vertebra(Level(level))
        for side in (1, -1):
            path = rib_path(PLAN, vertebra, trunk, side)
            assert np.all(side * path[1:, 0] > 0)
            x, y, z = (path[:, k].astype(np.float32) for k in range(3))
            skin = trunk.skin(x, y, z)
            assert skin.max() < -5
            assert path[-1, 1] < path[0, 1] - 30
            assert path[-1, 2] < path[0, 2]


def test_arms_move_arms_and_shoulders_only(chest):
    lowered = render(SUBJECT, CHEST, Media(kvp=120, phase="arterial"), arms="down")
    change = lowered.hu != chest.hu
    assert change.any(axis=(0, 1))[:20].any()
    middle = np.abs(CHEST.axis(0)) < 20
    assert not change[:, :, middle].any()
    np.testing.assert_array_equal(lowered.labels, chest.labels)
    beside = np.abs(CHEST.axis(0)) > 190
    low, high = slice(0, 25), slice(62, 75)
    assert (lowered.hu[low][:, :, beside] > 0).sum() > (chest.hu[low][:, :, beside] > 0).sum()
    assert (lowered.hu[high] > -200).sum() < (chest.hu[high] > -200).sum()


def test_a_chest_examination_begins_above_the_lungs_and_ends_below_l2():
    plan = ExaminationPlan(
        subject=SUBJECT, scanner=Scanner(), region="chest", size=64, slice_spacing_mm=10.0
    )
    grid = image_grid(plan, PLAN)
    top = grid.axis(2)[-1]
    assert 5 < top - plan_trunk(PLAN).apex_mm < 25
    l2 = PLAN.vertebra(Level.L2)
    assert grid.axis(2)[0] < l2.lps(0, 0, -l2.size_mm[2] / 2)[2]
    levels = set(dict(simulate(plan).truth["levels"]))
    assert {"T1", "T7", "L1", "L2"} <= levels
    assert "L3" not in levels


def test_unknown_arms_are_refused():
    plan = ExaminationPlan(subject=SUBJECT, scanner=Scanner())
    with pytest.raises(BadCohortConfig, match="arms = 'crossed'"):
        replace(plan, arms="crossed")

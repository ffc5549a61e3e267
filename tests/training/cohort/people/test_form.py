"""Forms of skeletons: families differ, and every form makes a complete spine."""

from dataclasses import fields, replace

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.femur import plan_femur
from training.cohort.body.plan import plan_body
from training.cohort.body.vertebra import canal_centre
from training.cohort.errors import BadCohortConfig
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import BODY_PARTS, Part
from training.cohort.people.form import FAMILIES, POSSIBLE, Form, draw_form
from training.cohort.people.subject import draw_subject

SUBJECT = draw_subject(4)


@pytest.mark.parametrize("name", POSSIBLE)
def test_the_error_for_a_form_outside_its_limits_names_the_field(name):
    with pytest.raises(BadCohortConfig, match=rf"form\.{name} = "):
        Form(**{name: POSSIBLE[name][1] * 1.01 + 0.01})


def test_every_number_of_a_form_has_its_limits():
    names = {item.name for item in fields(Form)}
    assert set(POSSIBLE) == names
    assert all(set(limits) == names for limits in FAMILIES.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_draws_within_its_limits(family):
    for seed in range(50):
        form = draw_form(seed, family)
        for name, (low, high) in FAMILIES[family].items():
            assert low - 1e-3 <= getattr(form, name) <= high + 1e-3
    assert draw_form(3, family) == draw_form(3, family) != draw_form(4, family)


def test_the_held_out_family_has_no_form_in_common_with_the_others():
    least = FAMILIES["stout"]["body_exponent"][0]
    assert all(FAMILIES[other]["body_exponent"][1] <= least for other in ("common", "slender"))


def test_an_unknown_family_is_refused():
    with pytest.raises(BadCohortConfig, match="family = 'alien'"):
        draw_form(1, "alien")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vertebra_of_every_family_is_complete(family):
    """Body, arch and an open canal; the core has the density of the patient."""
    subject = replace(SUBJECT, form=draw_form(7, family))
    plan = plan_body(subject)
    l2 = plan.vertebra(Level.L2)
    corner = l2.centre_lps_mm - np.array([45.0, 28.0, 34.0])
    grid = Grid(
        origin_lps_mm=(float(corner[0]), float(corner[1]), float(corner[2])),
        spacing_mm=(1.5, 1.5, 1.5),
        shape=(45, 70, 60),
    )
    painted = render(subject, grid, Media(kvp=120))
    bone = painted.labels == Level.L2
    body = bone & np.isin(painted.parts, BODY_PARTS)
    arch = bone & (painted.parts == Part.POSTERIOR)
    width, depth, height = l2.size_mm
    assert 0.6 < body.sum() * 1.5**3 / (width * depth * height) < 0.95
    assert 0.2 < arch.sum() / body.sum() < 0.9
    x, y, z = np.rint((l2.lps(0, canal_centre(l2), 0) - corner) / 1.5).astype(int)
    assert painted.labels[z, y, x] == 0
    core = painted.hu[bone & (painted.parts == Part.CORE)]
    standard = render(SUBJECT, grid, Media(kvp=120))
    usual = standard.hu[(standard.labels == Level.L2) & (standard.parts == Part.CORE)]
    assert np.median(core) == pytest.approx(np.median(usual), abs=12)


def test_the_neck_of_the_femur_has_its_angles():
    form = Form(ccd_deg=120.0, anteversion_deg=20.0)
    neck = plan_femur(plan_body(replace(SUBJECT, form=form))).neck
    assert np.rad2deg(np.arcsin(-neck[2])) + 90 == pytest.approx(120)
    assert np.rad2deg(np.arctan2(neck[1], neck[0])) == pytest.approx(20)


def test_more_kyphosis_bends_the_chest_only():
    straight, bent = (
        plan_body(replace(SUBJECT, form=Form(kyphosis=kyphosis))) for kyphosis in (0.7, 1.2)
    )
    lean = [np.rad2deg(np.arcsin(p.vertebra(Level.T3).axes[2, 1])) for p in (straight, bent)]
    assert lean[1] < lean[0] - 10
    np.testing.assert_allclose(
        straight.vertebra(Level.L1).centre_lps_mm, bent.vertebra(Level.L1).centre_lps_mm
    )

"""With ``data`` an ICRP 110 phantom is the soft body; the skeleton is still that of the plan."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.trunk import plan_trunk
from training.cohort.errors import BadCohortConfig
from training.cohort.icrp110.soft_body import phantom_context
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Part
from training.cohort.people.subject import draw_subject
from training.cohort.scan.equipment import GENERIC
from training.cohort.scan.protocols import usual_plan
from training.cohort.scan.simulate import simulate
from training.cohort.write.dataset import DatasetPlan

LUMBAR = Grid(origin_lps_mm=(-212.0, -180.0, 0.0), spacing_mm=(4.0, 4.0, 4.0), shape=(42, 80, 107))
MEDIA = Media(kvp=120, phase="portal")
SUBJECTS = {sex: draw_subject(5, sex=sex, age_years=60) for sex in "FM"}


@pytest.fixture(scope="module", params=SUBJECTS)
def both(request, data):
    """The same patient with the parametric body, and with that of the phantom."""
    subject = SUBJECTS[request.param]
    parametric = render(subject, LUMBAR, MEDIA)
    return parametric, render(subject, LUMBAR, MEDIA, context=phantom_context(data))


@pytest.mark.data
def test_the_skeleton_and_its_cores_stay_those_of_the_plan(both):
    parametric, phantom = both
    np.testing.assert_array_equal(phantom.labels, parametric.labels)
    np.testing.assert_array_equal(phantom.parts, parametric.parts)
    vertebrae = (phantom.labels >= Level.T12) & (phantom.labels <= Level.L5)
    core = ndimage.binary_erosion(vertebrae & (phantom.parts == Part.CORE))
    assert core.sum() > 300
    np.testing.assert_allclose(phantom.hu[core], parametric.hu[core], atol=0.5)


@pytest.mark.data
def test_the_soft_body_differs_from_the_parametric_one(both):
    parametric, phantom = both
    soft = (parametric.labels == 0) & (parametric.hu > -500)
    assert (np.abs(phantom.hu - parametric.hu)[soft] > 20).mean() > 0.3


@pytest.mark.data
def test_no_air_touches_the_lumbar_spine(both):
    _, phantom = both
    spine = (phantom.labels >= Level.L1) & (phantom.labels <= Level.L5)
    around = ndimage.binary_dilation(spine, iterations=2) & ~spine
    assert phantom.hu[around].min() > -200


@pytest.mark.data
def test_muscle_lies_on_both_sides_of_the_spine(both):
    """Psoas and erector spinae are most of the tissue beside and behind L3."""
    _, phantom = both
    body = phantom.plan.vertebra(Level.L3)
    x, y, z = (LUMBAR.axis(k) for k in range(3))
    at = np.abs(z - body.centre_lps_mm[2]) < 12
    behind = (y - body.centre_lps_mm[1] > 25) & (y - body.centre_lps_mm[1] < 50)
    for side in (1, -1):
        aside = side * (x - body.centre_lps_mm[0])
        hu = phantom.hu[np.ix_(at, behind, (aside > 18) & (aside < 45))]
        assert ((hu > 10) & (hu < 110)).mean() > 0.5


@pytest.mark.data
def test_the_skin_encloses_the_phantom_without_gaps(both):
    _, phantom = both
    x, y, z = (LUMBAR.axis(k).astype(np.float32) for k in range(3))
    skin = plan_trunk(phantom.plan).skin(x[None, None], y[None, :, None], z[:, None, None])
    under = (skin < -4) & (skin > -9)
    assert phantom.hu[under].min() > -200


@pytest.mark.data
def test_a_part_of_the_patient_is_the_same_as_cut_from_the_whole(data):
    subject, context = SUBJECTS["F"], phantom_context(data)
    small = replace(LUMBAR, origin_lps_mm=(-212.0, -180.0, 40.0), shape=(10, 80, 107))
    whole = render(subject, LUMBAR, MEDIA, context=context).hu[10:20]
    np.testing.assert_allclose(render(subject, small, MEDIA, context=context).hu, whole, atol=0.5)


@pytest.mark.data
def test_truth_contains_the_name_of_the_soft_body_and_uids_differ(data):
    plan = replace(usual_plan("lumbar", SUBJECTS["F"], GENERIC), size=48, slices=24)
    plan = replace(plan, slice_spacing_mm=6.0)
    phantom = simulate(replace(plan, data=data))
    parametric = simulate(plan)
    assert (phantom.truth["context"], parametric.truth["context"]) == ("icrp110", "parametric")
    assert phantom.header.series_instance_uid != parametric.header.series_instance_uid


def test_the_error_for_a_folder_without_phantoms_names_it(tmp_path):
    plan = usual_plan("lumbar", SUBJECTS["F"], GENERIC)
    with pytest.raises(BadCohortConfig, match=str(tmp_path)):
        simulate(replace(plan, data=tmp_path))


def test_a_dataset_of_phantom_bodies_has_its_own_digest_for_any_data_path(tmp_path):
    parametric = DatasetPlan(what="examinations")
    here, there = (replace(parametric, data=tmp_path / name) for name in "ab")
    assert here.digest == there.digest != parametric.digest
    assert "context" not in parametric.config


def test_uids_do_not_depend_on_the_data_path(tmp_path):
    plan = usual_plan("lumbar", SUBJECTS["F"], GENERIC)
    here, there = (replace(plan, data=tmp_path / name) for name in "ab")
    assert here.key == there.key != plan.key

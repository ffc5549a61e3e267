"""Painted findings: each changes its own voxels and no others."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import LABEL_FEMUR, render
from training.cohort.body.femur import plan_femur, proximal_end_mm
from training.cohort.body.implants import CEMENT_HU, TITANIUM_HU, metal_shapes, volume_of
from training.cohort.body.plan import plan_body
from training.cohort.body.plaques import plaque_shapes
from training.cohort.body.vertebra import (
    body_heights_mm,
    canal_distance,
    heights_at_mm,
    local_axes,
)
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Part
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.subject import draw_subject
from training.cohort.scan.truth import numbering_truth

HEALTHY = draw_subject(4)
L2 = plan_body(HEALTHY).vertebra(Level.L2)


def with_l2(**stated):
    return Findings(levels={Level.L2: LevelFindings(**stated)})


def grid_around(centre, half_mm=(45.0, 60.0, 34.0), step=1.5):
    x, y, z = (float(c - h) for c, h in zip(centre, half_mm, strict=True))
    columns, rows, slices = (int(2 * h / step) for h in half_mm)
    return Grid(origin_lps_mm=(x, y, z), spacing_mm=(step,) * 3, shape=(slices, rows, columns))


GRID = grid_around(L2.centre_lps_mm + np.array([0.0, 12.0, -4.0]))


def painted(findings, grid=GRID):
    return render(replace(HEALTHY, findings=findings), grid, Media(kvp=120))


@pytest.fixture(scope="module")
def healthy():
    return painted(Findings())


LOCAL = [
    # stated; sign of the change; reach to the left, to posterior and up from the middle of L2, mm
    ({"kellgren_lawrence": 3, "osteophyte_mm": 8.0}, 1, ((-35, 35), (-27, 18), (-22, 22))),
    ({"endplate_sclerosis_mm": 4.0}, 1, ((-24, 24), (-18, 18), (-16, 16))),
    ({"facet_sclerosis": 3}, 1, ((-30, 30), (15, 50), (-36, 30))),
    ({"pll_calcified": True}, 1, ((-8, 8), (10, 20), (-28, 18))),
    ({"flavum_calcified": True}, 1, ((-12, 12), (22, 36), (-29, -8))),
    ({"disc_vacuum": True}, -1, ((-22, 22), (-17, 17), (-26, -12))),
    ({"schmorl_mm": 7.0}, 0, ((-24, 24), (-20, 20), (-34, 10))),
    ({"haemangioma_mm": 9.0}, 0, ((-22, 22), (-17, 17), (-15, 15))),
    ({"cement_ml": 4.0}, 1, ((-22, 22), (-17, 17), (-15, 15))),
    ({"metastasis": "lytic", "metastasis_mm": 9.0}, -1, ((-24, 24), (-18, 18), (-16, 16))),
    ({"metastasis": "blastic", "metastasis_mm": 9.0}, 1, ((-24, 24), (-18, 18), (-16, 16))),
    ({"screws": True}, 1, ((-32, 32), (-14, 54), (-8, 18))),
]  # fmt: skip


@pytest.mark.parametrize(("stated", "sign", "reach"), LOCAL, ids=[str(c[0]) for c in LOCAL])
def test_a_finding_changes_its_place_and_nothing_else(healthy, stated, sign, reach):
    """Random numbers of other parts stay the same: every other voxel is equal bit for bit."""
    sick = painted(with_l2(**stated))
    change = sick.hu - healthy.hu
    where = np.argwhere(change != 0)
    places = where[:, ::-1] * GRID.spacing_mm + np.array(GRID.origin_lps_mm)
    local = (places - L2.centre_lps_mm) @ L2.axes.T
    assert len(where) > 20
    for axis, (low, high) in zip(local.T, reach, strict=True):
        assert low - 1.5 <= axis.min()
        assert axis.max() <= high + 1.5
    if sign:
        assert sign * change.sum() > 0
        assert (sign * change).max() > 100


def test_a_haemangioma_is_fat_between_dense_trabeculae(healthy):
    change = painted(with_l2(haemangioma_mm=9.0)).hu - healthy.hu
    assert change.min() < -80
    assert change.max() > 80


def test_osteophytes_and_cement_are_in_the_part_map():
    sick = painted(with_l2(kellgren_lawrence=3, osteophyte_mm=8.0, cement_ml=4.0))
    lips, cement = sick.parts == Part.OSTEOPHYTE, sick.parts == Part.CEMENT
    assert lips.sum() > 50
    assert set(np.unique(sick.labels[lips])) == {Level.L2}
    assert set(np.unique(sick.labels[cement])) == {Level.L2}
    assert sick.hu[lips].mean() > 400
    assert cement.sum() * 1.5**3 == pytest.approx(4000, rel=0.15)
    assert sick.hu[cement].mean() == pytest.approx(CEMENT_HU, rel=0.1)


@pytest.mark.parametrize(
    "stated", [{"kellgren_lawrence": 4, "osteophyte_mm": 12.0}, {"facet_sclerosis": 3}], ids=str
)
def test_degeneration_leaves_the_canal_open(healthy, stated):
    """Osteophytes end before the back of the body; articular processes grow sideways and backwards."""
    change = painted(with_l2(**stated)).hu != healthy.hu
    z, y, x = (GRID.axis(axis).astype(np.float32) for axis in (2, 1, 0))
    at = local_axes(L2, x[None, None, :], y[None, :, None], z[:, None, None])
    inside = (canal_distance(L2, at) < -1.5) & (abs(at.up) < L2.size_mm[2] / 2 + 4)
    assert inside.sum() > 1000
    assert not (change & inside).any()


def test_sclerotic_facets_are_larger_and_denser_with_each_grade(healthy):
    grades = [healthy, *(painted(with_l2(facet_sclerosis=grade)) for grade in (1, 2, 3))]
    arches = [(one.labels == Level.L2) & (one.parts == Part.POSTERIOR) for one in grades]
    volumes = [arch.sum() for arch in arches]
    densities = [one.hu[arch].mean() for one, arch in zip(grades, arches, strict=True)]
    assert volumes == sorted(set(volumes))
    assert densities == sorted(set(densities))


def test_longer_osteophytes_have_more_volume():
    def volume(reach):
        sick = painted(with_l2(kellgren_lawrence=3, osteophyte_mm=reach))
        return (sick.parts == Part.OSTEOPHYTE).sum()

    assert volume(3.0) < volume(7.0) < volume(12.0)


def test_screws_are_metal_with_their_true_attenuation(healthy):
    found = with_l2(screws=True)
    sick = painted(found)
    metal = sick.parts == Part.METAL
    assert sick.hu[metal].max() == pytest.approx(TITANIUM_HU)
    assert 2 * 250 < metal.sum() * 1.5**3 < 2 * 5000
    columns = np.argwhere(metal)[:, 2]
    middle = (L2.centre_lps_mm[0] - GRID.origin_lps_mm[0]) / 1.5
    assert (columns > middle).sum() == pytest.approx((columns < middle).sum(), rel=0.1)
    assert len(metal_shapes(plan_body(replace(HEALTHY, findings=found)))) == 2
    assert (healthy.parts == Part.METAL).sum() == 0


def test_rods_join_neighbouring_screws_only():
    def parts_at(*levels):
        screwed = {level: LevelFindings(screws=True) for level in levels}
        return len(metal_shapes(plan_body(replace(HEALTHY, findings=Findings(levels=screwed)))))

    assert parts_at(Level.L2, Level.L3, Level.L4) == 3 * 2 + 2
    assert parts_at(Level.L1, Level.L3) == 2 * 2


@pytest.mark.parametrize(
    ("shape", "loss", "place"),
    [("wedge", 0.22, 0), ("wedge", 0.35, 0), ("biconcave", 0.3, 1), ("crush", 0.45, 1)],
)
def test_the_loss_of_height_is_the_stated_one(shape, loss, place):
    found = with_l2(fracture=shape, height_loss=loss)
    broken = plan_body(replace(HEALTHY, findings=found)).vertebra(Level.L2)
    lost = 1 - np.array(body_heights_mm(broken)) / np.array(body_heights_mm(L2))
    assert lost[place] == pytest.approx(loss, abs=0.025)
    assert lost.max() == pytest.approx(loss, abs=0.05)
    if shape == "wedge":
        assert lost[2] < 0.25 * lost[0]
    if shape == "biconcave":
        assert max(lost[0], lost[2]) < 0.7 * loss
    if shape == "crush":
        assert lost.min() > 0.9 * loss


@pytest.mark.parametrize("shape", ["wedge", "biconcave", "crush"])
def test_the_painted_body_has_the_height_of_its_truth(shape):
    found = with_l2(fracture=shape, height_loss=0.4)
    plan = plan_body(replace(HEALTHY, findings=found))
    vertebra = plan.vertebra(Level.L2)
    grid = grid_around(vertebra.centre_lps_mm, (30.0, 30.0, 24.0), 1.0)
    sick = painted(found, grid)
    body = (sick.labels == Level.L2) & np.isin(sick.parts, (Part.CORE, Part.SHELL))
    places = np.argwhere(body)[:, ::-1] + np.array(grid.origin_lps_mm)
    left, posterior, _ = ((places - vertebra.centre_lps_mm) @ vertebra.axes.T).T
    for behind, expected in zip(heights_at_mm(vertebra), body_heights_mm(vertebra), strict=True):
        inwards = posterior * (1 if behind <= 0 else -1) + abs(behind)
        near = (abs(left) < 2.5) & (inwards > 0) & (inwards < 2)
        assert near.sum() / (5 * 2) == pytest.approx(expected, abs=1.5)


def test_a_fracture_lowers_and_a_wedge_tilts_the_spine_above():
    def t12(**stated):
        return plan_body(replace(HEALTHY, findings=with_l2(**stated))).vertebra(Level.T12)

    upright, crushed = t12(), t12(fracture="crush", height_loss=0.5)
    wedged = t12(fracture="wedge", height_loss=0.5)
    assert crushed.centre_lps_mm[2] < upright.centre_lps_mm[2] - 9
    assert wedged.axes[2, 1] < upright.axes[2, 1] - 0.02
    below = plan_body(replace(HEALTHY, findings=with_l2(fracture="crush", height_loss=0.5)))
    np.testing.assert_array_equal(
        below.vertebra(Level.L3).centre_lps_mm, plan_body(HEALTHY).vertebra(Level.L3).centre_lps_mm
    )


def test_a_schmorl_node_never_pierces_a_low_body():
    """Above the deepest node in the lowest body there is still bone."""
    found = Findings(
        levels={Level.T3: LevelFindings(fracture="biconcave", height_loss=0.6, schmorl_mm=9.0)}
    )
    low = plan_body(replace(HEALTHY, findings=found)).vertebra(Level.T3)
    assert min(body_heights_mm(low)) > 1.5


def test_impacted_trabeculae_are_denser():
    """The band under the upper end plate of a crushed body adds the stated HU."""
    found = with_l2(fracture="crush", height_loss=0.3, impaction_hu=140.0)
    light = with_l2(fracture="crush", height_loss=0.3, impaction_hu=60.0)
    assert (painted(found).hu - painted(light).hu).max() == pytest.approx(80, abs=8)


@pytest.mark.parametrize("volume", [30.0, 250.0, 900.0])
def test_plaques_have_their_volume_on_the_wall_of_the_aorta(volume):
    found = Findings(plaque_mm3={Level.L2: volume})
    shapes = plaque_shapes(plan_body(replace(HEALTHY, findings=found)))[Level.L2]
    assert sum(volume_of(shape, 0.5) for shape in shapes) == pytest.approx(volume, rel=0.2)


def test_plaques_are_painted_before_the_spine_only(healthy):
    sick = painted(Findings(plaque_mm3={Level.L2: 500.0}, plaque_mg_cm3=500.0))
    plaque = sick.parts == Part.PLAQUE
    assert plaque.sum() * 1.5**3 == pytest.approx(500, rel=0.35)
    assert 500 < sick.hu[plaque].mean() < 900
    np.testing.assert_array_equal(sick.labels, healthy.labels)


def test_a_prosthesis_replaces_one_head():
    findings = Findings(hip_prosthesis="left")
    hip = plan_body(HEALTHY).hip_lps_mm
    for side in (1, -1):
        centre = hip * np.array([side, 1, 1])
        grid = grid_around(centre, (36.0, 30.0, 30.0), 2.0)
        bone, sick = painted(Findings(), grid), painted(findings, grid)
        at_head = tuple(s // 2 for s in grid.shape)
        assert bone.labels[at_head] == LABEL_FEMUR[side]
        assert (sick.parts[at_head] == Part.METAL) == (side == 1)
        if side == -1:
            np.testing.assert_array_equal(sick.hu, bone.hu)
        else:
            assert (sick.labels == LABEL_FEMUR[1]).sum() < 0.5 * (bone.labels == 75).sum()


def test_the_proximal_femur_ends_below_the_lesser_trochanter():
    """Study 3 segments from the head to the lesser trochanter."""
    femur = plan_femur(plan_body(HEALTHY))
    end = proximal_end_mm(femur)
    grid = grid_around((femur.shaft_start[0], femur.shaft_start[1], end), (30.0, 30.0, 40.0), 2.0)
    sick = painted(Findings(), grid)
    shaft, bone = sick.parts == Part.SHAFT, sick.labels == LABEL_FEMUR[1]
    heights = grid.axis(2)
    assert not shaft[heights >= end].any()
    assert (bone[heights < end] == shaft[heights < end]).all()
    assert shaft.any()
    # The lesser trochanter protrudes medially just above that height, not below.
    width = bone.any(axis=1).sum(axis=1) * 2.0
    assert width[heights > end + 12][0] > width[heights < end - 12][-1] + 4


def test_a_curve_has_the_stated_cobb_angle_and_turns_to_its_convex_side():
    plan = plan_body(replace(HEALTHY, findings=Findings(cobb_deg=30.0, scoliosis_apex=Level.L1)))
    tilts = np.rad2deg([np.arcsin(v.axes[2, 0]) for v in plan.vertebrae])
    assert tilts.max() - tilts.min() == pytest.approx(30, abs=2)
    apex = plan.vertebra(Level.L1)
    assert apex.centre_lps_mm[0] > 8  # convex to the left
    assert apex.axes[1, 0] < -0.05  # the spinous process points to the right
    assert abs(plan.vertebrae[0].centre_lps_mm[0]) < 12
    for vertebra in plan.vertebrae:
        np.testing.assert_allclose(vertebra.axes @ vertebra.axes.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(vertebra.axes) == pytest.approx(1)


@pytest.mark.parametrize(
    ("lumbosacral", "thoracolumbar", "names"),
    [
        ("regular", "regular", ["T12", "L1", "L2", "L3", "L4", "L5"]),
        ("sacralised_l5", "no_ribs", ["T12", "L1", "L2", "L3", "L4", "L5"]),
        ("lumbarised_s1", "regular", ["L1", "L2", "L3", "L4", "L5", "L6"]),
        ("lumbarised_s1", "lumbar_ribs", ["T13", "L1", "L2", "L3", "L4", "L5"]),
    ],
)
def test_vertebrae_are_named_from_the_head(lumbosacral, thoracolumbar, names):
    """VerSe: 25 is L6, 28 is T13."""
    found = Findings(lumbosacral=lumbosacral, thoracolumbar=thoracolumbar)
    plan = plan_body(replace(HEALTHY, findings=found))
    assert [v.name for v in plan.vertebrae[-6:]] == names
    assert len({v.label for v in plan.vertebrae}) == len(plan.vertebrae)
    heights = [v.centre_lps_mm[2] for v in plan.vertebrae]
    assert heights == sorted(heights, reverse=True)
    assert {v.label for v in plan.vertebrae if v.extra} <= {25, 28}


@pytest.mark.parametrize(
    ("stated", "presacral", "rib_bearing", "lowest"),
    [
        ({}, 24, 12, "L5"),
        ({"lumbosacral": "sacralised_l5"}, 24, 12, "L5"),
        ({"lumbosacral": "lumbarised_s1"}, 25, 12, "L6"),
        ({"lumbosacral": "lumbarised_s1", "thoracolumbar": "lumbar_ribs"}, 25, 13, "L5"),
        ({"thoracolumbar": "lumbar_ribs"}, 24, 13, "L5"),
        ({"thoracolumbar": "no_ribs"}, 24, 11, "L5"),
    ],
)
def test_the_truth_counts_vertebrae_and_ribs(stated, presacral, rib_bearing, lowest):
    """7 cervical, 12 thoracic and 5 lumbar vertebrae, or one more."""
    found = numbering_truth(plan_body(replace(HEALTHY, findings=Findings(**stated))))
    assert found["presacral_vertebrae"] == presacral
    assert found["rib_bearing_vertebrae"] == rib_bearing
    assert found["lowest"] == lowest
    assert found["transitional"] == bool(stated)


def test_a_sacralised_l5_is_fused_with_the_sacrum():
    """At the wing bone of L5 touches the sacrum; in a regular L5 it does not."""
    centre = plan_body(HEALTHY).vertebra(Level.L5).lps(0, 20, -14)
    grid = grid_around(centre, (52.0, 20.0, 20.0), 2.0)

    def touching(findings, side):
        labels = painted(findings, grid).labels
        half = labels[:, :, 37:] if side > 0 else labels[:, :, :15]
        return ((half[1:] == Level.L5) & (half[:-1] == Level.SACRUM)).sum()

    left = Findings(lumbosacral="sacralised_l5", fused_sides="left")
    assert touching(left, 1) > 20
    assert touching(left, -1) == touching(Findings(), 1) == 0


def test_painting_is_determined_by_the_seed():
    found = with_l2(kellgren_lawrence=2, osteophyte_mm=5.0, metastasis="lytic", metastasis_mm=7.0)
    np.testing.assert_array_equal(painted(found).hu, painted(found).hu)

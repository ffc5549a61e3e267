"""DXA of a virtual patient measures mineral behind soft tissue, in every structure."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.plan import plan_body
from training.cohort.dxa.densitometer import HIGH_KVP, LOW_KVP, VENDOR_SCALE, Shadow, areal_image
from training.cohort.dxa.hip import scan_hip
from training.cohort.dxa.spine import scan_spine
from training.cohort.matter.media import Media
from training.cohort.matter.physics import MATERIALS, linear_attenuation, spongiosa
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Part
from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.subject import draw_subject

WOMAN = replace(draw_subject(3, sex="F", age_years=65), hip_density=0.85)
OSTEOPHYTES = LevelFindings(kellgren_lawrence=4, osteophyte_mm=9.0, bridging=True)
DEGENERATED = replace(
    WOMAN,
    findings=Findings(
        levels=dict.fromkeys(DXA_LEVELS, OSTEOPHYTES),
        plaque_mm3=dict.fromkeys(DXA_LEVELS, 300.0),
    ),
)


@pytest.fixture(scope="module")
def spine():
    """A woman of 65 years without findings."""
    return scan_spine(WOMAN, precision_cv=0)


@pytest.fixture(scope="module")
def hip():
    """Her left hip."""
    return scan_hip(WOMAN, precision_cv=0)


def layered(mineral_g_cm2, fat_cm, muscle_cm=18.0):
    """Attenuation of 60 x 60 pixels: mineral in the middle, the same soft tissue everywhere."""
    bone = np.zeros((60, 60))
    bone[20:40, 20:40] = mineral_g_cm2
    images = [
        fat_cm * linear_attenuation(MATERIALS["adipose"], kvp)
        + muscle_cm * linear_attenuation(MATERIALS["muscle"], kvp)
        + bone * linear_attenuation(MATERIALS["mineral"], kvp) / MATERIALS["mineral"].density
        for kvp in (LOW_KVP, HIGH_KVP)
    ]
    axis = np.arange(60.0)
    return Shadow(low=images[0], high=images[1], labels={}, x_mm=axis, z_mm=axis), bone == 0


@pytest.mark.parametrize("fat_cm", [0.0, 4.0, 12.0])
def test_mineral_does_not_depend_on_the_soft_tissue(fat_cm):
    """Two energies, two unknowns: exact if the soft tissue beside the bone is the same."""
    shadow, soft = layered(1.1, fat_cm)
    areal = areal_image(shadow, soft).abmd_g_cm2 / VENDOR_SCALE
    assert areal[25:35, 25:35].mean() == pytest.approx(1.1, abs=1e-3)
    assert areal[:10].mean() == pytest.approx(0, abs=1e-3)


def test_regions_follow_the_anatomy(spine):
    """Four levels from above, without transverse processes, as large as published (11 to 19 cm2)."""
    heights = [
        spine.image.z_mm[np.flatnonzero(outline.any(axis=1))].mean()
        for outline in spine.outlines.values()
    ]
    assert list(spine.outlines) == list(DXA_LEVELS)
    assert heights == sorted(heights, reverse=True)
    plan = plan_body(WOMAN)
    for level, outline in spine.outlines.items():
        width = float(outline.any(axis=0).sum())
        assert abs(width - plan.vertebra(level).size_mm[0]) < 9
        assert 9 < spine.levels[level].area_cm2 < 19


def test_total_is_mineral_over_area(spine):
    """Not the mean of the levels."""
    bmc = sum(region.bmc_g for region in spine.levels.values())
    area = sum(region.area_cm2 for region in spine.levels.values())
    assert spine.total.abmd_g_cm2 == pytest.approx(bmc / area)
    mean, sd = NHANES_III.spine
    assert spine.total.t_score == pytest.approx((spine.total.abmd_g_cm2 - mean) / sd)


@pytest.mark.parametrize(
    ("found", "low", "high"),
    [
        (LevelFindings(kellgren_lawrence=2, osteophyte_mm=3.5), 0.03, 0.08),
        (LevelFindings(kellgren_lawrence=3, osteophyte_mm=6.0), 0.10, 0.20),
        (LevelFindings(kellgren_lawrence=4, osteophyte_mm=10.0), 0.20, 0.45),
        (LevelFindings(facet_sclerosis=3), 0.25, 0.47),
    ],
)
def test_degeneration_increases_dxa_as_published(spine, found, low, high):
    """The same finding at L1 to L4 (docs/domain.md 3.6: Orwoll, Drinka)."""
    findings = Findings(levels=dict.fromkeys(DXA_LEVELS, found))
    sick = scan_spine(replace(WOMAN, findings=findings), precision_cv=0)
    rise = sick.total.abmd_g_cm2 - spine.total.abmd_g_cm2
    assert low <= rise <= high


def test_hyperostosis_changes_dxa_and_not_trabecular_bone(spine):
    """Bridging osteophytes and plaques: +0.2 to +0.45 g/cm2 (docs/domain.md 3.6)."""
    other = scan_spine(DEGENERATED, precision_cv=0)
    rise = other.total.abmd_g_cm2 - spine.total.abmd_g_cm2
    assert 0.1 < rise < 0.5
    assert core_hu(DEGENERATED) == pytest.approx(core_hu(WOMAN), abs=1)


def core_hu(subject):
    """Mean attenuation of the trabecular core of L3, 6 mm from cortex and end plates."""
    vertebra = plan_body(subject).vertebra(Level.L3)
    x, y, z = vertebra.centre_lps_mm
    grid = Grid(
        origin_lps_mm=(float(x) - 10, float(y) - 9, float(z) - 6),
        spacing_mm=(1.0, 1.0, 1.0),
        shape=(13, 12, 21),
    )
    return float(render(subject, grid, Media(kvp=120)).hu.mean())


def test_half_of_the_mineral_lies_behind_the_body():
    """L3 of the young: 51.4 % posterior, SD 4.2 (Lee 2009, docs/domain.md 3.3)."""
    subject = draw_subject(3, sex="F", age_years=25)
    x, y, z = plan_body(subject).vertebra(Level.L3).centre_lps_mm
    grid = Grid(
        origin_lps_mm=(float(x) - 54, float(y) - 30, float(z) - 45),
        spacing_mm=(0.9, 0.9, 0.9),
        shape=(100, 145, 121),
    )
    anatomy = render(subject, grid, Media(kvp=120))
    bone = spongiosa(subject.marrow_fat, 120)
    mineral = (anatomy.hu - bone.offset_hu) / bone.slope_hu_per_mg_cm3
    mine = anatomy.labels == Level.L3
    posterior = mineral[mine & (anatomy.parts == Part.POSTERIOR)].sum()
    assert posterior / mineral[mine].sum() == pytest.approx(0.514, abs=2 * 0.042)


def test_hip_regions_are_as_large_as_published(hip):
    """Neck box of women about 4.7 to 6 cm2 at 15 mm, total hip 30 to 40 cm2."""
    assert 4 < hip.neck.area_cm2 < 8
    assert 25 < hip.total.area_cm2 < 42
    assert not (hip.outlines["neck"] & ~hip.outlines["total"]).any()


def test_hip_follows_the_hip_density_of_the_person(hip):
    """Total hip of young women: 0.971 g/cm2 (NHANES); proportional to the drawn density."""
    assert hip.total.abmd_g_cm2 == pytest.approx(0.85 * 0.971, abs=0.08)
    weaker = scan_hip(replace(WOMAN, hip_density=0.6), precision_cv=0)
    assert weaker.total.abmd_g_cm2 / hip.total.abmd_g_cm2 == pytest.approx(0.6 / 0.85, abs=0.06)


def test_both_hips_have_similar_values(hip):
    """Left and right differ only by the tissue beside them."""
    right = scan_hip(WOMAN, -1, precision_cv=0)
    assert right.total.abmd_g_cm2 == pytest.approx(hip.total.abmd_g_cm2, rel=0.04)
    assert right.image.x_mm.mean() < 0 < hip.image.x_mm.mean()


def test_repeated_positioning_moves_a_region_by_the_stated_precision(spine):
    """1.3 %: the spine of one patient changes by less than four times that."""
    again = scan_spine(WOMAN)
    for level in DXA_LEVELS:
        ratio = again.levels[level].abmd_g_cm2 / spine.levels[level].abmd_g_cm2
        assert ratio != 1
        assert ratio == pytest.approx(1, abs=4 * 0.013)


def test_the_command_prints_json_and_draws_a_picture(tmp_path: Path):
    """Spine and hip of one patient."""
    picture = tmp_path / "dxa.png"
    command = [sys.executable, "-m", "training.cohort", "dxa", "--seed", "3", "--age", "65"]
    run = subprocess.run(
        [*command, "--sex", "F", "--picture", str(picture)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[4],
    )
    found = json.loads(run.stdout)
    assert set(found["levels"]) == {"L1", "L2", "L3", "L4"}
    assert found["t_score_reference"] == NHANES_III.name
    assert found["hip"]["total"]["t_score"] < 1
    with Image.open(picture) as drawn:
        assert drawn.width > 600

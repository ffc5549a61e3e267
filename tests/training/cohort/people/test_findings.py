"""Findings of a virtual patient: impossible ones are refused; prevalences agree with literature."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.cohort.errors import BadCohortConfig
from training.cohort.paint.raster import Part
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.prevalence import draw_findings
from training.cohort.people.subject import draw_subject


def of_l2(**stated):
    return Findings(levels={Level.L2: LevelFindings(**stated)})


@pytest.mark.parametrize(
    ("field", "stated"),
    [
        ("kellgren_lawrence", {"kellgren_lawrence": 5}),
        ("osteophyte_mm", {"osteophyte_mm": 13.0}),
        ("osteophyte_mg_cm3", {"osteophyte_mg_cm3": 1000.0}),
        ("height_loss", {"height_loss": 0.3}),
        ("height_loss", {"fracture": "wedge", "height_loss": 0.1}),
        ("fracture", {"fracture": "burst", "height_loss": 0.3}),
        ("impaction_hu", {"impaction_hu": 500.0}),
        ("disc_height", {"disc_height": 0.0}),
        ("cement_ml", {"cement_ml": -1.0}),
        ("metastasis_mm", {"metastasis": "lytic"}),
        ("metastasis", {"metastasis": "mixed", "metastasis_mm": 5.0}),
        ("haemangioma_mm", {"haemangioma_mm": 1.0}),
        ("schmorl_mm", {"schmorl_mm": 20.0}),
        ("facet_sclerosis", {"facet_sclerosis": 4}),
    ],
)
def test_an_impossible_level_is_refused_by_place_and_field(field, stated):
    with pytest.raises(BadCohortConfig, match=rf"findings\.levels\[L2\]\.{field} ="):
        of_l2(**stated)


@pytest.mark.parametrize(
    ("field", "stated"),
    [
        ("cobb_deg", {"cobb_deg": 60.0}),
        ("hip_prosthesis", {"hip_prosthesis": "both"}),
        ("lumbosacral", {"lumbosacral": "L7"}),
        ("thoracolumbar", {"thoracolumbar": "x"}),
        (r"plaque_mm3\[L3\]", {"plaque_mm3": {Level.L3: -1.0}}),
        ("plaque_mm3", {"plaque_mm3": {Level.T9: 10.0}}),
        ("levels", {"levels": {Level.SACRUM: LevelFindings()}}),
        ("plaque_mg_cm3", {"plaque_mg_cm3": 1500.0}),
        ("body_asymmetry", {"body_asymmetry": 0.5}),
    ],
)
def test_an_impossible_patient_is_refused_by_field(field, stated):
    with pytest.raises(BadCohortConfig, match=rf"findings\.{field}"):
        Findings(**stated)


@pytest.mark.parametrize(
    ("loss", "grade"), [(0.20, 1), (0.249, 1), (0.25, 2), (0.39, 2), (0.40, 3), (0.6, 3)]
)
def test_the_grade_follows_the_loss_of_height(loss, grade):
    """Genant 1993: 20 to 25, 25 to 40, over 40 percent."""
    assert LevelFindings(fracture="crush", height_loss=loss).genant_grade == grade


def test_a_subject_has_no_findings_unless_stated():
    assert draw_subject(5).findings == Findings()
    assert draw_subject(5).findings.as_json() == {}


def test_the_same_seed_draws_the_same_findings():
    one = draw_findings(8, age_years=75, sex="F", vbmd_mg_cm3=70.0)
    assert one == draw_findings(8, age_years=75, sex="F", vbmd_mg_cm3=70.0)
    assert any(
        one != draw_findings(seed, age_years=75, sex="F", vbmd_mg_cm3=70.0) for seed in (9, 10)
    )


def test_density_changes_fractures_only():
    """Every finding has its own random numbers."""
    for seed in range(40):
        weak = draw_findings(seed, age_years=80, sex="F", vbmd_mg_cm3=30.0)
        strong = draw_findings(seed, age_years=80, sex="F", vbmd_mg_cm3=200.0)
        healed = {
            level: replace(found, fracture="", height_loss=0.0, impaction_hu=100.0, cement_ml=0.0)
            for level, found in weak.levels.items()
        }
        kept = {level: found for level, found in healed.items() if found.changed()}
        others = {
            level: replace(found, fracture="", height_loss=0.0, impaction_hu=100.0, cement_ml=0.0)
            for level, found in strong.levels.items()
        }
        assert kept == {level: found for level, found in others.items() if found.changed()}
        assert weak.plaque_mm3 == strong.plaque_mm3


@pytest.mark.parametrize(("age", "share"), [(55, 0.35), (70, 0.80)])
def test_osteophytes_increase_with_age_as_published(age, share):
    """35 % at 55 and 80 % at 70 years; 400 draws have a standard error of 2.4 %."""
    drawn = [draw_findings(s, age_years=age, sex="M", vbmd_mg_cm3=110.0) for s in range(400)]
    grade_2 = [any(f.kellgren_lawrence >= 2 for f in one.levels.values()) for one in drawn]
    assert sum(grade_2) / 400 == pytest.approx(share, abs=0.08)


def test_plaque_volume_at_l4_has_the_published_mean():
    """Mean 214 mm3, SD 444 in patients of 60 and more who have plaques (lognormal)."""
    drawn = [draw_findings(s, age_years=75, sex="M", vbmd_mg_cm3=110.0) for s in range(500)]
    volumes = [one.plaque_mm3[Level.L4] for one in drawn if one.plaque_mm3]
    assert len(volumes) > 350
    assert sum(volumes) / len(volumes) == pytest.approx(214, abs=70)


def test_low_density_causes_more_fractures():
    def fractured(vbmd):
        drawn = [draw_findings(s, age_years=70, sex="F", vbmd_mg_cm3=vbmd) for s in range(300)]
        return sum(any(f.genant_grade for f in one.levels.values()) for one in drawn)

    assert fractured(60.0) > 2 * fractured(120.0)


def test_the_command_paints_drawn_findings_on_a_formed_skeleton(tmp_path):
    """The options change the truth and the label maps."""
    command = [sys.executable, "-m", "training.cohort", "simulate", "--out", str(tmp_path)]
    options = ["--seed", "3", "--age", "80", "--findings", "--family", "stout", "--labels"]
    options += ["--region", "slab", "--size", "64", "--spacing-mm", "5"]
    subprocess.run([*command, *options], check=True, cwd=Path(__file__).parents[4])
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["findings"]
    assert truth["subject"]["form"]["body_exponent"] >= 2.6
    labels, parts = (
        np.asanyarray(nibabel.nifti1.load(tmp_path / f"{name}.nii.gz").dataobj)
        for name in ("labels", "parts")
    )
    assert labels.shape == parts.shape
    assert {Part.CORE, Part.SHELL, Part.POSTERIOR} <= set(np.unique(parts[labels == Level.L2]))

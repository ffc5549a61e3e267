"""A simulated examination: measurements in the image agree with its truth."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from pipelines.contract.anatomy import Level
from tests.peers.validator import dciodvfy_errors
from training.cohort.body.anatomy import LABEL_FEMUR
from training.cohort.body.plan import plan_body
from training.cohort.errors import BadCohortConfig
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Shape, Volume
from training.cohort.paint.sdf import ellipsoid
from training.cohort.people.subject import draw_subject
from training.cohort.scan.image import content_digest
from training.cohort.scan.scanner import Scanner, fine_grid
from training.cohort.scan.simulate import ExaminationPlan, simulate
from training.cohort.scan.truth import label_affine_ras

SLAB = ExaminationPlan(
    subject=draw_subject(4),
    scanner=Scanner(noise=0.2, slice_thickness_mm=2.5),
    region="slab",
    size=128,
    field_of_view_mm=256.0,
)


@pytest.fixture(scope="module")
def slab():
    """L1 to L3 with little noise, 2 mm pixels."""
    return simulate(SLAB)


@pytest.fixture(scope="module")
def whole():
    """T10 to below the hips on a coarse grid."""
    coarse = replace(
        SLAB, region="abdomen", size=128, field_of_view_mm=420.0, slice_spacing_mm=6.0,
        scanner=Scanner(slice_thickness_mm=6.0),
    )  # fmt: skip
    return simulate(coarse)


def index_of(image, place_lps_mm):
    return np.rint(np.linalg.inv(image.affine_lps) @ np.append(place_lps_mm, 1))[:3].astype(int)


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_the_core_of_a_body_has_its_true_hu(slab, level):
    """Front two thirds, away from cortex, end plates and vein; texture changes a few percent."""
    truth = slab.truth["levels"][level]
    s, r, c = index_of(slab.image, truth["body_centroid_lps_mm"])
    core = slab.image.hu[s - 2 : s + 3, r - 4 : r + 2, c - 4 : c + 5]
    assert core.mean() == pytest.approx(
        truth["trabecular_hu"], abs=0.06 * truth["trabecular_hu"] + 4
    )


@pytest.mark.parametrize("level", [Level.L1, Level.L2, Level.L3])
def test_the_label_of_a_vertebra_lies_around_its_true_centroid(slab, level):
    s, r, c = index_of(slab.image, slab.truth["levels"][level.name]["body_centroid_lps_mm"])
    assert slab.labels[s, r, c] == level
    across = np.flatnonzero(slab.labels[s, r] == level)
    assert abs(across.mean() - c) < 1
    width = slab.truth["levels"][level.name]["body_size_mm"][0]
    assert abs(len(across) * 2.0 - width) < 6


def test_bone_is_bright_and_fat_dark(slab):
    s, r, c = index_of(slab.image, slab.truth["levels"]["L2"]["body_centroid_lps_mm"])
    disc = slab.image.hu[:, r, c]
    assert slab.image.hu[s].max() > 500
    assert disc.min() > -100
    assert slab.image.hu.min() == pytest.approx(-1000, abs=25)


def test_the_whole_abdomen_holds_every_bone_in_its_place(whole):
    present = set(np.unique(whole.labels))
    assert {*range(Level.T10, Level.L5 + 1), Level.SACRUM, 75, 76, 77, 78} <= present
    assert set(whole.truth["levels"]) == {"T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"}
    heights = {level: np.argwhere(whole.labels == level)[:, 0].mean() for level in present if level}
    order = [heights[level] for level in (*range(Level.T10, Level.L5 + 1), Level.SACRUM)]
    assert order == sorted(order, reverse=True)
    assert heights[LABEL_FEMUR[1]] < heights[Level.SACRUM]


def test_left_is_left(whole):
    """Patient x and the columns of a head-first supine stack increase to the left."""
    columns = {
        side: np.argwhere(whole.labels == LABEL_FEMUR[side])[:, 2].mean() for side in (1, -1)
    }
    assert columns[1] > 64 > columns[-1]
    liver, _ = whole.image.hu[-8, :, 20:50], None
    assert 20 < np.median(liver[40:70]) < 90


def test_the_same_seed_gives_the_same_bytes(slab):
    again = simulate(SLAB)
    assert content_digest(again.image) == content_digest(slab.image)
    assert again.header == slab.header
    assert json.dumps(again.truth) == json.dumps(slab.truth)


def test_another_seed_is_another_patient():
    one, other = draw_subject(1), draw_subject(2)
    assert one != other
    assert draw_subject(1) == one
    assert replace(SLAB, subject=one).key != replace(SLAB, subject=other).key


def test_a_given_sex_changes_no_other_draw():
    assert (
        draw_subject(9, sex="M").marrow_fat == draw_subject(9, age_years=None, sex="F").marrow_fat
    )


def test_a_thin_shell_has_its_correct_weight():
    """A shell of a tenth of a voxel adds its volume times its HU at any position of the voxels."""
    totals = []
    for shift in (0.0, 0.37):
        grid = Grid(
            origin_lps_mm=(-20.0 + shift, -20.0, -20.0),
            spacing_mm=(2.0, 2.0, 2.0),
            shape=(21, 21, 21),
        )
        volume = Volume.of_air(grid)
        ball = Shape(
            distance=lambda x, y, z: ellipsoid(x, y, z, (0, 0, 0), (14, 14, 14)),
            bounds=((-14, 14), (-14, 14), (-14, 14)),
        )
        volume.paint_shell(ball, depth=0.2, shell=9000.0, core=-1000.0)
        totals.append((volume.hu + 1000).sum() * 8)
    expected = 4 / 3 * np.pi * (14**3 - 13.8**3) * 10000
    assert totals == pytest.approx([expected, expected], rel=0.03)


def test_the_painted_stack_holds_every_slice_and_room_for_its_profile():
    grid = Grid(origin_lps_mm=(0.0, 0.0, 10.0), spacing_mm=(1.0, 1.0, 5.0), shape=(3, 4, 4))
    fine = fine_grid(grid, Scanner(slice_thickness_mm=5.0))
    heights = fine.axis(2)
    for slice_z in grid.axis(2):
        assert np.abs(heights - slice_z).min() < 1e-9
    assert heights[0] <= 10.0 - 2.5
    assert heights[-1] >= 20.0 + 2.5
    assert fine.axis(0)[0] < grid.axis(0)[0]
    assert fine.axis(1)[-1] > grid.axis(1)[-1]


def test_the_spine_has_the_given_lordosis():
    bent = replace(draw_subject(3), lordosis_deg=60.0)
    straight = replace(bent, lordosis_deg=35.0)
    assert plan_body(bent).sacral_slope_deg > plan_body(straight).sacral_slope_deg + 10


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("region", {"region": "knee"}),
        ("size", {"size": 4}),
        ("field_of_view_mm", {"field_of_view_mm": 3000.0}),
        ("slice_spacing_mm", {"slice_spacing_mm": -1.0}),
        ("slices", {"slices": 2}),
    ],
)
def test_the_error_for_an_impossible_plan_names_the_field(field, change):
    with pytest.raises(BadCohortConfig, match=field):
        simulate(replace(SLAB, **change))


@pytest.mark.parametrize(
    ("field", "change"),
    [("age_years", {"age_years": 7}), ("sex", {"sex": "X"}), ("bmi_kg_m2", {"bmi_kg_m2": 80.0}),
     (r"vbmd_mg_cm3\[L2\]", {"vbmd_mg_cm3": {**draw_subject(1).vbmd_mg_cm3, Level.L2: -3.0}})],
)  # fmt: skip
def test_the_error_for_an_impossible_patient_names_the_field(field, change):
    with pytest.raises(BadCohortConfig, match=field):
        replace(draw_subject(1), **change)


@pytest.mark.peer("dciodvfy")
def test_the_command_writes_an_examination_and_its_truth(tmp_path: Path):
    """End to end, as ``osteonode demo`` calls it."""
    command = [sys.executable, "-m", "training.cohort", "simulate", "--out", str(tmp_path)]
    options = ["--seed", "11", "--region", "slab", "--size", "96", "--localizer"]
    options += ["--phase", "portal", "--labels"]
    subprocess.run([*command, *options], check=True, cwd=Path(__file__).parents[4])
    truth = json.loads((tmp_path / "truth.json").read_text())
    files = sorted((tmp_path / "dicom").glob("IM*.dcm"))
    first = pydicom.dcmread(files[0])
    assert dciodvfy_errors(files[0]) == []
    assert truth["series_instance_uid"] == first.SeriesInstanceUID
    assert str(first.PatientName).startswith("VIRTUAL^")
    assert first.ImageComments == "SIMULATED"
    assert first.ContrastBolusAgent
    assert set(truth["levels"]) == {"L1", "L2", "L3"}
    labels = nibabel.nifti1.load(tmp_path / "labels.nii.gz")
    assert labels.shape == (96, 96, len(files))
    lps = np.array(first.ImagePositionPatient, float)
    np.testing.assert_allclose(labels.affine[:3, 3], lps * [-1, -1, 1], atol=1e-3)


def test_a_wrong_option_is_one_clear_line(tmp_path: Path):
    command = [sys.executable, "-m", "training.cohort", "simulate", "--out", str(tmp_path / "ct")]
    run = subprocess.run(
        [*command, "--kvp", "111"], check=False, capture_output=True, text=True,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.strip() == "error: kvp = 111; expected one of 80, 100, 120, 140"


def test_a_folder_with_another_series_is_refused(tmp_path: Path):
    """An examination must not be mixed with the files of an earlier, longer one."""
    stale = tmp_path / "ct" / "IM0999.dcm"
    stale.parent.mkdir()
    stale.touch()
    nifti = tmp_path / "tiny.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.eye(4)), nifti)
    command = [sys.executable, "-m", "training.cohort", "to-dicom", str(nifti)]
    run = subprocess.run(
        [*command, "--out", str(stale.parent)], check=False, capture_output=True, text=True,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert run.returncode == 2
    assert "IM0999.dcm" in run.stderr


def test_labels_share_the_geometry_of_the_image(slab):
    affine = label_affine_ras(slab.image)
    place = affine @ (3, 5, 7, 1)
    expected = slab.image.affine_lps @ (7, 5, 3, 1)
    np.testing.assert_allclose(place[:3], expected[:3] * [-1, -1, 1])

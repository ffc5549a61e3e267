"""Composition to HU, against published values."""

import numpy as np
import pytest

from training.cohort.errors import BadCohortConfig
from training.cohort.media import Media
from training.cohort.physics import (
    bone_tissue_hu,
    iodine_hu_per_mg_ml,
    material_hu,
    mean_marrow_fat,
    spongiosa,
)
from training.cohort.scanner import Scanner, noise_hu

# (low, high) HU at 120 kVp: textbooks of clinical CT.
CLINICAL = {
    "adipose": (-115, -90),
    "muscle": (35, 60),
    "blood": (35, 60),
    "liver": (40, 65),
    "kidney": (25, 45),
    "spleen": (35, 55),
    "urine": (-5, 20),
    "water": (-0.01, 0.01),
}

# Spectrum behind 25 cm of water, 120 kVp: mineral (mg/cm3), marrow fat, HU.
SPECTRAL = [(50, 0.62, 15), (80, 0.55, 67), (120, 0.47, 134), (150, 0.40, 184), (200, 0.25, 272)]


@pytest.mark.parametrize("name", CLINICAL)
def test_tissues_have_their_clinical_hu(name):
    low, high = CLINICAL[name]
    assert low <= material_hu(name, 120) <= high


@pytest.mark.parametrize(("vbmd", "fat", "expected"), SPECTRAL)
def test_spongiosa_agrees_with_a_polychromatic_computation(vbmd, fat, expected):
    assert spongiosa(fat, 120).at(vbmd) == pytest.approx(expected, abs=27)


@pytest.mark.parametrize(("kvp", "slope"), [(80, 1.813), (100, 1.496), (120, 1.309), (140, 1.182)])
def test_hu_per_mineral_follows_the_tube_voltage(kvp, slope):
    assert spongiosa(0.47, kvp).slope_hu_per_mg_cm3 == pytest.approx(slope, rel=0.06)


def test_marrow_fat_lowers_hu_and_grows_with_age():
    assert spongiosa(0.6, 120).at(120.0) < spongiosa(0.2, 120).at(120.0)
    assert mean_marrow_fat(80) > mean_marrow_fat(30)


def test_mineral_dominates_a_dense_cortex():
    assert 1400 < bone_tissue_hu(120) < 1700


def test_iodine_enhances_more_at_low_voltage():
    assert iodine_hu_per_mg_ml(120) == pytest.approx(25.5, abs=1.5)
    assert iodine_hu_per_mg_ml(80) > 1.5 * iodine_hu_per_mg_ml(120)


def test_phases_reach_their_clinical_aortic_hu():
    assert 250 <= Media(kvp=120, phase="arterial").hu("aorta") <= 350
    assert 140 <= Media(kvp=120, phase="portal").hu("aorta") <= 170
    assert 5 <= Media(kvp=120, phase="portal").marrow_rise_hu <= 27


def test_noise_goes_with_dose_slice_and_kernel():
    reference = noise_hu(Scanner(slice_thickness_mm=5.0), 30.0)
    assert reference == pytest.approx(12.0)
    assert noise_hu(Scanner(slice_thickness_mm=5.0, mas=50), 30.0) == pytest.approx(2 * reference)
    assert noise_hu(Scanner(slice_thickness_mm=1.25), 30.0) == pytest.approx(2 * reference)
    assert noise_hu(Scanner(slice_thickness_mm=5.0, kernel="SHARP"), 30.0) > reference
    assert noise_hu(Scanner(slice_thickness_mm=5.0, noise=0.0), 30.0) == 0


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("kvp", lambda: Scanner(kvp=111)),
        ("kernel", lambda: Scanner(kernel="FUZZY")),
        ("mas", lambda: Scanner(mas=-1)),
        ("noise", lambda: Scanner(noise=-0.1)),
        ("phase", lambda: Media(kvp=120, phase="late")),
        ("marrow_fat", lambda: spongiosa(1.2, 120)),
        ("kvp", lambda: material_hu("water", 50)),
    ],
)
def test_a_bad_value_names_its_field(field, call):
    with pytest.raises(BadCohortConfig, match=field):
        call()


def test_marrow_fat_stays_a_share():
    ages = np.arange(18, 101)
    assert all(0 < mean_marrow_fat(float(age)) < 1 for age in ages)

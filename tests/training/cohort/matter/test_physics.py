"""Composition to HU, against published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cohort.errors import BadCohortConfig
from training.cohort.matter.media import Media
from training.cohort.matter.physics import (
    KVPS,
    Beam,
    bone_tissue_hu,
    iodine_hu_per_mg_ml,
    material_hu,
    mean_energy_kev,
    mean_marrow_fat,
    mineral_mg_cm3,
    qct_mg_cm3,
    spongiosa,
)
from training.cohort.scan.scanner import Scanner, noise_hu

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

# Spectrum behind 25 cm of water, 120 kVp: mineral (mg/cm3), marrow fat, HU (docs/domain.md 3.4).
SPECTRAL = [(50, 0.62, 15), (80, 0.55, 67), (120, 0.47, 134), (150, 0.40, 184), (200, 0.25, 272)]

# The same at 120 mg/cm3 and a marrow fat of 0.47, by kVp (docs/domain.md 2.5).
BY_KVP = [(80, 185), (100, 152), (120, 134), (140, 121)]

# ESR/textbook ranges of HU of fat by kVp: fat has lower HU at low voltage.
FAT = [(80, (-125, -110)), (100, (-112, -98)), (120, (-105, -92)), (140, (-100, -88))]

# Mean density by single-energy QCT (mg/cm3, study 4, table 1, both sexes) and mean L1 attenuation
# (Jang 2019: 226 HU under 30 years, 2.5 HU less a year), by age.
QCT_AND_L1 = [(25, 177, 226), (35, 169, 206), (45, 149, 181), (55, 122, 156), (65, 94, 131)]


@pytest.mark.parametrize("name", CLINICAL)
def test_tissues_have_their_clinical_hu(name):
    low, high = CLINICAL[name]
    assert low <= material_hu(name, 120) <= high


@pytest.mark.parametrize(("vbmd", "fat", "expected"), SPECTRAL)
def test_spongiosa_agrees_with_a_polychromatic_computation(vbmd, fat, expected):
    assert spongiosa(fat, 120).at(vbmd) == pytest.approx(expected, abs=5)


@pytest.mark.parametrize(("kvp", "slope"), [(80, 1.813), (100, 1.496), (120, 1.309), (140, 1.182)])
def test_hu_per_mineral_follows_the_tube_voltage(kvp, slope):
    assert spongiosa(0.47, kvp).slope_hu_per_mg_cm3 == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(("kvp", "expected"), BY_KVP)
def test_spongiosa_follows_the_tube_voltage_as_computed_elsewhere(kvp, expected):
    assert spongiosa(0.47, kvp).at(120.0) == pytest.approx(expected, abs=3)


@pytest.mark.parametrize(("kvp", "range_hu"), FAT)
def test_fat_is_darker_at_low_voltage(kvp, range_hu):
    assert range_hu[0] <= material_hu("adipose", kvp) <= range_hu[1]


@pytest.mark.parametrize(("age", "qct", "l1_hu"), QCT_AND_L1)
def test_the_mean_patient_of_an_age_has_the_published_attenuation(age, qct, l1_hu):
    """Two measurements of two populations agree within a quarter of a standard deviation."""
    fat = mean_marrow_fat(age)
    assert spongiosa(fat, 120).at(mineral_mg_cm3(qct, fat)) == pytest.approx(l1_hu, abs=20)


@given(vbmd=st.floats(0, 400), fat=st.floats(0.1, 0.9), kvp=st.sampled_from(KVPS))
def test_qct_and_mineral_are_inverse_functions(vbmd, fat, kvp):
    reading = qct_mg_cm3(float(spongiosa(fat, kvp).at(vbmd)), kvp)
    assert mineral_mg_cm3(reading, fat, kvp) == pytest.approx(vbmd, abs=1e-6)


def test_fat_in_the_marrow_lowers_qct():
    """10 % more fat: 14 HU and 11 mg/cm3 less (docs/domain.md 2.4)."""
    low, high = (float(spongiosa(fat, 120).at(120.0)) for fat in (0.40, 0.50))
    assert low - high == pytest.approx(14, abs=2)
    assert qct_mg_cm3(low, 120) - qct_mg_cm3(high, 120) == pytest.approx(11, abs=1.5)


def test_a_large_patient_hardens_the_beam():
    """Bone has 5 to 15 HU less in obese patients (docs/domain.md 2.5)."""
    slim, obese = (spongiosa(0.5, Beam(kvp=120, water_cm=cm)).at(150.0) for cm in (24.0, 36.0))
    assert 5 < slim - obese < 18
    assert mean_energy_kev(Beam(kvp=120, water_cm=36.0)) > mean_energy_kev(120)


def test_the_spectrum_has_the_mean_energy_computed_elsewhere():
    """79.9 keV behind 25 cm of water at 120 kVp (docs/domain.md 3.4)."""
    assert mean_energy_kev(Beam(kvp=120, water_cm=25.0)) == pytest.approx(79.9, abs=1.0)


def test_marrow_fat_lowers_hu_and_grows_with_age():
    assert spongiosa(0.6, 120).at(120.0) < spongiosa(0.2, 120).at(120.0)
    assert mean_marrow_fat(80) > mean_marrow_fat(30)


def test_mineral_dominates_a_dense_cortex():
    assert 1400 < bone_tissue_hu(120) < 1700


def test_iodine_enhances_more_at_low_voltage():
    assert iodine_hu_per_mg_ml(120) == pytest.approx(25.0, abs=1.5)
    assert iodine_hu_per_mg_ml(80) > 1.5 * iodine_hu_per_mg_ml(120)


def test_phases_reach_their_clinical_aortic_hu():
    assert 250 <= Media(kvp=120, phase="arterial").hu("aorta") <= 350
    assert 140 <= Media(kvp=120, phase="portal").hu("aorta") <= 170
    assert 90 <= Media(kvp=120, phase="delayed").hu("aorta") <= 130


@pytest.mark.parametrize("phase", ["arterial", "portal", "delayed"])
def test_marrow_enhances_less_when_fatty(phase):
    """5 to 27 HU in the literature (docs/domain.md 2.5 and 3.4)."""
    media = Media(kvp=120, phase=phase)
    young, old = media.marrow_rise_hu(0.3), media.marrow_rise_hu(0.6)
    assert 5 <= old < young <= 27
    assert Media(kvp=80, phase=phase).marrow_rise_hu(0.3) > young
    assert Media(kvp=120).marrow_rise_hu(0.3) == 0


def test_a_dose_of_contrast_medium_scales_the_rise():
    plain, twice = Media(kvp=120), Media(kvp=120, phase="portal", iodine=2.0)
    once = Media(kvp=120, phase="portal")
    assert twice.hu("liver") - plain.hu("liver") == pytest.approx(
        2 * (once.hu("liver") - plain.hu("liver"))
    )


def test_noise_depends_on_dose_slice_and_kernel():
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
        ("iodine", lambda: Media(kvp=120, phase="portal", iodine=-1)),
        ("marrow_uptake", lambda: Media(kvp=120, phase="portal", marrow_uptake=-1)),
        ("kvp", lambda: Media(kvp=90)),
        ("water_cm", lambda: Beam(kvp=120, water_cm=-3.0)),
        ("aluminium_mm", lambda: Beam(kvp=120, aluminium_mm=90.0)),
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

"""From attenuation to density: tables, fits, the patient's tissues, ranges."""

import contextlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contract.calibration import GENERIC, CalibrationKind, Standard
from pipelines.contract.density_table import DensityTable, default_table, read_table
from pipelines.contract.findings import Abstained, ContrastPhase, DensityCategory, Measured
from pipelines.contract.reasons import Reason
from pipelines.density import nist
from pipelines.density.attenuation_to_density import DensityPath, choose_density
from pipelines.density.categories import categorize
from pipelines.density.fit_site_calibration import (
    Pair,
    fit_entry,
    measure_rods,
    parse_rod,
    read_pairs,
)
from pipelines.density.internal import fit_tissues
from pipelines.density.tissues import Tissues, measure_tissues
from pipelines.errors import BadDensityTable
from pipelines.gates.all_gates import Quality
from pipelines.read.volume import CtVolume, Segmentation
from tests.pipelines.gates.test_gates import GOOD, volume
from tests.pipelines.stacks import Stack

SCAN = replace(GOOD, manufacturer="ACME", model_name="Ring 64")
UNENHANCED = Quality(concerns=(), phase=ContrastPhase.NONE)


def entry(**changes: object):
    """A calibration of SCAN's scanner: 1.25 HU per mg/cm3, 10 HU at zero."""
    pairs = [Pair(hu=1.25 * d + 10, density_mg_cm3=d) for d in (0.0, 50.0, 100.0, 200.0)]
    made = fit_entry(
        pairs,
        SCAN,
        standard=Standard.K2HPO4,
        source="phantom",
        fitted_on=date(2026, 1, 5),
        in_patients=False,
    )
    return made.model_copy(update=changes)


def table_with(*entries) -> DensityTable:
    return default_table().model_copy(update={"calibrations": entries})


def hu(value: float) -> Measured:
    return Measured(value=value, unit="[hnsf'U]")


def density(value: float, uncertainty: float = 1.0) -> Measured:
    return Measured(value=value, unit="mg/cm3", standard_uncertainty=uncertainty)


# Attenuation of tissues: golden numbers from the NIST tables and clinical CT.


@pytest.mark.parametrize(
    ("material", "low", "high"),
    [(nist.ADIPOSE, -110, -90), (nist.MUSCLE, 40, 60), (nist.BLOOD, 40, 60), (nist.WATER, 0, 0)],
)
def test_tissues_at_70_kev_have_the_hu_of_patients(material, low, high):
    """Fat about -100, muscle and blood about 50 HU at 120 kV."""
    assert low <= nist.hounsfield(material, 70.0) <= high


def test_water_attenuates_as_in_the_nist_table():
    """0.2059 cm2/g at 60 keV and 0.1837 at 80 keV (NIST, XCOM table of liquid water)."""
    assert nist.mass_attenuation(nist.WATER[1], 60) == pytest.approx(0.2059, abs=2e-4)
    assert nist.mass_attenuation(nist.WATER[1], 80) == pytest.approx(0.1837, abs=2e-4)


def test_softer_beams_show_more_mineral():
    """HU per mg/cm3 falls with energy."""
    slopes = [nist.hu_per_mg_hydroxyapatite(energy) for energy in (55, 65, 75, 85)]
    assert slopes == sorted(slopes, reverse=True)


# Fits.


@given(
    slope=st.floats(0.7, 2.0),
    offset=st.floats(-30, 30),
    densities=st.lists(st.floats(0, 300), min_size=3, max_size=12, unique=True).filter(
        lambda values: max(values) - min(values) > 1
    ),
)
def test_a_fit_finds_the_line_behind_its_pairs(slope, offset, densities):
    """The inverse of the line returns the densities."""
    pairs = [Pair(hu=slope * d + offset, density_mg_cm3=d) for d in densities]
    line = fit_entry(
        pairs,
        SCAN,
        standard=Standard.HYDROXYAPATITE,
        source="x",
        fitted_on=date(2026, 1, 1),
        in_patients=True,
    ).calibration()
    for pair in pairs:
        value, uncertainty = line.density(pair.hu)
        assert value == pytest.approx(pair.density_mg_cm3, abs=0.02)
        assert uncertainty == pytest.approx(0.1, abs=0.05)


def test_uncertainty_of_a_fit_is_its_residual_spread():
    """Four pairs, residuals of 5 HU at a slope of 1: sqrt(4 * 25 / 2) mg/cm3."""
    pairs = [
        Pair(hu=d + r, density_mg_cm3=d)
        for d, r in ((0.0, 5.0), (100.0, -5.0), (200.0, -5.0), (300.0, 5.0))
    ]
    made = fit_entry(
        pairs,
        SCAN,
        standard=Standard.K2HPO4,
        source="x",
        fitted_on=date(2026, 1, 1),
        in_patients=True,
    )
    assert made.hu_per_mg_cm3 == pytest.approx(1.0)
    assert made.uncertainty_mg_cm3 == pytest.approx(np.sqrt(50))


def test_a_line_of_rods_is_less_sure_in_patients_than_on_the_rods():
    """J Bone Miner Res 2023: 2.4 mg/cm3 bias, SD 3.5; one scanner model: 1.4 % (Skornitzke 2022)."""
    rods, patients = (entry(in_patients=known).calibration() for known in (False, True))
    for value in (0.0, 100.0):
        attenuation = 10 + 1.25 * value
        published = np.hypot(np.hypot(2.4, 3.5), 0.014 * value)
        found, uncertainty = rods.density(attenuation)
        assert found == pytest.approx(value)
        assert uncertainty == pytest.approx(published, rel=0.02)
        assert patients.density(attenuation)[1] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([Pair(hu=0, density_mg_cm3=0)], "at least 3"),
        ([Pair(hu=h, density_mg_cm3=100) for h in (1, 2, 3)], "one density"),
        ([Pair(hu=-d, density_mg_cm3=d) for d in (0, 50, 100)], "falls"),
    ],
)
def test_pairs_that_make_no_line_are_refused(pairs, words):
    """The error names the reason."""
    with pytest.raises(BadDensityTable, match=words):
        fit_entry(
            pairs,
            SCAN,
            standard=Standard.K2HPO4,
            source="x",
            fitted_on=date(2026, 1, 1),
            in_patients=False,
        )


def test_rods_of_a_phantom_are_measured_at_their_positions():
    """Rods of 12 mm in water; the middle half of the slices."""
    plan = Stack(shape=(12, 128, 128), spacing_mm=(3.0, 1.0, 1.0))
    ct = volume(plan)
    values = np.zeros(plan.shape, np.float32)
    rows, columns = np.indices((128, 128))
    for density_, row, column in ((0, 30, 40), (100, 60, 70), (200, 90, 30)):
        values[:, np.hypot(rows - row, columns - column) <= 6] = 1.3 * density_ + 5
    values[:2] = 900
    ct = replace(ct, hu=values)
    pairs = measure_rods(ct, [parse_rod(t) for t in ("0@40,30", "100@70,60", "200@30,90")])
    assert [pair.hu for pair in pairs] == pytest.approx([5, 135, 265])
    with pytest.raises(BadDensityTable, match="middle of a rod"):
        measure_rods(ct, [parse_rod("200@36,90")])
    with pytest.raises(BadDensityTable, match="in the image"):
        measure_rods(ct, [parse_rod("200@1,1")])


@given(st.text(max_size=20))
def test_a_rod_is_read_or_refused(text):
    """No text raises another error."""
    with contextlib.suppress(BadDensityTable):
        parse_rod(text)


def test_pairs_name_the_line_that_is_wrong(tmp_path: Path):
    """CSV of a spreadsheet, with a byte order mark and further columns."""
    file = tmp_path / "pairs.csv"
    file.write_text("\ufeffid,hu,density_mg_cm3\na,130,100\nb,65,50\n", encoding="utf-8")
    assert read_pairs(file) == (
        Pair(hu=130, density_mg_cm3=100),
        Pair(hu=65, density_mg_cm3=50),
    )
    file.write_text("hu,density_mg_cm3\n130,100\nx,50\n", encoding="utf-8")
    with pytest.raises(BadDensityTable, match="line 3"):
        read_pairs(file)
    file.write_text("hounsfield,bmd\n130,100\n", encoding="utf-8")
    with pytest.raises(BadDensityTable, match="columns"):
        read_pairs(file)


# Tables.


def test_the_shipped_table_has_no_calibration():
    """The line of another scanner is not valid for this one."""
    assert default_table().calibrations == ()


@pytest.mark.parametrize(
    ("header", "suits"),
    [
        (SCAN, True),
        (replace(SCAN, model_name="RING 64 "), True),
        (replace(SCAN, model_name="Ring 128"), False),
        (replace(SCAN, kvp=100), False),
        (replace(SCAN, kvp=None), False),
        (replace(SCAN, convolution_kernel="BONE"), False),
        (replace(SCAN, convolution_kernel=None), False),
        (replace(SCAN, manufacturer=None), False),
    ],
)
def test_an_entry_holds_for_its_scanner_voltage_and_kernel(header, suits):
    """Anything unknown does not match."""
    assert (table_with(entry()).entry_for(header) is not None) is suits


def test_the_newest_entry_counts():
    """Scanners drift, so the last calibration is used."""
    newer = entry(fitted_on=date(2026, 6, 1), hu_at_zero=3.0)
    assert table_with(newer, entry()).entry_for(SCAN) == newer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"version": "1", "calibrations": [{}]}', "calibrations.0.manufacturer"),
        ('{"version": "1", "extra": 1}', "extra"),
    ],
)
def test_a_bad_table_names_the_field(tmp_path: Path, text: str, words: str):
    """A typing mistake results in a message without a traceback."""
    file = tmp_path / "table.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadDensityTable, match=words):
        read_table(file)


def test_portal_venous_density_is_corrected_as_published():
    """Toelly 2017: unenhanced = 0.978 venous - 4.517; 86.2 mg/cm3 becomes 79.8."""
    correction = default_table().correction_for(ContrastPhase.PORTAL_VENOUS)
    path = DensityPath(calibration=GENERIC, correction=correction)
    corrected = path.density(hu(86.2 * 1.309))
    plain = DensityPath(calibration=GENERIC).density(hu(86.2 * 1.309))
    assert isinstance(corrected, Measured)
    assert isinstance(plain, Measured)
    assert corrected.value == pytest.approx(79.8, abs=0.1)
    assert (corrected.standard_uncertainty or 0) > 0.97 * (plain.standard_uncertainty or 0)


# The patient's own tissues.


def test_a_fit_on_tissues_finds_the_energy_they_were_made_with():
    """Air, fat and muscle calculated at 68 keV; enhanced muscle is left out."""
    made = [-1000.0, nist.hounsfield(nist.ADIPOSE, 68), nist.hounsfield(nist.MUSCLE, 68)]
    fit = fit_tissues(Tissues(air=made[0], fat=made[1], muscle=made[2]), enhanced=False)
    enhanced = fit_tissues(Tissues(air=made[0], fat=made[1], muscle=90.0), enhanced=True)
    assert fit is not None
    assert enhanced is not None
    assert fit.energy_kev == enhanced.energy_kev == 68.0
    assert fit.is_plausible


@pytest.mark.parametrize(
    "tissues",
    [
        Tissues(air=-1020.0, fat=-102.0, muscle=50.0),
        Tissues(air=-980.0, fat=-102.0, muscle=50.0),
        Tissues(air=-1000.0, fat=-70.0, muscle=50.0),
        Tissues(air=-1000.0, fat=-139.0, muscle=50.0),
    ],
)
def test_tissues_with_strange_hu_are_implausible(tissues):
    """Air outside -1010..-985 HU, effective energy outside 55..90 keV."""
    fit = fit_tissues(tissues, enhanced=False)
    assert fit is not None
    assert not fit.is_plausible


def patient(air: float = -1000.0, fat: float = -102.0) -> tuple[CtVolume, Segmentation]:
    """Return bodies in muscle, in a layer of fat, in air."""
    plan = Stack(shape=(48, 150, 160), spacing_mm=(3.0, 2.0, 2.0))
    ct = volume(plan, manufacturer="ACME", model_name="Ring 64")
    labels = plan.labels()
    rows, columns = np.indices(plan.shape[1:])
    radius = np.hypot((rows - 75) / 1.0, (columns - 80) / 1.0) * 2.0
    values = np.where(radius < 92, 44.0, np.where(radius < 115, fat, air))
    values = np.where((radius > 112) & (radius < 115), 20.0, values)
    stack = np.broadcast_to(values, plan.shape).astype(np.float32).copy()
    stack[labels > 0] = 150
    stack += np.random.default_rng(3).normal(0, 10, plan.shape).astype(np.float32)
    return replace(ct, hu=stack), Segmentation(labels=labels, geometry=ct.geometry)


def test_air_fat_and_muscle_are_found_around_the_spine():
    """With noise of 10 HU the error is below 2 HU."""
    found = measure_tissues(*patient())
    assert found.air == pytest.approx(-1000, abs=2)
    assert found.fat == pytest.approx(-102, abs=2)
    assert found.muscle == pytest.approx(44, abs=2)


def test_padding_outside_the_circle_is_no_air():
    """-2000 HU around the reconstructed circle hides the air, so air is ``None``."""
    ct, segmentation = patient()
    rows, columns = np.indices(ct.hu.shape[1:])
    changed = ct.hu.copy()
    changed[:, np.hypot(rows - 75, columns - 80) * 2 > 118] = -2000
    assert measure_tissues(replace(ct, hu=changed), segmentation).air is None


# The choice.


def test_an_entry_of_the_table_comes_first():
    """Asynchronous calibration, in its own standard."""
    ct, segmentation = patient()
    path = choose_density(ct, segmentation, UNENHANCED, table_with(entry()))
    assert path.calibration.kind is CalibrationKind.ASYNCHRONOUS
    assert path.calibration.standard is Standard.K2HPO4
    found = path.density(hu(135))
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(100)
    assert path.flags(found) == ()
    assert path.flags(density(250)) == (Reason.OUTSIDE_CALIBRATION,)


def test_without_an_entry_the_tissues_calibrate():
    """Internal calibration, flagged."""
    path = choose_density(*patient(), UNENHANCED, default_table())
    assert path.calibration.kind is CalibrationKind.INTERNAL
    assert path.flags(density(100)) == (Reason.CALIBRATED_INTERNALLY,)


def test_tissues_out_of_range_withhold_density():
    """Air of -1020 HU: the HU of this scan are not accurate enough."""
    path = choose_density(*patient(air=-1020.0), UNENHANCED, default_table())
    assert path.density(hu(135)) == Abstained(reason=Reason.TISSUES_IMPLAUSIBLE)


def test_without_air_and_fat_the_generic_line_is_left():
    """A small field of view shows neither."""
    plan = Stack()
    ct = volume(plan)
    segmentation = Segmentation(labels=plan.labels(), geometry=ct.geometry)
    path = choose_density(ct, segmentation, UNENHANCED, default_table())
    assert path.calibration == GENERIC
    assert path.flags(density(100)) == (Reason.UNCALIBRATED,)


def test_another_voltage_needs_an_entry():
    """100 kV without a calibration at 100 kV: no density."""
    ct, segmentation = patient()
    ct = replace(ct, header=replace(ct.header, kvp=100))
    path = choose_density(ct, segmentation, UNENHANCED, default_table())
    assert path.density(hu(135)) == Abstained(reason=Reason.KVP_NOT_120)
    calibrated = choose_density(ct, segmentation, UNENHANCED, table_with(entry(kvp=100)))
    assert isinstance(calibrated.density(hu(135)), Measured)


# Ranges.


@pytest.mark.parametrize(
    ("value", "uncertainty", "category"),
    [
        (60, 5, DensityCategory.VERY_LOW),
        (100, 5, DensityCategory.LOW),
        (160, 5, DensityCategory.NOT_LOW),
        (75, 5, DensityCategory.INDETERMINATE),
        (125, 5, DensityCategory.INDETERMINATE),
        (100, 30, DensityCategory.INDETERMINATE),
    ],
)
def test_a_range_is_named_only_where_the_interval_lies_in_it(value, uncertainty, category):
    """Below 80, 80 to 120, above 120 mg/cm3."""
    found = categorize(density(value, uncertainty), age_years=65, sex="F", phase=ContrastPhase.NONE)
    assert found is category


@pytest.mark.parametrize(
    ("age", "sex", "phase", "reason"),
    [
        (49.9, "F", ContrastPhase.NONE, Reason.NOT_IN_SCOPE),
        (30, "M", ContrastPhase.NONE, Reason.NOT_IN_SCOPE),
        (None, "F", ContrastPhase.NONE, Reason.AGE_OR_SEX_UNKNOWN),
        (60, None, ContrastPhase.NONE, Reason.AGE_OR_SEX_UNKNOWN),
        (60, "O", ContrastPhase.NONE, Reason.AGE_OR_SEX_UNKNOWN),
        (60, "F", ContrastPhase.ARTERIAL, Reason.NEAR_A_CUT),
        (60, "F", ContrastPhase.UNKNOWN, Reason.NEAR_A_CUT),
    ],
)
def test_no_range_outside_its_scope(age, sex, phase, reason):
    """Young patients, unknown ones, and contrast within 5 % of a limit."""
    found = categorize(density(83.0, 0.5), age_years=age, sex=sex, phase=phase)
    assert found == Abstained(reason=reason)

"""Measurement of the density path: figures from given scans, and one simulated scan."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.density.fit_site_calibration import measure_rods
from training.cohort.matter.physics import mineral_in_water_hu_per_mg_cm3
from training.cohort.scan.as_ct_volume import volume
from training.cohort.scan.equipment import GENERIC, HELD_OUT
from training.cohort.scan.phantom import WATER_CM, scan_phantom
from training.cohort.scan.scanner import Scanner
from training.evaluate.density import (
    UPTAKES,
    Error,
    Scanned,
    phantom_entry,
    rows_of,
    scan_patient,
    scan_uptakes,
    scan_whole,
    uptake_rows,
    whole_rows,
)


def scanned(value: float | None, *, phase: str = "none", right: bool = True) -> Scanned:
    error = None if value is None else Error(value=value, uncertainty=1.5)
    return Scanned(
        phase=phase, slice_mm=1.0, phase_is_right=right, asynchronous=error, internal=error
    )


def test_bias_and_sd_include_only_reported_densities() -> None:
    errors = [1.0, -2.0, 4.0]
    rows = rows_of([*(scanned(e) for e in errors), scanned(None, right=False)])
    found = {row.what: row for row in rows if "known masks" in row.on}
    assert found["asynchronous vBMD: bias, mg/cm3"].value == pytest.approx(1.0)
    assert found["asynchronous vBMD: SD, mg/cm3"].value == pytest.approx(3.0)
    assert found["asynchronous vBMD: SD, mg/cm3"].n == 3
    assert found["asynchronous: densities withheld"].value == 1
    assert found["asynchronous vBMD: 95 % intervals that hold the truth"].value == 2
    flagged = [row for row in rows if row.what == "phase rightly flagged" and row.n]
    assert [(row.value, row.n) for row in flagged] == [(3, 4)]


def test_the_phantom_line_corrects_the_error_of_the_scanner() -> None:
    """The line has the slope of the beam and shifts with the HU error of the scanner."""
    scanner = Scanner(
        model=HELD_OUT[0], kernel=HELD_OUT[0].kernel("standard").name, slice_thickness_mm=5
    )
    entry, shifted = (phantom_entry(replace(scanner, hu_drift=drift)) for drift in (0.0, 12.0))
    slope = mineral_in_water_hu_per_mg_cm3(scanner.beam(WATER_CM))
    assert entry.hu_per_mg_cm3 == pytest.approx(slope, rel=0.01)
    assert shifted.hu_at_zero - entry.hu_at_zero == pytest.approx(12, abs=0.5)
    assert entry.range_mg_cm3 == (0, 200)


@pytest.mark.parametrize("kernel", ["smooth", "standard"])
def test_rods_of_a_phantom_have_the_hu_of_their_mineral(kernel: str) -> None:
    """On a scanner without errors or noise; the disc of 5 mm does not touch the border."""
    scanner = Scanner(model=GENERIC, kernel=kernel, noise=0, slice_thickness_mm=2.5)
    phantom = scan_phantom(scanner)
    ct = volume(phantom.image.hu, phantom.image.affine_lps)
    slope = mineral_in_water_hu_per_mg_cm3(scanner.beam(WATER_CM))
    for pair in measure_rods(ct, phantom.rods):
        assert pair.hu == pytest.approx(slope * pair.density_mg_cm3, abs=1)


def test_a_scanned_patient_has_nearly_the_true_density_and_the_right_phase() -> None:
    """5 mm, without and with contrast medium; limits are three SD of the committed figures."""
    scans = scan_patient(9)
    assert [one.phase for one in scans] == ["none", "portal"]
    assert all(one.phase_is_right for one in scans)
    for one, limit in zip(scans, (14, 19), strict=True):
        assert one.asynchronous is not None
        assert abs(one.asynchronous.value) < limit
        assert one.asynchronous.is_covered


def test_more_marrow_uptake_increases_the_measured_density() -> None:
    """The same patient and noise; published uptakes from none to 27 HU in healthy donors."""
    scans = scan_uptakes(9)
    assert [one.uptake for one in scans] == list(UPTAKES)
    errors = [one.asynchronous.value for one in scans if one.asynchronous is not None]
    assert len(errors) == 3
    assert 4 < errors[1] - errors[0] < 12
    assert 4 < errors[2] - errors[1] < 18
    rows = uptake_rows([one for one in scans for _ in range(2)])
    assert len({row.on for row in rows}) == 3
    assert all(row.goal is None for row in rows)


def test_a_whole_scan_is_measured_without_known_masks() -> None:
    """5 mm: three or four of L1 to L4 are found in both phases; limits as above."""
    scans = scan_whole(4)
    assert [one.phase for one in scans] == ["none"] * 4 + ["portal"] * 4
    assert all(one.phase_is_right for one in scans)
    for phase, limit in (("none", 14), ("portal", 19)):
        errors = [one.asynchronous for one in scans if one.phase == phase]
        found = [error.value for error in errors if error is not None]
        assert len(found) >= 3
        assert abs(float(np.mean(found))) < limit
    assert {row.n for row in whole_rows(scans) if row.what == "phase rightly flagged"} == {4}

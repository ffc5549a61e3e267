"""The density path against virtual patients: what is computed from scans, and one scan."""

import numpy as np
import pytest

from training.cohort.equipment import HELD_OUT
from training.cohort.scanner import Scanner
from training.evaluate_density import (
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


def test_bias_and_spread_are_those_of_what_is_not_withheld() -> None:
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


def test_the_phantom_undoes_what_a_scanner_adds() -> None:
    """Water in the phantom reads 0 mg/cm3, whatever the scanner's error of HU."""
    scanner = Scanner(model=HELD_OUT[0], kernel=HELD_OUT[0].kernel("standard").name)
    density, _ = phantom_entry(scanner).calibration().density(scanner.offset_hu)
    assert density == pytest.approx(0, abs=1e-6)


def test_a_scanned_patient_reads_near_the_truth_in_the_right_phase() -> None:
    """5 mm, without and with contrast medium; limits are three SD of the committed figures."""
    scans = scan_patient(9)
    assert [one.phase for one in scans] == ["none", "portal"]
    assert all(one.phase_is_right for one in scans)
    for one, limit in zip(scans, (14, 19), strict=True):
        assert one.asynchronous is not None
        assert abs(one.asynchronous.value) < limit


def test_marrow_that_takes_up_more_reads_denser() -> None:
    """The same patient and noise; publications' uptakes from none to 27 HU in healthy donors."""
    scans = scan_uptakes(9)
    assert [one.uptake for one in scans] == list(UPTAKES)
    errors = [one.asynchronous.value for one in scans if one.asynchronous is not None]
    assert len(errors) == 3
    assert 4 < errors[1] - errors[0] < 12
    assert 4 < errors[2] - errors[1] < 18
    rows = uptake_rows([one for one in scans for _ in range(2)])
    assert len({row.on for row in rows}) == 3
    assert all(row.goal is None for row in rows)


def test_a_whole_scan_is_measured_without_being_told_where_the_bones_are() -> None:
    """5 mm: L1 to L4 in both phases, three or four found each; limits as above."""
    scans = scan_whole(4)
    assert [one.phase for one in scans] == ["none"] * 4 + ["portal"] * 4
    assert all(one.phase_is_right for one in scans)
    for phase, limit in (("none", 14), ("portal", 19)):
        errors = [one.asynchronous for one in scans if one.phase == phase]
        found = [error.value for error in errors if error is not None]
        assert len(found) >= 3
        assert abs(float(np.mean(found))) < limit
    assert {row.n for row in whole_rows(scans) if row.what == "phase rightly flagged"} == {4}

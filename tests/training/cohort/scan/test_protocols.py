"""Protocols: scanned region, headers, and plans that are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.peers.validator import dciodvfy_errors
from training.cohort.body.plan import plan_body
from training.cohort.errors import BadCohortConfig
from training.cohort.people.subject import draw_subject
from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.cohort.scan.protocols import PROTOCOLS, draw_plan, find_protocol, usual_plan
from training.cohort.scan.simulate import REGIONS, ExaminationPlan, image_grid, simulate
from training.cohort.scan.truth import is_covered
from training.cohort.write.dicom import TRANSFER_SYNTAXES, write_series
from training.cohort.write.enhanced import write_enhanced

SUBJECT = draw_subject(4)
BODY = plan_body(SUBJECT)

LEVELS_OF = {
    "abdomen": {"T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"},
    "abdomen_low_dose": {"T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"},
    "chest": {"T8", "T12", "L1", "L2"},
    "chest_abdomen_pelvis": {"T8", "T12", "L1", "L5"},
    "lumbar": {"T12", "L1", "L2", "L3", "L4", "L5"},
}


def covered(plan):
    grid = image_grid(plan, BODY)
    return {v.name for v in BODY.vertebrae if is_covered(v, grid.affine_lps, grid.shape)}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_usual_scan_covers_its_region(name):
    assert covered(usual_plan(name, SUBJECT)) >= LEVELS_OF[name]


def test_a_lumbar_field_of_view_is_small_and_lies_on_the_spine():
    grid = image_grid(usual_plan("lumbar", SUBJECT), BODY)
    middle = BODY.spine_y(grid.axis(2).mean())
    assert grid.spacing_mm[0] < 0.45
    assert abs(grid.axis(1).mean() - middle) < 15


def test_the_low_dose_protocol_is_noisier_by_dose():
    low, usual = (usual_plan(name, SUBJECT).scanner for name in ("abdomen_low_dose", "abdomen"))
    assert low.mas < usual.mas / 3
    assert low.iterative > usual.iterative


@given(seed=st.integers(0, 2**40), name=st.sampled_from(list(PROTOCOLS)))
@settings(max_examples=60, deadline=None)
def test_every_drawn_scan_is_within_its_protocol(seed, name):
    protocol, plan = find_protocol(name), draw_plan(name, SUBJECT, seed=seed)
    scanner = plan.scanner
    assert scanner.model in TRAINING
    assert scanner.reconstruction in scanner.model.kernels
    assert scanner.kvp in protocol.kvps
    assert protocol.mas[1] <= scanner.mas <= protocol.mas[2]
    assert (plan.slice_spacing_mm, scanner.slice_thickness_mm) in protocol.slices_mm
    assert plan.phase in protocol.phases
    assert draw_plan(name, SUBJECT, seed=seed) == plan


def test_draws_differ_and_a_test_set_uses_the_given_scanner():
    plans = [draw_plan("abdomen", SUBJECT, seed=k) for k in range(60)]
    assert {p.scanner.model.name for p in plans} == {m.name for m in TRAINING}
    assert {p.phase for p in plans} == {"none", "portal", "arterial", "delayed"}
    assert len({p.slice_spacing_mm for p in plans}) > 3
    held_out = draw_plan("abdomen", SUBJECT, seed=1, models=HELD_OUT)
    assert held_out.scanner.model in HELD_OUT


def test_a_chest_may_end_inside_l1_or_l2():
    """Routine chest CTs end there; the draw changes the lower end."""
    ends = [covered(draw_plan("chest", SUBJECT, seed=k)) for k in range(40)]
    assert any("L2" in levels for levels in ends)
    assert any("L2" not in levels and "L1" in levels for levels in ends)
    assert any("L1" not in levels for levels in ends)


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_protocol_writes_valid_objects_with_their_acquisition(tmp_path: Path, name):
    """Classic in three compressed syntaxes and Enhanced, read back by pydicom."""
    plan = draw_plan(name, SUBJECT, seed=5, models=HELD_OUT)
    plan = replace(plan, size=32, slices=4, slice_spacing_mm=15.0, cut_below_mm=0.0)
    made = simulate(plan)
    files: list[Path] = []
    for syntax in ("jpeg-ls", "jpeg-2000", "rle"):
        folder = tmp_path / syntax
        files = write_series(
            made.image, made.header, folder, transfer_syntax=TRANSFER_SYNTAXES[syntax]
        )
        assert dciodvfy_errors(files[0]) == []
        enhanced = write_enhanced(
            made.image,
            made.header,
            folder / "enhanced.dcm",
            transfer_syntax=TRANSFER_SYNTAXES[syntax],
        )
        assert dciodvfy_errors(enhanced) == []

    ds = pydicom.dcmread(files[0])
    assert ds.BodyPartExamined == REGIONS[plan.region].body_part
    assert (ds.Manufacturer, ds.ManufacturerModelName) == ("Tamsin Healthcare", "Solaris 256")
    assert ds.ProtocolName == name
    assert plan.scanner.kvp == ds.KVP
    assert ds.ConvolutionKernel == plan.scanner.reconstruction.name
    assert ds.Exposure == plan.scanner.mas
    assert ds.SliceThickness == plan.scanner.slice_thickness_mm
    assert ds.PixelSpacing[0] == pytest.approx(plan.field_of_view_mm / 32)
    assert ("ContrastBolusAgent" in ds) == (plan.phase != "none")
    assert ds.ImageComments == "SIMULATED"
    stored = ds.pixel_array * ds.RescaleSlope + ds.RescaleIntercept
    np.testing.assert_array_equal(stored, made.image.hu[0])


def test_the_truth_repeats_the_acquisition():
    plan = draw_plan("lumbar", SUBJECT, seed=8)
    plan = replace(plan, size=16, slice_spacing_mm=20.0)
    scan: Any = simulate(plan).truth["scan"]
    assert scan["kvp"] == plan.scanner.kvp
    assert scan["kernel"] == plan.scanner.reconstruction.name
    assert scan["kernel_family"] == plan.scanner.reconstruction.family
    assert scan["scanner"] == plan.scanner.model.name
    assert scan["protocol"] == "lumbar"
    assert scan["contrast_phase"] == plan.phase


def test_the_error_for_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(BadCohortConfig, match=r"protocol = 'knee'.*lumbar"):
        usual_plan("knee", SUBJECT)


@pytest.mark.parametrize(
    "change",
    [{"offset_mm": (300.0, 0.0)}, {"cut_below_mm": 900.0}, {"field_of_view_mm": 80.0, "offset_mm": (0.0, 90.0)}],
)  # fmt: skip
def test_a_field_of_view_that_misses_the_spine_is_refused(change):
    plan = replace(usual_plan("lumbar", SUBJECT), size=16, **change)
    with pytest.raises(BadCohortConfig, match=next(iter(change))):
        simulate(plan)


NUMBERS = {
    "size": st.one_of(st.integers(-5, 15), st.integers(1025, 10**6)),
    "field_of_view_mm": st.one_of(st.floats(-1e6, 79.9), st.floats(601, 1e6), st.just(np.nan)),
    "slice_spacing_mm": st.one_of(st.floats(-1e6, 0.39), st.floats(20.1, 1e6), st.just(np.nan)),
    "slices": st.one_of(st.integers(-5, 0), st.integers(2001, 10**6)),
    "cut_below_mm": st.one_of(st.floats(-1e6, -0.1), st.just(np.nan)),
    "iodine": st.one_of(st.floats(-1e6, -0.1), st.floats(3.1, 1e6), st.just(np.nan)),
}
NAMES = {"region": st.text(max_size=8), "phase": st.text(max_size=8)}


@given(data=st.data())
@settings(deadline=None)
def test_the_error_for_any_bad_value_of_a_plan_names_it(data):
    field = data.draw(st.sampled_from([*NUMBERS, *NAMES]))
    value = data.draw(NUMBERS[field] if field in NUMBERS else NAMES[field])
    if value in REGIONS or value in {"none", "portal", "arterial", "delayed"}:
        return
    usual = usual_plan("abdomen", SUBJECT)
    with pytest.raises(BadCohortConfig, match=rf"^{field} = "):
        replace(usual, **{field: value})
    assert isinstance(usual, ExaminationPlan)


@given(data=st.data())
@settings(deadline=None)
def test_the_error_for_any_bad_value_of_a_patient_names_it(data):
    """This includes negative densities."""
    level = data.draw(st.sampled_from(list(SUBJECT.vbmd_mg_cm3)))
    density = data.draw(st.one_of(st.floats(-1e6, -0.01), st.floats(601, 1e9), st.just(np.nan)))
    with pytest.raises(BadCohortConfig, match=rf"vbmd_mg_cm3\[{level.name}\]"):
        replace(SUBJECT, vbmd_mg_cm3={**SUBJECT.vbmd_mg_cm3, level: density})

"""Completeness by geometry and the choice of the series."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.series.completeness import stack_of
from node.series.selection import ineligible, is_enhanced, select_series
from node.tools.identity import completed_copy
from node.tools.read_folder import select_folder
from pipelines.contract.kernels import kernel_suitability
from pipelines.contract.reasons import Reason
from pipelines.contract.uids import derive_uid
from pipelines.reporting.result_document import no_series_result
from tests.node.series_objects import ct_image, ct_series, record

ROOT = Path(__file__).parents[3]


@given(
    count=st.integers(8, 60),
    distance=st.floats(0.5, 5.0),
    start=st.floats(-900, 900),
    order=st.randoms(use_true_random=False),
)
def test_an_even_stack_is_whole_in_any_order(count, distance, start, order):
    """Slices may come in any order and anywhere in the patient."""
    images = [ct_image(number=i, height_mm=start + i * distance) for i in range(count)]
    order.shuffle(images)
    stack = stack_of(record(images))
    assert stack.flaw is None
    assert stack.slice_distance_mm == pytest.approx(distance, abs=1e-5)


@given(count=st.integers(12, 60), data=st.data())
def test_a_hole_anywhere_inside_is_found(count, data):
    """One slice less, not at an end."""
    images = ct_series(count)
    images.pop(data.draw(st.integers(1, count - 2)))
    assert stack_of(record(images)).flaw is Reason.MISSING_SLICES


@given(angle=st.floats(-20, 20))
def test_a_tilted_gantry_is_a_whole_axial_stack(angle):
    """Positions step along the table, not along the slice normal (PS3.3 C.8.2.1.1.2)."""
    turn = np.deg2rad(angle)
    orientation = [1, 0, 0, 0, float(np.cos(turn)), float(np.sin(turn))]
    images = ct_series(30, ImageOrientationPatient=orientation)
    assert ineligible(record(images), stack_of(record(images))) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Modality": "MR"}, Reason.NOT_CT),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Reason.LOCALIZER),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, Reason.DERIVED_IMAGE),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CSA MPR"]}, Reason.DERIVED_IMAGE),
        ({"SeriesDescription": "MonoE 70 keV"}, Reason.DERIVED_IMAGE),
        ({"SeriesDescription": "Liver VNC"}, Reason.DERIVED_IMAGE),
        ({"SeriesDescription": "Abd Virtual Unenhanced"}, Reason.DERIVED_IMAGE),
        ({"SeriesDescription": "Hip iMAR 1.5"}, Reason.DERIVED_IMAGE),
        ({"SeriesDescription": "ThinMIP axial"}, Reason.DERIVED_IMAGE),
        ({"RescaleType": "MGML"}, Reason.NOT_HOUNSFIELD),
        ({"RescaleIntercept": None}, Reason.NOT_HOUNSFIELD),
        ({"thickness_mm": 7.5}, Reason.SLICE_TOO_THICK),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, Reason.DUPLICATE_POSITION),
    ],
)
def test_unsuitable_series_are_named_by_reason(changes, reason):
    """Never eligible: not CT, scouts, derived images, other units, thick slices."""
    one = record(ct_series(40, **changes))
    assert ineligible(one, stack_of(one)) is reason


@pytest.mark.parametrize(
    "description", ["Virtual colonoscopy supine", "HEMIPELVIS", "Marker follow-up", "Semipronated"]
)
def test_a_plain_ct_with_an_unlucky_name_is_measured(description):
    """The words of a derived image are whole words."""
    one = record(ct_series(40, SeriesDescription=description))
    assert ineligible(one, stack_of(one)) is None


def test_a_scout_among_the_slices_is_left_out():
    """Some scanners store the scout in the series; the other slices are a complete stack."""
    scout = ct_image(
        number=99, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], Rows=888, Columns=512
    )
    one = record([scout, *ct_series(30)])
    assert ineligible(one, stack_of(one)) is None
    assert one.localizers == (scout.SOPInstanceUID,)
    assert len(one.sop_instance_uids) == 30


@pytest.mark.parametrize(
    ("kernel", "suitability"),
    [
        ("STANDARD", 1.0),
        ("B30f", 1.0),
        ("Br40d\\3", 1.0),
        ("B", 1.0),
        ("FC18", 1.0),
        ("BONEPLUS", 0.0),
        ("B70f", 0.0),
        ("L", 0.0),
        ("FC51", 0.0),
        ("H0\N{SUPERSCRIPT TWO}", 0.6),
    ],
)
def test_sharp_kernels_of_each_vendor_are_recognised(kernel, suitability):
    """GE, Siemens, Philips, Canon; and names that are none."""
    assert kernel_suitability(kernel) == suitability


@pytest.mark.parametrize(
    ("description", "agent", "expected"),
    [
        ("Abd W/O", "IOMERON", False),
        ("Abdomen ohne KM", "", False),
        ("Abdomen mit KM", "", True),
        ("CT abd without iv contrast", "", False),
        ("LIVER PORTAL VENOUS", "", True),
        ("Abd W CON", "", True),
        ("unenhanced", "IOMERON", False),
        ("Axial 3 mm", "IOMERON", True),
        ("Axial 3 mm", "", False),
        ("c-spine", "", False),
    ],
)
def test_contrast_is_read_from_the_words_then_from_the_agent(description, agent, expected):
    """All series of an examination have the agent in the header, also the unenhanced one."""
    one = record(ct_series(8, SeriesDescription=description, ContrastBolusAgent=agent))
    assert is_enhanced(one) is expected


def test_a_sagittal_stack_is_not_axial():
    """Slices that step to the side."""
    images = [
        ct_image(
            number=i,
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImagePositionPatient=[i * 2.0, 0, 0],
        )
        for i in range(40)
    ]
    assert ineligible(record(images), stack_of(record(images))) is Reason.NOT_AXIAL


def test_three_slices_are_too_few():
    """No volume."""
    assert stack_of(record(ct_series(3))).flaw is Reason.TOO_FEW_SLICES


def test_two_phases_in_one_series_are_found_by_duplicate_positions():
    """Every position twice."""
    images = ct_series(20) + [ct_image(number=100 + i, height_mm=(i + 1) * 2.5) for i in range(20)]
    assert stack_of(record(images)).flaw is Reason.DUPLICATE_POSITION


def test_turned_slices_are_mixed_orientation():
    """One slice of another direction."""
    images = ct_series(20)
    images[7].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    assert stack_of(record(images)).flaw is Reason.MIXED_ORIENTATION


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"ContrastBolusAgent": "IOMERON"}),
        ({}, {"ConvolutionKernel": "BONE"}),
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}),
        ({"ConvolutionKernel": ["Br40d", "3"]}, {"ConvolutionKernel": ["Br64d", "3"]}),
        ({"thickness_mm": 1.25, "count": 160}, {"thickness_mm": 5.0, "count": 40}),
        ({}, {"KVP": 80}),
        ({}, {"count": 20}),
        ({"SeriesDescription": "Abd"}, {"SeriesDescription": "Abd portal venous"}),
        ({"SeriesDescription": "abdomen"}, {"SeriesDescription": "head", "count": 140}),
        (
            {"SeriesDescription": "CAP C+", "thickness_mm": 5.0},
            {"SeriesDescription": "Chest", "thickness_mm": 1.0, "count": 350},
        ),
        ({"SeriesDescription": "vertex to thigh"}, {"SeriesDescription": "thigh"}),
        ({"BodyPartExamined": "ABDOMEN"}, {"SeriesDescription": "Brain"}),
        ({"ProtocolName": "LSPINE"}, {"ProtocolName": "Foot"}),
        ({"SeriesDescription": "l-spine"}, {"SeriesDescription": "cervical spine"}),
    ],
)
def test_the_better_series_is_chosen_and_the_other_has_a_reason(better, worse):
    """The region first; unenhanced, standard kernel, thin, 120 kV, long coverage."""
    best, losers = select_series(
        [record(ct_series(series="2.25.4", **worse)), record(ct_series(series="2.25.5", **better))]
    )
    assert best is not None
    assert best.record.series_instance_uid == "2.25.5"
    assert [(one.series_instance_uid, one.reason) for one in losers] == [
        ("2.25.4", Reason.BETTER_SERIES_CHOSEN)
    ]


@given(st.permutations(range(4)))
def test_the_choice_does_not_depend_on_the_order_of_arrival(order):
    """Also between series that are equally good."""
    records = [record(ct_series(20, series=f"2.25.1{k}")) for k in order]
    best, losers = select_series(records)
    assert best is not None
    assert best.record.series_instance_uid == "2.25.10"
    assert len(losers) == 3


@given(st.text(max_size=20))
def test_any_kernel_name_gets_a_suitability(name):
    """Kernel names are free text."""
    assert 0 <= kernel_suitability(name) <= 1


@pytest.mark.data
def test_a_folder_with_emptied_uids_is_selected_by_file_meta(data):
    """De-identification emptied SOP, series and study UID in the data set."""
    found = select_folder(data / "ct" / "pet_ct_slab_dicom")
    assert found.selection is not None
    record = found.selection.record
    assert len(set(record.sop_instance_uids)) == 20
    assert record.study_instance_uid.startswith("2.25.")
    assert found.losers == ()


def test_derived_uids_are_stable_and_valid():
    """2.25 and at most 39 digits (PS3.5 B.2)."""
    assert derive_uid("a", "b") == derive_uid("a", "b")
    assert len(derive_uid("a")) <= 44


@pytest.mark.data
def test_emptied_uids_are_completed_in_a_copy_and_pixels_stay(data, tmp_path):
    """The compressed pixel data are the same bytes; the objects can be sent."""
    source = data / "ct" / "pet_ct_slab_dicom"
    copy, completed = completed_copy(source, tmp_path / "copy")
    assert completed == 20
    before = pydicom.dcmread(sorted(source.iterdir())[0])
    after = pydicom.dcmread(sorted(copy.iterdir())[0])
    assert after.SOPInstanceUID == before.file_meta.MediaStorageSOPInstanceUID
    assert after.PixelData == before.PixelData
    assert completed_copy(copy, tmp_path / "again") == (copy, 0)


def test_a_study_without_a_measurable_series_still_follows_the_schema():
    """The published schema holds for every result.json."""
    document = no_series_result([("2.25.4", Reason.LOCALIZER)], "0" * 12)
    schema = json.loads((ROOT / "docs" / "result.schema.json").read_text())
    jsonschema.validate(document.model_dump(mode="json"), schema)
    assert document.status == "not_reported"
    assert [one.code for one in document.reasons] == ["localizer"]

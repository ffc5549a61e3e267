"""The CT writers: valid objects, exact values, exact patient coordinates."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from tests.peers.validator import dciodvfy_errors
from training.cohort.errors import BadCohortConfig
from training.cohort.scan.header import SeriesHeader
from training.cohort.scan.image import CtImage, content_digest
from training.cohort.scan.orientation import FLIPPED_AXES, flipped, gantry_tilted, laid, turned
from training.cohort.write.dicom import TRANSFER_SYNTAXES, write_series
from training.cohort.write.enhanced import write_enhanced
from training.cohort.write.localizer import write_localizer

KNOWN = SeriesHeader(
    key="test",
    patient_sex="F",
    patient_age_years=71,
    kvp=120.0,
    tube_current_ma=400,
    exposure_ms=500,
    convolution_kernel="STANDARD",
    slice_thickness_mm=3.0,
)
UNKNOWN = SeriesHeader(key="test", kvp=None)
CONTRAST = SeriesHeader(
    key="test",
    tube_current_ma=400,
    exposure_ms=500,
    convolution_kernel="STANDARD",
    contrast_agent="Iohexol 350 mgI/ml",
)
DCIODVFY_READS = [name for name in TRANSFER_SYNTAXES if name != "deflated"]


@pytest.fixture
def image() -> CtImage:
    """Five slices of 36 x 40 with values from air to metal, anisotropic, off centre."""
    rng = np.random.default_rng(3)
    affine = np.array(
        [[0, 0, 0.71, -20.3], [0, 0.83, 0, -31.7], [2.5, 0, 0, 512.25], [0, 0, 0, 1.0]]
    )
    return CtImage(hu=rng.integers(-1024, 3071, (5, 36, 40)).astype(np.int16), affine_lps=affine)


def read(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(file) for file in sorted(folder.glob("*.dcm"))]


def hu_of(ds: pydicom.Dataset) -> np.ndarray:
    return ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)


def values_by_place(datasets: list[pydicom.Dataset]) -> dict[tuple[float, float, float], float]:
    """Patient coordinates (rounded to 1 um) of every voxel, from the headers alone."""
    places = {}
    for ds in datasets:
        row, column = np.reshape(ds.ImageOrientationPatient, (2, 3)).astype(float)
        between_rows, between_columns = map(float, ds.PixelSpacing)
        hu = hu_of(ds)
        for r, c in np.ndindex(hu.shape):
            place = np.array(ds.ImagePositionPatient, float)
            place = place + row * between_columns * c + column * between_rows * r
            x, y, z = (float(v) for v in np.round(place, 3) + 0.0)
            places[x, y, z] = float(hu[r, c])
    return places


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("syntax", DCIODVFY_READS)
def test_a_slice_is_valid_in_every_transfer_syntax(tmp_path, image, syntax):
    file = write_series(image, KNOWN, tmp_path, transfer_syntax=TRANSFER_SYNTAXES[syntax])[2]
    assert dciodvfy_errors(file) == []


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("header", [KNOWN, UNKNOWN, CONTRAST], ids=["known", "unknown", "contrast"])
def test_every_object_kind_is_valid(tmp_path, image, header):
    """Slices, multi-frame and localizer; with complete, partial and no acquisition data."""
    files = [
        write_series(image, header, tmp_path)[0],
        write_enhanced(image, header, tmp_path / "enhanced.dcm"),
        write_localizer(image, header, tmp_path / "localizer.dcm"),
    ]
    assert {file.name: dciodvfy_errors(file) for file in files} == {f.name: [] for f in files}


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_values_survive_every_transfer_syntax(tmp_path, image, syntax):
    write_series(image, KNOWN, tmp_path, transfer_syntax=TRANSFER_SYNTAXES[syntax])
    datasets = read(tmp_path)
    assert {ds.file_meta.TransferSyntaxUID for ds in datasets} == {TRANSFER_SYNTAXES[syntax]}
    np.testing.assert_array_equal(np.stack([hu_of(ds) for ds in datasets]), image.hu)


@pytest.mark.parametrize("syntax", ["explicit", "rle", "jpeg-ls", "jpeg-2000"])
def test_values_below_the_usual_intercept_are_kept(tmp_path, image, syntax):
    """Padding and noise below -1024 HU must not wrap around."""
    low = CtImage(hu=image.hu - np.int16(500), affine_lps=image.affine_lps)
    write_series(low, KNOWN, tmp_path, transfer_syntax=TRANSFER_SYNTAXES[syntax])
    np.testing.assert_array_equal(np.stack([hu_of(ds) for ds in read(tmp_path)]), low.hu)


def test_enhanced_frames_carry_values_and_positions(tmp_path, image):
    ds = pydicom.dcmread(write_enhanced(image, KNOWN, tmp_path / "e.dcm"))
    transformation = ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
    hu = ds.pixel_array * transformation.RescaleSlope + transformation.RescaleIntercept
    np.testing.assert_array_equal(hu, image.hu)
    for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, image.position_lps_mm(number))


@pytest.mark.parametrize("position", FLIPPED_AXES)
def test_patient_position_moves_no_voxel_in_the_patient(tmp_path, image, position):
    header = SeriesHeader(key="test", patient_position=position)
    write_series(image, header, tmp_path / "hfs")
    write_series(laid(image, position), header, tmp_path / "laid")
    assert values_by_place(read(tmp_path / "laid")) == values_by_place(read(tmp_path / "hfs"))


def test_patient_positions_differ_in_their_direction_cosines(image):
    cosines = {
        tuple(np.concatenate([laid(image, p).row_cosine, laid(image, p).column_cosine]))
        for p in FLIPPED_AXES
    }
    assert len(cosines) == len(FLIPPED_AXES)


def test_reversed_numbers_run_against_the_slices(tmp_path, image):
    write_series(image, KNOWN, tmp_path, reversed_numbers=True)
    heights = [float(ds.ImagePositionPatient[2]) for ds in read(tmp_path)]
    assert heights == sorted(heights, reverse=True)
    assert [int(ds.InstanceNumber) for ds in read(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_turned_patient_gives_an_oblique_orthonormal_stack(tmp_path, image):
    oblique = turned(image, (12.0, -7.0, 20.0))
    write_series(oblique, KNOWN, tmp_path)
    first, second = read(tmp_path)[:2]
    row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
    step = np.subtract(second.ImagePositionPatient, first.ImagePositionPatient)
    assert abs(row @ column) < 1e-6
    np.testing.assert_allclose(step, 2.5 * np.cross(row, column), atol=1e-6)


def test_a_tilted_gantry_scans_the_same_patient():
    """A linear ramp in patient coordinates has the same value at every position after the tilt."""
    affine = np.array([[0, 0, 1.0, -8], [0, 1.0, 0, -10], [1.0, 0, 0, 100], [0, 0, 0, 1]])
    index = np.indices((60, 20, 16))
    ramp = 5 * index[0] + 3 * index[1] + 2 * index[2]
    image = CtImage(hu=ramp.astype(np.int16), affine_lps=affine)
    tilted = gantry_tilted(image, 20.0)
    places = np.tensordot(tilted.affine_lps[:3, :3], index, axes=1)
    places += tilted.affine_lps[:3, 3][:, None, None, None]
    z, y, x = places[2] - 100, places[1] + 10, places[0] + 8
    expected = 5 * z + 3 * y + 2 * x
    inside = (z >= 0) & (z <= 59) & (y >= 0) & (y <= 19) & (x >= 0) & (x <= 15)
    assert inside.mean() > 0.6
    np.testing.assert_allclose(tilted.hu[inside], expected[inside], atol=0.51)
    normal_step = abs(float(tilted.normal @ tilted.affine_lps[:3, 0]))
    assert normal_step == pytest.approx(np.cos(np.deg2rad(20.0)))


def test_the_header_contains_the_known_attributes_only(tmp_path, image):
    write_series(image, KNOWN, tmp_path / "known")
    write_series(image, UNKNOWN, tmp_path / "unknown")
    known, unknown = read(tmp_path / "known")[0], read(tmp_path / "unknown")[0]
    assert (known.KVP, known.ConvolutionKernel, known.PatientAge) == (120, "STANDARD", "071Y")
    assert (known.SliceThickness, known.SpacingBetweenSlices) == (3.0, 2.5)
    assert known.PixelSpacing == [0.83, 0.71]
    assert (unknown.KVP, unknown.ConvolutionKernel) == (None, "")
    for keyword in ("PatientAge", "XRayTubeCurrent", "ContrastBolusAgent"):
        assert keyword not in unknown


def test_the_localizer_belongs_to_the_study_but_not_to_the_series(tmp_path, image):
    axial = pydicom.dcmread(write_series(image, KNOWN, tmp_path)[0])
    scout = pydicom.dcmread(write_localizer(image, KNOWN, tmp_path / "scout.dcm"))
    assert scout.ImageType[2] == "LOCALIZER"
    assert scout.StudyInstanceUID == axial.StudyInstanceUID
    assert scout.FrameOfReferenceUID == axial.FrameOfReferenceUID
    assert scout.SeriesInstanceUID != axial.SeriesInstanceUID
    assert list(scout.ImageOrientationPatient) == [1, 0, 0, 0, 0, -1]


def test_the_same_series_is_written_byte_for_byte(tmp_path, image):
    for name in ("first", "second"):
        write_series(image, KNOWN, tmp_path / name)
        write_enhanced(image, KNOWN, tmp_path / name / "enhanced.dcm")
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_uids_are_valid_and_unique(tmp_path, image):
    write_series(image, KNOWN, tmp_path)
    uids = [ds.SOPInstanceUID for ds in read(tmp_path)]
    assert len(set(uids)) == 5
    assert all(UID(uid).is_valid and uid.startswith("2.25.") for uid in uids)


def test_a_flip_back_restores_the_image(image):
    again = flipped(flipped(image, (0, 2)), (0, 2))
    np.testing.assert_allclose(again.affine_lps, image.affine_lps)
    np.testing.assert_array_equal(again.hu, image.hu)


def test_the_digest_of_an_image_changes_with_its_place(image):
    moved = CtImage(hu=image.hu, affine_lps=image.affine_lps + np.eye(4))
    assert content_digest(moved) != content_digest(image)


@pytest.mark.parametrize(
    ("field", "value"), [("patient_position", "HFX"), ("patient_sex", "W"), ("kvp", 5.0)]
)
def test_a_bad_header_names_the_field(field, value):
    with pytest.raises(BadCohortConfig, match=field):
        SeriesHeader(key="test", **{field: value})

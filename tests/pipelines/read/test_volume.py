"""Reading a CT series: order, Hounsfield units, geometry, frame references, refusals."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.read.sources import open_job, open_series
from pipelines.read.volume import AIR_HU, read_volume
from pipelines.space.coordinates import tilt_degrees, to_index, to_lps
from tests.pipelines.stacks import Stack, sampled_labels, write_stack

ORIENTATIONS = [
    pytest.param(Stack(), id="HFS"),
    pytest.param(Stack(position="HFP"), id="HFP"),
    pytest.param(Stack(position="FFS"), id="FFS"),
    pytest.param(Stack(reverse=True), id="reversed"),
    pytest.param(Stack(turn_degrees=11), id="oblique"),
    pytest.param(Stack(tilt_degrees=15), id="tilted"),
    pytest.param(Stack(spacing_mm=(5, 0.9, 1.3), shape=(34, 70, 60)), id="anisotropic"),
]


@pytest.mark.parametrize("enhanced", [False, True], ids=["single", "enhanced"])
@pytest.mark.parametrize("stack", ORIENTATIONS)
def test_every_voxel_reads_the_bone_that_lies_at_its_place(
    stack: Stack, enhanced: bool, tmp_path: Path
) -> None:
    """Bodies are defined in patient space: the volume must find them there in any order."""
    ct = read_volume(open_job(write_stack(stack, tmp_path / "ct", enhanced=enhanced)))

    labels = sampled_labels(ct)
    expected = np.full(labels.shape, 40.0)
    for level, hu in stack.bone_hu.items():
        expected[labels == level] = hu

    assert not ct.hu.flags.writeable
    assert (np.abs(ct.hu - expected) < 0.5).mean() > 0.999


@pytest.mark.parametrize("stack", ORIENTATIONS)
def test_frame_references_follow_the_slices(stack: Stack, tmp_path: Path) -> None:
    """Slice i of the array refers to the object at the position that the affine has for slice i."""
    job = write_stack(stack, tmp_path / "ct")
    ct = read_volume(open_job(job))
    position = {
        one.sop_instance_uid: pydicom.dcmread(one.path).ImagePositionPatient
        for one in job.instances
    }

    for index, frame in enumerate(ct.frames):
        place = to_lps(ct.geometry.affine, np.array([index, 0.0, 0.0]))
        assert np.allclose(place, position[frame.sop_instance_uid], atol=1e-3)


def test_frames_of_a_multiframe_object_are_counted_from_one(tmp_path: Path) -> None:
    """Frame numbers are those of the object, also when it stores its frames backwards."""
    ct = read_volume(open_job(write_stack(Stack(reverse=True), tmp_path / "ct", enhanced=True)))

    numbers = [frame.frame_number for frame in ct.frames]

    assert numbers == list(range(56, 0, -1))


def test_enhanced_header_is_read_from_functional_groups(tmp_path: Path) -> None:
    """In Enhanced CT tube voltage, kernel and thickness are in functional groups."""
    ct = read_volume(open_job(write_stack(Stack(), tmp_path / "ct", enhanced=True)))

    assert (ct.header.kvp, ct.header.convolution_kernel, ct.header.slice_thickness_mm) == (
        120.0,
        "STANDARD",
        3.0,
    )


def test_tilt_is_seen(tmp_path: Path) -> None:
    """A tilted gantry leaves the angle between step and slice normal."""
    ct = read_volume(open_job(write_stack(Stack(tilt_degrees=15), tmp_path / "ct")))

    assert tilt_degrees(ct.geometry) == pytest.approx(15, abs=0.01)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    position=st.sampled_from(["HFS", "HFP", "FFS"]),
    spacing=st.tuples(st.floats(0.6, 5), st.floats(0.4, 2), st.floats(0.4, 2)),
    turn=st.floats(-30, 30),
    tilt=st.floats(-25, 25),
    reverse=st.booleans(),
)
def test_affine_is_that_of_the_scanner(
    position: str,
    spacing: tuple[float, float, float],
    turn: float,
    tilt: float,
    reverse: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any spacing, rotation and tilt: both affines agree up to the order of the slices."""
    stack = Stack(
        position=position,  # type: ignore[arg-type]
        spacing_mm=spacing,
        shape=(5, 6, 7),
        turn_degrees=turn,
        tilt_degrees=tilt,
        reverse=reverse,
    )
    job = write_stack(stack, tmp_path_factory.mktemp("stack") / "ct")
    geometry = open_job(job).geometry

    corners = np.array([[0, 0, 0], [4, 5, 6], [4, 0, 6], [0, 5, 0]], float)
    back = to_index(stack.affine, to_lps(geometry.affine, corners))
    if not np.allclose(back[0], 0, atol=1e-3):
        back[:, 0] = 4 - back[:, 0]

    assert np.allclose(back, corners, atol=1e-3)


def test_missing_slice_is_refused(tmp_path: Path) -> None:
    """A gap in the middle would shift everything above it."""
    job = write_stack(Stack(), tmp_path / "ct")
    with pytest.raises(GeometryMismatch, match="even spacing"):
        open_series(job.instances[:20] + job.instances[21:])


def test_two_images_at_one_position_are_refused(tmp_path: Path) -> None:
    """Two phases in one series are not one volume."""
    job = write_stack(Stack(), tmp_path / "ct")
    with pytest.raises(GeometryMismatch, match="one image per position"):
        open_series([*job.instances, job.instances[3]])


def test_second_frame_of_reference_is_refused(tmp_path: Path) -> None:
    """Coordinates of different frames of reference cannot be compared."""
    job = write_stack(Stack(), tmp_path / "ct")
    path = Path(job.instances[5].path)
    dataset = pydicom.dcmread(path)
    dataset.FrameOfReferenceUID = "1.2.3"
    dataset.save_as(path)
    with pytest.raises(GeometryMismatch, match="frames of reference"):
        open_series(job.instances)


def test_truncated_pixels_are_an_error_of_ours(tmp_path: Path) -> None:
    """Whatever a decoder raises ends as UnreadablePixels."""
    job = write_stack(Stack(), tmp_path / "ct")
    path = Path(job.instances[5].path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UnreadablePixels):
        read_volume(open_job(job))


def test_text_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """A file that is no DICOM object ends as UnreadablePixels."""
    job = write_stack(Stack(), tmp_path / "ct")
    Path(job.instances[5].path).write_text("no DICOM")
    with pytest.raises(UnreadablePixels):
        open_job(job)


def test_padding_becomes_air(tmp_path: Path) -> None:
    """Padding, declared or as low as nothing can be, is not attenuation."""
    job = write_stack(Stack(), tmp_path / "ct")
    for one in job.instances:
        dataset = pydicom.dcmread(one.path)
        stored = np.frombuffer(dataset.PixelData, "<i2").copy()
        stored[0], stored[1] = 77, -2000
        dataset.PixelData = stored.tobytes()
        dataset.add_new("PixelPaddingValue", "SS", 77)
        dataset.save_as(one.path)

    ct = read_volume(open_job(job))

    assert (ct.hu[:, 0, :2] == AIR_HU).all()


def test_blank_identifiers_are_filled_from_the_job(tmp_path: Path) -> None:
    """Some anonymisers empty the UIDs inside the object; the job has them."""
    job = write_stack(Stack(), tmp_path / "ct")
    for one in job.instances:
        dataset = pydicom.dcmread(one.path)
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = ""
        dataset.SOPClassUID = ""
        dataset.save_as(one.path, enforce_file_format=False)

    series = open_job(job)

    assert series.datasets[0].StudyInstanceUID == job.study_instance_uid
    assert {plane.frame.sop_instance_uid for plane in series.planes} == {
        one.sop_instance_uid for one in job.instances
    }

"""Input of study 4: windows, squares, the central slice, and the checks of the outline."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.read.volume import read_volume
from pipelines.secondary.chest.central_slice import (
    CentralSlice,
    central_slice,
    outline,
    slice_weights,
)
from pipelines.secondary.chest.network_input import (
    ROI_SIDE,
    Window,
    cut_square,
    roi_input,
    windowed,
)
from tests.pipelines.stacks import Stack, known_localization, known_segmentation, write_stack


def test_fixed_window_keeps_bright_bone_apart() -> None:
    """docs/domain.md C6: 215 to 450 HU are one value in the 8-bit window, not in the 16-bit one."""
    hu = np.array([215.0, 300.0, 450.0, 600.0], np.float32)

    fixed = windowed(hu)
    assert np.all(np.diff(fixed[:3]) > 0)
    assert fixed[2] == fixed[3] == 1
    assert np.all(windowed(hu, Window.MEDIASTINAL_8_BIT) == 1)


@given(st.floats(-2000, 4000))
def test_mediastinal_window_has_256_steps(hu: float) -> None:
    value = 255 * float(windowed(np.array([hu], np.float32), Window.MEDIASTINAL_8_BIT)[0])

    assert 0 <= value <= 255
    assert value == pytest.approx(round(value), abs=1e-3)


@given(st.floats(-300, 400), st.floats(-300, 400))
def test_a_square_shows_the_image_where_there_is_one(row: float, column: float) -> None:
    """Pixels of the image keep their position; the rest has the value for outside."""
    image = np.arange(1, 40 * 50 + 1).reshape(40, 50)

    square = cut_square(image, (row, column), 32, 0)
    assert square.shape == (32, 32)
    first = [round(place - 15.5) for place in (row, column)]
    for i, j in ((0, 0), (16, 16), (31, 31), (5, 29)):
        y, x = first[0] + i, first[1] + j
        inside = 0 <= y < 40 and 0 <= x < 50
        assert square[i, j] == (image[y, x] if inside else 0)


def test_region_lies_in_the_middle_of_zeros() -> None:
    hu = np.full((200, 200), 150.0, np.float32)
    mask = np.zeros((200, 200), bool)
    mask[20:41, 100:131] = True

    image = roi_input(hu, mask)
    rows, columns = np.nonzero(image)
    assert len(rows) == mask.sum()
    assert np.all(image[rows, columns] == np.float32(0.5))
    assert abs(rows.mean() - (ROI_SIDE - 1) / 2) <= 0.5
    assert abs(columns.mean() - (ROI_SIDE - 1) / 2) <= 0.5


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        roi_input(np.zeros((64, 64), np.float32), np.zeros((64, 64), bool))


@given(st.floats(0, 40), st.floats(0.5, 2.0))
def test_two_millimetres_around_a_place(place: float, spacing: float) -> None:
    """Weights add up to one, their mean is the position, and none lies outside the slab."""
    weights = slice_weights(place + 20, spacing, 100)

    assert sum(weights.values()) == pytest.approx(1)
    middle = sum(number * share for number, share in weights.items())
    assert middle == pytest.approx(place + 20, abs=0.5)
    assert all(abs(n - place - 20) <= 1 / spacing + 0.5 + 1e-9 for n in weights)


def test_thick_slices_are_not_averaged() -> None:
    assert slice_weights(7.4, 5.0, 20) == {7: 1.0}
    assert slice_weights(19.7, 5.0, 20) == {19: 1.0}


@pytest.mark.parametrize(
    ("position", "turn"), [("HFS", 0.0), ("HFP", 0.0), ("FFS", 0.0), ("HFS", 90.0)]
)
def test_the_slice_is_that_of_the_patient(position: str, turn: float, tmp_path: Path) -> None:
    """In each patient position: rows to posterior, columns to the left, the body in the middle."""
    stack = Stack(
        position=position,  # type: ignore[arg-type]
        turn_degrees=turn,
        spacing_mm=(2.0, 0.8, 0.8),
        shape=(84, 100, 110),
    )
    job = write_stack(stack, tmp_path / "ct")
    ct = read_volume([Path(one.path) for one in job.instances])
    found, labels = known_localization(ct), known_segmentation(ct, known_localization(ct))
    marked = ct.hu.copy()
    x, y, z = found.vertebrae[0].centre_lps_mm
    to_index = np.linalg.inv(ct.geometry.affine)
    place = np.rint((to_index @ [x + 24, y + 8, z, 1])[:3]).astype(int)
    marked[tuple(place)] = 1000
    object.__setattr__(ct, "hu", marked)

    section = central_slice(ct, labels, found.vertebrae[0])
    assert section is not None
    rows, columns = np.nonzero(section.body)
    assert abs(rows.mean() - 63.5) <= 1
    assert abs(columns.mean() - 63.5) <= 1
    row, column = np.unravel_index(section.hu.argmax(), section.hu.shape)
    assert abs(row - 63.5 - 10) <= 1.5
    assert abs(column - 63.5 - 30) <= 1.5


def test_an_oblique_image_has_no_slice(tmp_path: Path) -> None:
    job = write_stack(Stack(turn_degrees=40.0), tmp_path / "ct")
    ct = read_volume([Path(one.path) for one in job.instances])
    found = known_localization(ct)

    assert central_slice(ct, known_segmentation(ct, found), found.vertebrae[0]) is None


def body_section() -> CentralSlice:
    hu = np.full((128, 128), 40.0, np.float32)
    rows, columns = np.indices((128, 128)) - 63.5
    body = (rows / 20) ** 2 + (columns / 26) ** 2 <= 1
    hu[body] = 150
    return CentralSlice(hu=hu, body=np.asarray(body), pixel_mm=(0.8, 0.8))


def test_an_outline_within_the_body_is_taken() -> None:
    section = body_section()

    mask = outline(section, lambda image: (image > 0.4).astype(np.float32))
    assert mask is not None
    assert np.array_equal(mask, section.body)


@pytest.mark.parametrize("where", ["nowhere", "everywhere", "beside", "small"])
def test_an_outline_that_does_not_fit_the_body_is_refused(where: str) -> None:
    section = body_section()
    made = np.zeros((128, 128), np.float32)
    if where == "everywhere":
        made[:] = 1
    elif where == "beside":
        made[:, 1:] = np.roll(section.body, 40, axis=1)[:, 1:]
    elif where == "small":
        made[60:68, 60:68] = 1

    assert outline(section, lambda image: made) is None

"""The identifiers that the intake reads from an object, and the damage that it detects."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from node.errors import CorruptObject
from node.intake.header import read_header
from tests.node.ct_objects import SIZE, ct_image, encoded, write

PIXEL_BYTES = 2 * SIZE * SIZE


def _encoded(folder: Path, syntax: UID = ExplicitVRLittleEndian, **attributes: object) -> bytes:
    image = ct_image(**attributes)  # type: ignore[arg-type]
    if syntax.is_encapsulated:
        image.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        image["PixelData"].VR = "OW"
    image.file_meta.TransferSyntaxUID = syntax
    return encoded(write(image, folder / "one.dcm"))


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEG2000Lossless,
    ],
    ids=lambda syntax: syntax.name,
)
def test_identifiers_are_read_in_every_encoding(tmp_path: Path, syntax: UID) -> None:
    """The same four identifiers, however the data set is encoded."""
    header = read_header(BytesIO(_encoded(tmp_path, syntax)), syntax)

    image = ct_image()
    assert header.sop_class_uid == image.SOPClassUID
    assert header.sop_instance_uid == image.SOPInstanceUID
    assert header.series_instance_uid == image.SeriesInstanceUID
    assert header.study_instance_uid == image.StudyInstanceUID


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("kept", [0.99, 0.9, 0.5, 0.2])
def test_cut_off_objects_are_noticed(tmp_path: Path, syntax: UID, kept: float) -> None:
    """For an end at any byte."""
    content = _encoded(tmp_path, syntax)

    with pytest.raises(CorruptObject):
        read_header(BytesIO(content[: int(kept * len(content))]), syntax)


def test_cut_off_deflated_object_is_noticed(tmp_path: Path) -> None:
    """The deflate stream has no end."""
    content = _encoded(tmp_path, DeflatedExplicitVRLittleEndian)

    with pytest.raises(CorruptObject, match="truncated"):
        read_header(BytesIO(content[:-30]), DeflatedExplicitVRLittleEndian)


def test_too_few_pixels_for_the_header_are_noticed(tmp_path: Path) -> None:
    """Length of the pixel data against rows, columns and bits."""
    content = _encoded(tmp_path, PixelData=bytes(PIXEL_BYTES - 2))

    with pytest.raises(CorruptObject, match=f"{PIXEL_BYTES - 2} bytes of pixel data"):
        read_header(BytesIO(content), ExplicitVRLittleEndian)


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"]
)
def test_missing_identifier_is_named(keyword: str) -> None:
    """Every one of the four is needed."""
    image = ct_image()
    delattr(image, keyword)
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, image, implicit_vr=False, little_endian=True)

    with pytest.raises(CorruptObject, match=keyword):
        read_header(BytesIO(buffer.getvalue()), ExplicitVRLittleEndian)


@pytest.mark.parametrize("content", [b"", b"no DICOM at all, only text" * 40, bytes(4000)])
def test_anything_else_is_corrupt(content: bytes) -> None:
    """Bytes that are no data set."""
    with pytest.raises(CorruptObject):
        read_header(BytesIO(content), ExplicitVRLittleEndian)

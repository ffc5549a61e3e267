"""Read the identifiers of an object, and check that its pixel data are complete.

Takes  encoded data set
Gives  ObjectHeader
Next   node.intake.spool

The reader stops at the pixel data and does not decode them; it compares their length with the
header.
"""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from node.errors import CorruptObject

PIXEL_DATA: Final = Tag("PixelData")
UNDEFINED_LENGTH: Final = 0xFFFFFFFF
ITEM: Final = (0xFFFE, 0xE000)
SEQUENCE_DELIMITATION: Final = (0xFFFE, 0xE0DD)
MAX_INFLATED_BYTES: Final = 4 << 30

_KEYWORDS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "NumberOfFrames",
)
_TAGS: Final[list[BaseTag | int]] = [Tag(keyword) for keyword in _KEYWORDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeader:
    """Identifiers of one object."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


def read_header(encoded: BinaryIO, transfer_syntax: UID) -> ObjectHeader:
    """Read the identifiers of an encoded data set, and check that it is complete.

    Parameters
    ----------
    encoded
        Seekable, at the start of the data set.
    transfer_syntax
        Of the association.

    Raises
    ------
    CorruptObject
        The data set cannot be parsed, has no identifier, or is truncated.
    """
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        encoded = BytesIO(_inflate(encoded.read()))
    dataset, pixels = _read_until_pixels(encoded, transfer_syntax)
    header = ObjectHeader(
        sop_class_uid=_identifier(dataset, "SOPClassUID"),
        sop_instance_uid=_identifier(dataset, "SOPInstanceUID"),
        series_instance_uid=_identifier(dataset, "SeriesInstanceUID"),
        study_instance_uid=_identifier(dataset, "StudyInstanceUID"),
    )
    _check_pixels(encoded, dataset, pixels, transfer_syntax)
    return header


@dataclass(slots=True)
class _PixelElement:
    """Start of the value of the pixel data element, and the length that the element declares."""

    offset: int
    length: int


def _inflate(deflated: bytes) -> bytes:
    """PS3.5 A.5: raw deflate (RFC 1951) of the whole data set."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(deflated, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise CorruptObject(f"deflated data set: {error}", "", "send it again") from error
    if not stream.eof:
        raise CorruptObject("deflated data set is truncated", "", "send it again")
    return content


def _read_until_pixels(encoded: BinaryIO, transfer_syntax: UID) -> tuple[Dataset, _PixelElement]:
    pixels: list[_PixelElement] = []

    def at_pixels(tag: BaseTag, _vr: str | None, length: int) -> bool:
        if tag != PIXEL_DATA:
            return False
        pixels.append(_PixelElement(encoded.tell(), length))
        return True

    try:
        dataset = read_dataset(
            encoded,
            transfer_syntax.is_implicit_VR,
            transfer_syntax.is_little_endian,
            stop_when=at_pixels,
            specific_tags=_TAGS,
        )
    except Exception as error:  # pydicom raises many types of error for damaged data
        raise CorruptObject(
            f"data set cannot be parsed ({type(error).__name__})", "", "send it again"
        ) from error
    if not pixels:
        raise CorruptObject("no pixel data", "a complete CT image", "send it again")
    return dataset, pixels[0]


def _identifier(dataset: Dataset, keyword: str) -> str:
    try:
        value = str(dataset.get(keyword) or "").strip(" \0")
    except Exception as error:  # pydicom converts values on access and raises many types of error
        raise CorruptObject(f"{keyword} cannot be read", "", "send it again") from error
    if not value:
        raise CorruptObject(f"{keyword} is missing or empty", "a unique identifier", "")
    return value


def _check_pixels(
    encoded: BinaryIO, dataset: Dataset, pixels: _PixelElement, transfer_syntax: UID
) -> None:
    present = _size(encoded) - pixels.offset
    if pixels.length == UNDEFINED_LENGTH:
        _check_fragments(encoded, pixels.offset, present)
        return
    if present < pixels.length:
        raise CorruptObject(
            f"pixel data are truncated at {present} bytes", f"{pixels.length}", "send it again"
        )
    needed = _needed_bytes(dataset)
    if not transfer_syntax.is_encapsulated and pixels.length < needed:
        raise CorruptObject(
            f"{pixels.length} bytes of pixel data", f"{needed} bytes by the header", ""
        )


def _needed_bytes(dataset: Dataset) -> int:
    """PS3.5 8.1.1: size of native pixel data; 0 if the header has no size."""
    try:
        bits = (
            int(dataset.Rows)
            * int(dataset.Columns)
            * int(dataset.get("SamplesPerPixel") or 1)
            * int(dataset.get("NumberOfFrames") or 1)
            * int(dataset.BitsAllocated)
        )
    except (AttributeError, TypeError, ValueError):
        return 0
    return bits // 8


def _check_fragments(encoded: BinaryIO, offset: int, present: int) -> None:
    """PS3.5 A.4: items, then a sequence delimitation item; encapsulated is always little endian."""
    end = offset + present
    encoded.seek(offset)
    while True:
        head = encoded.read(8)
        if len(head) < 8:
            break
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) == SEQUENCE_DELIMITATION:
            return
        if (group, element) != ITEM or encoded.tell() + length > end:
            break
        encoded.seek(length, 1)
    raise CorruptObject(
        "compressed pixel data are truncated", "a delimitation item", "send it again"
    )


def _size(stream: BinaryIO) -> int:
    position = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(position)
    return size

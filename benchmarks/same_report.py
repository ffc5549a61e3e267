"""Compare the results of two runs of the product: result.json, reports and segments.

usage: python -m benchmarks.same_report digest FOLDER [--out FILE]
       python -m benchmarks.same_report compare FIRST SECOND
       python -m benchmarks.same_report compare FIRST SECOND --tolerance 0.001 --dice 0.999

FOLDER is the output of ``osteonode process`` or ``osteonode demo`` for one examination. ``digest``
writes its values as JSON, one path each. ``compare`` takes two folders or two such files, prints
each difference in one line, and exits with 1 if there is one. Without options every value must be
equal; this shows that a change of the code does not change the results. With a tolerance numbers
may differ by that share of the larger one, and segments are compared by their Dice coefficient,
which needs the two folders; this compares the results of a CPU and a GPU.

result.json : every number, code, status and name
sr, radiomics : every number, code and reference to a segment in the content tree
seg : codes, voxels, and a digest of the frames and positions of each segment

Free texts, times, UIDs, versions, and digests of weights are excluded.
"""

import argparse
import hashlib
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

Value = str | int | float | bool | None
Frames = Mapping[tuple[str, ...], NDArray[np.bool_]]
"""Frames of one segment, (rows, columns) each, by Image Position (Patient)."""

RESULT_FILE: Final = "result.json"
DIGEST_LENGTH: Final = 16
LEFT_OUT: Final = frozenset(
    {
        "calibration_source",
        "digest",
        "intended_use",
        "job_key",
        "schema_version",
        "sentences",
        "text",
        "version",
    }
)
"""Excluded keys of result.json; keys that end in ``_uid`` are excluded too."""
NAMED_BY: Final = ("pipeline", "level", "label", "name", "code")
"""Keys of result.json that name an item of a list in a path; without one its index does."""
KEPT_VR: Final = frozenset({"AS", "CS", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
"""Value representations of numbers and of defined terms."""
CODE_VALUE: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")
"""PS3.3 8.8: a code has one of these attributes."""
LEFT_OUT_ELEMENTS: Final = frozenset(
    {
        "DimensionIndexSequence",
        "PerFrameFunctionalGroupsSequence",
        "ReferencedSeriesSequence",
        "SourceImageSequence",
    }
)
"""Excluded identifiers of images; the frames of a segmentation are read separately."""


class NotComparable(Exception):
    """The input has no result, several results, or too little data for the comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Results of one examination.

    Parameters
    ----------
    values
        Value by path.
    segments
        Frames by label; None if only the values are available.
    """

    values: Mapping[str, Value]
    segments: Mapping[str, Frames] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Allowed differences between two results.

    Parameters
    ----------
    tolerance
        Share of the larger of two numbers.
    absolute
        Allowed in addition, in the unit of each number, for numbers near zero.
    dice
        Lowest Dice coefficient of a segment.
    """

    tolerance: float = 0.0
    absolute: float = 0.0
    dice: float = 1.0

    @property
    def are_exact(self) -> bool:
        """Whether every value must be equal."""
        return self == Limits()


def read_report(path: Path) -> Report:
    """Read the report of a folder, or the values of a JSON file that ``digest`` wrote.

    Raises
    ------
    NotComparable
        The folder does not hold the results of one examination.
    """
    if path.is_file():
        return Report(values=json.loads(path.read_text("utf-8")), segments=None)
    folder = _folder_of_result(path)
    values = dict(flattened(json.loads((folder / RESULT_FILE).read_text("utf-8")), "result"))
    segments: dict[str, Frames] = {}
    for file in sorted(folder.glob("*.dcm")):
        dataset = pydicom.dcmread(file)
        values.update(elements(dataset, file.stem))
        if dataset.Modality == "SEG":
            segments = read_segments(dataset)
            values.update(segment_values(segments, file.stem))
    return Report(values=values, segments=segments)


def _folder_of_result(path: Path) -> Path:
    found = sorted(path.rglob(RESULT_FILE))
    if len(found) != 1:
        raise NotComparable(f"{path} holds {len(found)} files {RESULT_FILE}; expected one")
    return found[0].parent


def flattened(value: Any, path: str) -> Iterator[tuple[str, Value]]:
    """Yield path and value of all JSON items that are neither text nor identifier."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key not in LEFT_OUT and not key.endswith("_uid"):
                yield from flattened(child, f"{path}.{key}")
    elif isinstance(value, list):
        names = distinct(_name_of(item, index) for index, item in enumerate(value))
        yield from _order(names, path)
        for name, item in zip(names, value, strict=True):
            yield from flattened(item, f"{path}[{name}]")
    else:
        yield path, value


def _name_of(item: Any, index: int) -> str:
    if isinstance(item, dict):
        for key in NAMED_BY:
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(index)


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names in order; number repeated ones: a, b, a#2."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return made


def _order(names: Sequence[str], path: str) -> Iterator[tuple[str, Value]]:
    """Yield the number of items and the digest of their names; nothing for a single item."""
    if len(names) != 1:
        yield f"{path}.count", len(names)
        yield f"{path}.order", _digest("\n".join(names).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def elements(dataset: Dataset, path: str) -> Iterator[tuple[str, Value]]:
    """Yield path and value of every number, defined term and code of a DICOM object."""
    for element in dataset:
        if element.keyword in LEFT_OUT_ELEMENTS:
            continue
        where = f"{path}.{element.keyword or element.tag}"
        if element.VR == "SQ":
            yield from _items(element, where)
        elif element.VR in KEPT_VR:
            yield from _element(element, where)


def _element(element: DataElement, path: str) -> Iterator[tuple[str, Value]]:
    values = element.value if element.VM > 1 else [element.value]
    for index, value in enumerate(values):
        plain = value if value is None or isinstance(value, str | int) else float(value)
        yield (path if element.VM <= 1 else f"{path}[{index}]"), plain


def _items(element: DataElement, path: str) -> Iterator[tuple[str, Value]]:
    """Yield the items of a sequence by name; the order of the names counts."""
    names = distinct(_name_of_item(item, index) for index, item in enumerate(element.value))
    yield from _order(names, path)
    for name, item in zip(names, element.value, strict=True):
        if any(keyword in item for keyword in CODE_VALUE):
            yield f"{path}[{name}].code", _code(item)
        yield from elements(item, f"{path}[{name}]")


def _name_of_item(item: Dataset, index: int) -> str:
    """Return the label of a segment, the code of the concept name of an item, or the index."""
    if "SegmentLabel" in item:
        return str(item.SegmentLabel)
    if "ConceptNameCodeSequence" in item:
        return _code(item.ConceptNameCodeSequence[0])
    return str(index)


def _code(item: Dataset) -> str:
    """Return value and scheme; the meaning is a text and may change."""
    value = next(item[keyword].value for keyword in CODE_VALUE if keyword in item)
    return f"{value}:{item.get('CodingSchemeDesignator', '')}"


def read_segments(segmentation: Dataset) -> dict[str, Frames]:
    """Return the frames of every segment by its label.

    Parameters
    ----------
    segmentation
        Segmentation object with BINARY frames.
    """
    described = segmentation.SegmentSequence
    labels = distinct(str(one.SegmentLabel) for one in described)
    numbers = (int(one.SegmentNumber) for one in described)
    label_of = dict(zip(numbers, labels, strict=True))
    shape = (int(segmentation.NumberOfFrames), segmentation.Rows, segmentation.Columns)
    pixels = segmentation.pixel_array.reshape(shape).astype(bool)
    found: dict[str, dict[tuple[str, ...], NDArray[np.bool_]]] = defaultdict(dict)
    groups = segmentation.PerFrameFunctionalGroupsSequence
    for frame, group in zip(pixels, groups, strict=True):
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        position = group.PlanePositionSequence[0].ImagePositionPatient
        found[label_of[number]][tuple(map(str, position))] = frame
    return dict(found)


def segment_values(segments: Mapping[str, Frames], path: str) -> Iterator[tuple[str, Value]]:
    """Yield voxels, frames and digest of each segment; the digest includes the positions."""
    for label, frames in segments.items():
        where = f"{path}.pixels[{label}]"
        content = (
            "\\".join(position).encode() + np.packbits(frame).tobytes()
            for position, frame in frames.items()
        )
        yield f"{where}.voxels", sum(int(frame.sum()) for frame in frames.values())
        yield f"{where}.frames", len(frames)
        yield f"{where}.digest", _digest(b"".join(content))


def differences(first: Report, second: Report, limits: Limits) -> list[str]:
    """Return one line for each difference beyond the limits.

    Raises
    ------
    NotComparable
        A tolerance is set, but the frames of a report are missing.
    """
    lines = [
        f"{path}: {_shown(first.values, path)} | {_shown(second.values, path)}"
        for path in dict.fromkeys((*first.values, *second.values))
        if not _agree(first.values, second.values, path, limits)
    ]
    if first.segments is not None and second.segments is not None:
        lines += _segment_differences(first.segments, second.segments, limits.dice)
    elif not limits.are_exact:
        raise NotComparable("segments are compared by Dice only between two folders")
    return lines


def _shown(values: Mapping[str, Value], path: str) -> str:
    return json.dumps(values[path]) if path in values else "absent"


def _agree(
    first: Mapping[str, Value], second: Mapping[str, Value], path: str, limits: Limits
) -> bool:
    if not limits.are_exact and ".pixels[" in path:
        return True  # compared by Dice; an absent segment also differs in its codes
    if path not in first or path not in second:
        return False
    a, b = first[path], second[path]
    if _is_number(a) and _is_number(b):
        assert isinstance(a, int | float)
        assert isinstance(b, int | float)
        return math.isclose(a, b, rel_tol=limits.tolerance, abs_tol=limits.absolute)
    return a == b


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _segment_differences(
    first: Mapping[str, Frames], second: Mapping[str, Frames], lowest: float
) -> Iterator[str]:
    for label in dict.fromkeys((*first, *second)):
        dice, differing = agreement(first.get(label, {}), second.get(label, {}))
        if dice < lowest:
            yield f"segment {label}: Dice {dice:.6f}, {differing} voxels differ"


def agreement(first: Frames, second: Frames) -> tuple[float, int]:
    """Return the Dice coefficient of one segment in two results, and the differing voxels."""
    total = sum(int(frame.sum()) for frames in (first, second) for frame in frames.values())
    shared = sum(int(_both(first[place], second[place])) for place in first.keys() & second.keys())
    return (2 * shared / total if total else 1.0), total - 2 * shared


def _both(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> int:
    """Count voxels in both frames; 0 if the frames have different shapes."""
    return int((first & second).sum()) if first.shape == second.shape else 0


def write_digest(folder: Path, out: Path | None) -> int:
    text = json.dumps(read_report(folder).values, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
    return 0


def compare(first: Path, second: Path, limits: Limits) -> int:
    one, other = read_report(first), read_report(second)
    lines = differences(one, other, limits)
    print("\n".join([*lines, f"{len(one.values)} values, {len(lines)} differences"]))
    return 1 if lines else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("digest", help="write the values of one examination as JSON")
    one.add_argument("folder", type=Path)
    one.add_argument("--out", type=Path, help="file instead of standard output")
    two = commands.add_parser("compare", help="print the differences of two; exit code 1 if any")
    two.add_argument("first", type=Path, help="folder, or JSON file of digest")
    two.add_argument("second", type=Path)
    two.add_argument("--tolerance", type=float, default=0.0, help="share of the larger number")
    two.add_argument("--absolute", type=float, default=0.0, help="in the unit of each number")
    two.add_argument("--dice", type=float, default=1.0, help="lowest Dice of a segment")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parsed(arguments)
    try:
        if given.command == "digest":
            return write_digest(given.folder, given.out)
        limits = Limits(tolerance=given.tolerance, absolute=given.absolute, dice=given.dice)
        return compare(given.first, given.second, limits)
    except NotComparable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""Read attributes of a frame by the same names from classic and Enhanced CT.

Takes  Dataset
Gives  values of single frames
Next   pipelines.read.sources, pipelines.read.acquisition, node.series.index

Imports no network library, so that the node reads headers with it as well.

Source
------
PS3.3 C.7.6.16 (functional groups), C.8.15.3 (Enhanced CT), C.7.6.16.2.25 (attributes of a Legacy
Converted object without a functional group of their own).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ImagePositionPatient": "PlanePositionSequence",
        "ImageOrientationPatient": "PlaneOrientationSequence",
        "PixelSpacing": "PixelMeasuresSequence",
        "SliceThickness": "PixelMeasuresSequence",
        "RescaleSlope": "PixelValueTransformationSequence",
        "RescaleIntercept": "PixelValueTransformationSequence",
        "RescaleType": "PixelValueTransformationSequence",
        "KVP": "CTXRayDetailsSequence",
        "ConvolutionKernel": "CTReconstructionSequence",
    }
)
"""Functional group in which a multi-frame object keeps what classic CT has at the top."""
CONVERTED: Final = (
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)
"""Where a Legacy Converted object keeps attributes that it has no functional group for."""

PER_FRAME: Final = BaseTag(0x52009230)
"""Per-Frame Functional Groups Sequence: by tag, which is faster, because every read of a value tests it."""


def is_multiframe(dataset: Dataset) -> bool:
    """Whether an object keeps its geometry in functional groups."""
    return PER_FRAME in dataset


def frame_count(dataset: Dataset) -> int:
    """Number of frames; 1 for classic CT."""
    return len(dataset.PerFrameFunctionalGroupsSequence) if is_multiframe(dataset) else 1


def functional_group(dataset: Dataset, frame_index: int, name: str) -> Dataset | None:
    """Item of a functional group macro for one frame: its own before the shared one."""
    for groups in _groups(dataset, frame_index):
        if groups.get(name):
            item: Dataset = groups[name].value[0]
            return item
    return None


def frame_value(dataset: Dataset, frame_index: int, keyword: str) -> Any:
    """Value of an attribute for one frame; ``None`` where it is missing or empty.

    Parameters
    ----------
    frame_index
        From 0; classic CT has frame 0 only.
    """
    if is_multiframe(dataset):
        for name in (GROUPS.get(keyword), *CONVERTED):
            group = functional_group(dataset, frame_index, name) if name is not None else None
            if group is not None and (found := _present(group, keyword)) is not None:
                return found
    return _present(dataset, keyword)


def coded_contrast_agent(dataset: Dataset) -> str | None:
    """Meaning of the coded contrast agent; ``"unnamed"`` where the code has no meaning."""
    coded = dataset.get("ContrastBolusAgentSequence")
    return str(coded[0].get("CodeMeaning") or "unnamed") if coded else None


def _groups(dataset: Dataset, frame_index: int) -> Iterator[Dataset]:
    yield dataset.PerFrameFunctionalGroupsSequence[frame_index]
    yield from dataset.get("SharedFunctionalGroupsSequence") or []


def _present(dataset: Dataset, keyword: str) -> Any:
    value = dataset.get(keyword)
    return None if value is None or value == "" else value

"""Attributes of single frames: the node and the pipelines read the same values from one object."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import LegacyConvertedEnhancedCTImageStorage

from node.series.index import header_of
from pipelines.read.acquisition import read_acquisition
from pipelines.read.enhanced import frame_count, frame_value


def item(**attributes: object) -> Dataset:
    one = Dataset()
    for keyword, value in attributes.items():
        setattr(one, keyword, value)
    return one


def converted(*heights_mm: float) -> Dataset:
    """A Legacy Converted object: tube voltage and kernel have no functional group of their own."""
    geometry = {
        "PlaneOrientationSequence": Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        "PixelMeasuresSequence": Sequence([item(PixelSpacing=[0.8, 0.8], SliceThickness=3)]),
        "PixelValueTransformationSequence": Sequence(
            [item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
        ),
    }
    rest = item(KVP=120, ConvolutionKernel="B30f")
    shared = item(**geometry, UnassignedSharedConvertedAttributesSequence=Sequence([rest]))
    frames = [
        item(PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, height])]))
        for height in heights_mm
    ]
    return item(
        SOPClassUID=LegacyConvertedEnhancedCTImageStorage,
        Modality="CT",
        NumberOfFrames=len(frames),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )


def test_node_and_pipelines_read_the_same_values() -> None:
    """One reader: also attributes without a functional group, which only the node found before."""
    dataset = converted(0, 3, 6)

    stored, used = header_of(dataset), read_acquisition([dataset])

    assert (stored["KVP"], stored["ConvolutionKernel"]) == (120, "B30f")
    assert (used.kvp, used.convolution_kernel) == (120, "B30f")
    assert (stored["SliceThickness"], used.slice_thickness_mm) == (3, 3)
    assert (stored["RescaleType"], used.rescale_type) == ("HU", "HU")
    assert [plane[0][2] for plane in stored["planes"]] == [0, 3, 6]


def test_the_own_group_of_a_frame_comes_before_the_shared_one() -> None:
    """PS3.3 C.7.6.16.1.1: a group is shared or per frame; if both, the frame's is nearer."""
    dataset = converted(0, 3)
    own = item(PixelSpacing=[0.5, 0.5], SliceThickness=5)
    dataset.PerFrameFunctionalGroupsSequence[1].PixelMeasuresSequence = Sequence([own])

    assert [frame_value(dataset, index, "SliceThickness") for index in (0, 1)] == [3, 5]
    assert read_acquisition([dataset]).slice_thickness_mm is None


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_value_is_a_missing_one(value: object) -> None:
    """Classic CT has one frame, and its attributes at the top."""
    dataset = item(KVP=value, SliceThickness=2)

    assert frame_count(dataset) == 1
    assert frame_value(dataset, 0, "KVP") is None
    assert frame_value(dataset, 0, "SliceThickness") == 2

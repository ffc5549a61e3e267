"""The Segmentation object, decoded by pydicom alone and compared in patient space."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pipelines.contract.anatomy import Level
from pipelines.contract.calibration import GENERIC
from pipelines.contract.job import Job
from pipelines.density.attenuation_to_density import DensityPath
from pipelines.gates.all_gates import check_header
from pipelines.locate.localize import Localization
from pipelines.lumbar.measure import LumbarResult, measure_lumbar
from pipelines.read.sources import SourceSeries, open_job
from pipelines.read.volume import CtVolume, read_volume
from pipelines.reporting.seg import make_segmentation, segment_numbers
from pipelines.space.coordinates import to_index
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.stacks import (
    LEVELS,
    Stack,
    known_localization,
    known_segmentation,
    read,
    write_stack,
)

STACKS = [
    pytest.param(Stack(), id="HFS"),
    pytest.param(Stack(position="HFP"), id="HFP"),
    pytest.param(Stack(position="FFS"), id="FFS"),
    pytest.param(Stack(reverse=True), id="reversed"),
    pytest.param(Stack(turn_degrees=8, tilt_degrees=12), id="tilted"),
    pytest.param(Stack(spacing_mm=(5, 0.9, 1.3), shape=(34, 71, 61)), id="anisotropic"),
]


def measured(stack: Stack, folder: Path, *, enhanced: bool = False) -> "Measured":
    """Job, series, volume and result of a stack with known anatomy."""
    return Measured(write_stack(stack, folder / "ct", enhanced=enhanced))


class Measured:
    """Everything up to the findings of one stack."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.series: SourceSeries = open_job(job)
        self.ct: CtVolume = read_volume(self.series)
        self.localization: Localization = known_localization(self.ct)
        self.result: LumbarResult = measure_lumbar(
            self.ct,
            self.localization,
            known_segmentation(self.ct, self.localization),
            check_header(self.ct),
            (),
            density=DensityPath(calibration=GENERIC),
        )

    def write_segmentation(self) -> Path:
        """Path of the Segmentation object."""
        made = make_segmentation(self.job, self.series, self.result.regions, ())
        path = Path(self.job.output_folder) / "seg.dcm"
        made.save_as(path, enforce_file_format=True)
        return path

    def masks(self) -> dict[int, NDArray[np.bool_]]:
        """Whole masks by segment number."""
        numbers = segment_numbers(self.result.regions)
        masks = {}
        for region in self.result.regions:
            for number, part in (
                (numbers[region.level].body, region.body),
                (numbers[region.level].core, region.core),
            ):
                assert number is not None
                masks[number] = np.zeros(self.ct.hu.shape, bool)
                masks[number][region.box] = part
        return masks


def decoded_points(seg: Dataset) -> dict[int, NDArray[np.float64]]:
    """Patient coordinates of every set pixel, by segment: PS3.3 C.7.6.2.1.1 and nothing else."""
    pixels = seg.pixel_array.reshape(int(seg.NumberOfFrames), seg.Rows, seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    row_mm, column_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    orientation = np.asarray(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    points = defaultdict(list)
    for frame, groups in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        corner = np.asarray(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        points[number].append(
            corner
            + columns[:, None] * column_mm * orientation[:3]
            + rows[:, None] * row_mm * orientation[3:]
        )
    return {number: np.concatenate(parts) for number, parts in points.items()}


@pytest.mark.parametrize("enhanced", [False, True], ids=["single", "enhanced"])
@pytest.mark.parametrize("stack", STACKS)
def test_segments_land_on_the_same_patient_coordinates(
    stack: Stack, enhanced: bool, tmp_path: Path
) -> None:
    """An independent reader places each voxel where it was segmented."""
    case = measured(stack, tmp_path, enhanced=enhanced)

    points = decoded_points(read(case.write_segmentation()))

    masks = case.masks()
    assert set(points) == set(masks) == set(range(1, 2 * len(LEVELS) + 1))
    for number, mask in masks.items():
        index = to_index(case.ct.geometry.affine, points[number])
        assert np.abs(index - np.round(index)).max() < 0.01
        found = np.zeros_like(mask)
        found[tuple(np.round(index).astype(int).T)] = True
        assert np.array_equal(found, mask)
        assert len(index) == mask.sum()


@pytest.mark.parametrize("enhanced", [False, True], ids=["single", "enhanced"])
def test_every_frame_names_the_source_at_its_position(enhanced: bool, tmp_path: Path) -> None:
    """The derivation of a frame refers to the image or frame that lies in the same plane."""
    case = measured(Stack(reverse=True), tmp_path, enhanced=enhanced)

    seg = read(case.write_segmentation())

    at = {
        (plane.frame.sop_instance_uid, plane.frame.frame_number): plane.position_lps_mm
        for plane in case.series.planes
    }
    for groups in seg.PerFrameFunctionalGroupsSequence:
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        number = source.get("ReferencedFrameNumber")
        position = at[source.ReferencedSOPInstanceUID, None if number is None else int(number)]
        assert np.allclose(
            np.asarray(groups.PlanePositionSequence[0].ImagePositionPatient, float),
            position,
            atol=1e-3,
        )
        assert source.SpatialLocationsPreserved == "YES"


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("enhanced", [False, True], ids=["single", "enhanced"])
def test_dciodvfy_finds_no_error(enhanced: bool, tmp_path: Path) -> None:
    """The object satisfies the Segmentation IOD."""
    case = measured(Stack(), tmp_path, enhanced=enhanced)

    errors = dciodvfy_errors(case.write_segmentation())

    assert errors == []


def test_segments_are_named_and_coded(tmp_path: Path) -> None:
    """Level, part, algorithm and tracking identifier of each segment."""
    case = measured(Stack(), tmp_path)

    seg = read(case.write_segmentation())

    first = seg.SegmentSequence[0]
    assert first.SegmentLabel == "L1 vertebral body"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "3572006"
    assert first.AnatomicRegionSequence[0].CodeValue == "66794005"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert seg.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99OSTEONODE"
    assert seg.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_the_same_job_makes_the_same_identifiers(tmp_path: Path) -> None:
    """Reprocessing names the same object, down to the dimension organization."""
    case = measured(Stack(), tmp_path)
    once, again = (make_segmentation(case.job, case.series, case.result.regions, ()) for _ in "ab")

    def identifiers(made: Dataset) -> list[str]:
        return [str(element.value) for element in made.iterall() if element.VR == "UI"]

    assert identifiers(once) == identifiers(again)


def test_numbers_skip_an_empty_core(tmp_path: Path) -> None:
    """A level without a core has one segment only."""
    case = measured(Stack(), tmp_path)
    region = case.result.regions[0]
    hollow = replace(region, core=np.zeros_like(region.core))

    numbers = segment_numbers([hollow, case.result.regions[1]])

    assert (numbers[Level.L1].body, numbers[Level.L1].core) == (1, None)
    assert (numbers[Level.L2].body, numbers[Level.L2].core) == (2, 3)

"""CT stacks with known anatomy: blocks for vertebral bodies, in any orientation, as DICOM files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from pipelines.contract.anatomy import Level
from pipelines.contract.job import Job, JobInstance, job_key
from pipelines.locate.localize import Localization, LocatedVertebra
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.reporting.uids import derived_uid
from pipelines.space.coordinates import CanonicalGrid, to_lps

AXES = {
    # Direction of rows and columns in patient space, and of the slices, by patient position.
    "HFS": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "HFP": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "FFS": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
}
BODY_MM = (27.0, 32.0, 42.0)
"""Height, depth, width of the elliptic cylinders that replace bodies."""
DISC_MM = 9.0
LEVELS = (Level.L1, Level.L2, Level.L3, Level.L4)
BONE_HU = {Level.L1: 150.0, Level.L2: 140.0, Level.L3: 135.0, Level.L4: 145.0}
SPINE_MM = len(LEVELS) * (BODY_MM[0] + DISC_MM)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Plan of a stack; every field changes one property of the geometry."""

    position: Literal["HFS", "HFP", "FFS"] = "HFS"
    spacing_mm: tuple[float, float, float] = (3.0, 1.2, 1.2)
    shape: tuple[int, int, int] = (56, 64, 72)
    turn_degrees: float = 0.0
    tilt_degrees: float = 0.0
    reverse: bool = False
    noise_hu: float = 0.0
    bone_hu: dict[Level, float] = field(default_factory=lambda: dict(BONE_HU))
    header: dict[str, object] = field(default_factory=dict)

    @property
    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Row, column and slice direction; the slice direction leaves the normal when tilted."""
        row, column, step = (np.asarray(axis, float) for axis in AXES[self.position])
        angle = np.radians(self.turn_degrees)
        turn = np.array(
            [
                [np.cos(angle), -np.sin(angle), 0],
                [np.sin(angle), np.cos(angle), 0],
                [0, 0, 1],
            ]
        )
        tilt = np.radians(self.tilt_degrees)
        column = np.cos(tilt) * column + np.sin(tilt) * step
        return turn @ row, turn @ column, turn @ step

    @property
    def affine(self) -> NDArray[np.float64]:
        """Index (slice, row, column, 1) to LPS mm, in the order in which slices are written."""
        row, column, step = self.directions
        affine = np.eye(4)
        for axis, (direction, spacing) in enumerate(
            zip((step, column, row), self.spacing_mm, strict=True)
        ):
            affine[:3, axis] = direction * spacing
        middle = (np.asarray(self.shape) - 1) / 2
        affine[:3, 3] = -affine[:3, :3] @ middle + np.array([5.0, -7.0, 11.0])
        return affine

    def labels(self) -> NDArray[np.uint8]:
        """Bodies in patient space, sampled on this stack: (slices, rows, columns)."""
        index = np.moveaxis(np.indices(self.shape), 0, -1).astype(float)
        x, y, z = np.moveaxis(to_lps(self.affine, index), -1, 0)
        labels = np.zeros(self.shape, np.uint8)
        for level in LEVELS:
            cx, cy, cz = centre_of(level)
            height, depth, width = BODY_MM
            inside = ((x - cx) / (width / 2)) ** 2 + ((y - cy) / (depth / 2)) ** 2 <= 1
            labels[inside & (np.abs(z - cz) <= height / 2)] = level
        return labels

    def hu(self) -> NDArray[np.int16]:
        """Soft tissue with bodies of known attenuation."""
        labels = self.labels()
        hu = np.full(self.shape, 40.0)
        for level, value in self.bone_hu.items():
            hu[labels == level] = value
        hu += np.random.default_rng(7).normal(0, self.noise_hu, self.shape) if self.noise_hu else 0
        return np.round(hu).astype(np.int16)


def centre_of(level: Level) -> tuple[float, float, float]:
    """Centre of a body in patient coordinates."""
    row = LEVELS.index(level)
    return (5.0, 0.0, 11.0 + SPINE_MM / 2 - (row + 0.5) * (BODY_MM[0] + DISC_MM))


def write_stack(stack: Stack, folder: Path, *, enhanced: bool = False) -> Job:
    """Write the stack as DICOM and return the job over it."""
    folder.mkdir(parents=True, exist_ok=True)
    hu = stack.hu()
    datasets = [_enhanced(stack, hu)] if enhanced else _slices(stack, hu)
    instances = []
    for number, dataset in enumerate(datasets):
        path = folder / f"{number:04}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        instances.append(JobInstance(sop_instance_uid=dataset.SOPInstanceUID, path=str(path)))
    series = str(datasets[0].SeriesInstanceUID)
    output = folder.parent / "output"
    output.mkdir(exist_ok=True)
    return Job(
        key=job_key(series, [one.sop_instance_uid for one in instances], "test"),
        study_instance_uid=str(datasets[0].StudyInstanceUID),
        series_instance_uid=series,
        instances=tuple(instances),
        output_folder=str(output),
        model_set="test",
    )


def _common(stack: Stack, sop_class: str, name: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(derived_uid("stack", name))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = derived_uid("stack", "study")
    dataset.SeriesInstanceUID = derived_uid("stack", "series")
    dataset.FrameOfReferenceUID = derived_uid("stack", "frame of reference")
    dataset.PatientName, dataset.PatientID = "VIRTUAL^COHORT", "T1"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", "F", "063Y"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260105", "080000", "1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", ""
    dataset.Modality, dataset.Manufacturer = "CT", "OsteoNode virtual cohort"
    dataset.PatientPosition = stack.position
    dataset.Rows, dataset.Columns = stack.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    return dataset


def _slices(stack: Stack, hu: NDArray[np.int16]) -> list[FileDataset]:
    row, column, _ = stack.directions
    order = range(stack.shape[0])[:: -1 if stack.reverse else 1]
    datasets = []
    for number, index in enumerate(order, start=1):
        dataset = _common(stack, CTImageStorage, f"slice {index}")
        dataset.InstanceNumber = number
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.KVP, dataset.ConvolutionKernel = "120", "STANDARD"
        dataset.SliceThickness = stack.spacing_mm[0]
        dataset.PixelSpacing = list(stack.spacing_mm[1:])
        dataset.ImageOrientationPatient = _decimals([*row, *column])
        dataset.ImagePositionPatient = _decimals(to_lps(stack.affine, np.array([index, 0, 0.0])))
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
        dataset.PixelData = (hu[index] + 1024).astype("<i2").tobytes()
        for keyword, value in stack.header.items():
            setattr(dataset, keyword, value)
        datasets.append(dataset)
    return datasets


def _enhanced(stack: Stack, hu: NDArray[np.int16]) -> FileDataset:
    """Enhanced CT: slope and intercept per frame, orientation and measures per frame too."""
    dataset = _common(stack, EnhancedCTImageStorage, "enhanced")
    row, column, _ = stack.directions
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.NumberOfFrames = stack.shape[0]
    shared = Dataset()
    shared.CTXRayDetailsSequence = [_item(KVP=120.0)]
    shared.CTReconstructionSequence = [_item(ConvolutionKernel="STANDARD")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames, stored = [], []
    for number, index in enumerate(range(stack.shape[0])[:: -1 if stack.reverse else 1]):
        intercept = -1024 if number % 2 else -1000
        groups = Dataset()
        groups.PlanePositionSequence = [
            _item(ImagePositionPatient=_decimals(to_lps(stack.affine, np.array([index, 0, 0.0]))))
        ]
        groups.PlaneOrientationSequence = [
            _item(ImageOrientationPatient=_decimals([*row, *column]))
        ]
        groups.PixelMeasuresSequence = [
            _item(PixelSpacing=list(stack.spacing_mm[1:]), SliceThickness=stack.spacing_mm[0])
        ]
        groups.PixelValueTransformationSequence = [
            _item(RescaleIntercept=intercept, RescaleSlope=1, RescaleType="HU")
        ]
        frames.append(groups)
        stored.append((hu[index] - intercept).astype("<i2"))
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = np.stack(stored).tobytes()
    return dataset


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _decimals(values: object) -> list[str]:
    return [f"{value:.9f}" for value in np.asarray(values, float)]


def known_localization(ct: CtVolume) -> Localization:
    """The four bodies where they are, in place of the network."""
    return Localization(
        unnamed=(),
        vertebrae=tuple(located(level) for level in LEVELS),
        presumed=False,
        grid=CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=3.0, shape=(1, 1, 1)),
        body_probability=np.zeros((1, 1, 1), np.float32),
    )


def located(level: Level, *, complete: bool = True) -> LocatedVertebra:
    """One body of the stack."""
    x, y, z = centre_of(level)
    half = (BODY_MM[0] + DISC_MM) / 2
    return LocatedVertebra(
        level=level,
        centre_lps_mm=(x, y, z),
        up_lps=(0.0, 0.0, 1.0),
        lower_lps_mm=(x, y, z - half),
        upper_lps_mm=(x, y, z + half),
        lower_normal_lps=(0.0, 0.0, 1.0),
        upper_normal_lps=(0.0, 0.0, 1.0),
        complete=complete,
    )


def sampled_labels(ct: CtVolume) -> NDArray[np.uint8]:
    """Bodies in patient space, sampled at the voxels of any volume."""
    index = np.moveaxis(np.indices(ct.hu.shape), 0, -1).astype(float)
    x, y, z = np.moveaxis(to_lps(ct.geometry.affine, index), -1, 0)
    labels = np.zeros(ct.hu.shape, np.uint8)
    for level in LEVELS:
        cx, cy, cz = centre_of(level)
        height, depth, width = BODY_MM
        inside = ((x - cx) / (width / 2)) ** 2 + ((y - cy) / (depth / 2)) ** 2 <= 1
        labels[inside & (np.abs(z - cz) <= height / 2)] = level
    return labels


def known_segmentation(ct: CtVolume, found: Localization) -> Segmentation:
    """Label map of the four bodies, in place of the network."""
    labels = sampled_labels(ct)
    labels.flags.writeable = False
    return Segmentation(labels=labels, geometry=ct.geometry)


def read(path: str | Path) -> Dataset:
    """Read an object with pydicom alone."""
    return pydicom.dcmread(path)

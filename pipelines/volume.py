"""Instances -> one CT volume in Hounsfield units, its geometry and its source frames.

Takes  Job
Gives  CtVolume
Next   pipelines.localize
"""

from dataclasses import dataclass

import numpy as np
from highdicom import VolumeGeometry
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReference:
    """Where one slice came from; ``frame_number`` (from 1) only for multi-frame objects."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionHeader:
    """What the header says and a gate may ask for; ``None`` means that the header is silent.

    Never a default: an unknown value stays unknown.
    """

    kvp: float | None
    convolution_kernel: str | None
    slice_thickness_mm: float | None
    contrast_agent: str | None
    patient_age_years: float | None
    patient_sex: str | None
    patient_position: str | None
    manufacturer: str | None
    model_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CtVolume:
    """A CT series as an array in patient space; nothing is resampled.

    Parameters
    ----------
    hu : (slices, rows, columns) float32, HU, read-only
        Slices in order of position along the slice normal.
    geometry
        Affine from index (slice, row, column) to patient coordinates (LPS, mm), and the frame
        of reference.
    frames
        One reference per slice, in the order of ``hu``.
    """

    hu: NDArray[np.float32]
    geometry: VolumeGeometry
    frames: tuple[FrameReference, ...]
    header: AcquisitionHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A label map on the grid of its CT.

    Parameters
    ----------
    labels : (slices, rows, columns) uint8, read-only
        0 background, else the value of ``pipelines.anatomy.Level``.
    geometry
        The geometry of the CT, the same object.
    """

    labels: NDArray[np.uint8]
    geometry: VolumeGeometry

"""Decode stored slices into one CT volume in Hounsfield units, with geometry and frames.

Takes  SourceSeries
Gives  CtVolume
Next   pipelines.gates.all_gates
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from pipelines.contract.slice_thickness import coarsest_mm
from pipelines.read.acquisition import AcquisitionHeader, read_acquisition
from pipelines.read.sources import (
    FrameReference,
    SourcePlane,
    SourceSeries,
    foreign_errors_translated,
    instances_of,
    open_series,
)
from pipelines.space.coordinates import Geometry

__all__ = [
    "AIR_HU",
    "AcquisitionHeader",
    "CtVolume",
    "FrameReference",
    "Segmentation",
    "read_volume",
]

AIR_HU: Final = -1024.0
"""Value of padding outside the reconstructed circle."""
IMPOSSIBLE_HU: Final = -1500.0
"""Values below are padding that the header does not declare (GE: -2000 stored); air is noisy, but not so low."""
DECODERS: Final = 4
"""Threads that decode slices. The codecs release the interpreter lock."""


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
    geometry: Geometry
    frames: tuple[FrameReference, ...]
    header: AcquisitionHeader

    @property
    def slice_mm(self) -> float:
        """Slice thickness, or slice distance where that is larger, mm."""
        return coarsest_mm(float(self.geometry.spacing_mm[0]), self.header.slice_thickness_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A label map on the grid of its CT.

    Parameters
    ----------
    labels : (slices, rows, columns) uint8, read-only
        0 background, else the value of ``pipelines.contract.anatomy.Level``.
    geometry
        The geometry of the CT, the same object.
    """

    labels: NDArray[np.uint8]
    geometry: Geometry


def read_volume(source: SourceSeries | Sequence[Path]) -> CtVolume:
    """Decode a CT series into Hounsfield units, slices in order of position.

    Parameters
    ----------
    source
        An opened series, or the files of one.

    Raises
    ------
    UnreadablePixels
        An object cannot be decoded.
    GeometryMismatch
        The objects are not a regular stack (see `pipelines.read.sources.open_series`).

    Source
    ------
    PS3.3 C.11.1.1 (Modality LUT), C.7.5.1.1.2 (Pixel Padding Value).
    """
    series = source if isinstance(source, SourceSeries) else open_series(instances_of(source))
    hu = np.empty(series.geometry.shape, np.float32)
    by_file: dict[Path, list[int]] = {}
    for index, plane in enumerate(series.planes):
        by_file.setdefault(plane.path, []).append(index)
    with ThreadPoolExecutor(DECODERS) as pool:
        tasks = [
            pool.submit(_decode_file, path, indices, series, hu)
            for path, indices in by_file.items()
        ]
        for task in tasks:
            task.result()
    hu.flags.writeable = False
    return CtVolume(
        hu=hu,
        geometry=series.geometry,
        frames=tuple(plane.frame for plane in series.planes),
        header=read_acquisition(series.datasets),
    )


def _decode_file(
    path: Path, indices: list[int], series: SourceSeries, hu: NDArray[np.float32]
) -> None:
    """Fill the slices of ``hu`` that one object holds."""
    place = {series.planes[index].frame_index: index for index in indices}
    with foreign_errors_translated(path.name):
        dataset = pydicom.dcmread(path)
        for frame_index, stored in enumerate(iter_pixels(dataset)):
            index = place[frame_index]
            hu[index] = _hounsfield(dataset, stored, series.planes[index])


def _hounsfield(dataset: Dataset, stored: NDArray[Any], plane: SourcePlane) -> NDArray[np.float32]:
    hu = stored.astype(np.float32) * np.float32(plane.slope) + np.float32(plane.intercept)
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        low, high = min(padding, limit), max(padding, limit)
        hu[(stored >= low) & (stored <= high)] = AIR_HU
    hu[hu < IMPOSSIBLE_HU] = AIR_HU
    return hu

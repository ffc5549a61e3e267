"""Compare the radiomic features with pyradiomics: speed and largest difference.

usage: python -m benchmarks.radiomics [--data ../shared/data] [--runs 5] [--whole] [--json]

Both extractors run alternately in one process on two cores, on the same images, with the same
parameter files: 1184 features of one proximal femur (study 3) and 111 of four vertebral bodies
(study 2). Images are cropped around the bone first, so that pyradiomics does not interpolate the
whole CT; ``--whole`` adds one round on the whole CT. With ``--data`` the bones are those of real
CTs (the vertebrae of a 3 mm CT are resampled to the voxels of study 2), otherwise ellipsoids of
their size.

speedup_femur, speedup_vertebrae : wall time of pyradiomics / ours, median over the rounds
..._cpu : the same for processor time
seconds_... , cpu_seconds_... : ours, median
speedup_femur_whole_ct : wall time, whole CT
max_rel_diff : largest relative difference of any feature
"""

import argparse
import json
import logging
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
import SimpleITK as sitk  # noqa: N813  common alias
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage, tight_box
from pipelines.radiomics.settings import FeatureSettings, feature_settings
from pipelines.space.masks import largest_part

CORES: Final = 2
FEMUR_LENGTH_MM: Final = 110.0
"""Length from the top of the head to the lesser trochanter."""
MARGIN_MM: Final = 40.0
STUDY2_VOXEL_MM: Final = (1.25, 0.7, 0.7)
Features = list[dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image and regions in it."""

    image: ScalarImage
    masks: tuple[NDArray[np.bool_], ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the real CTs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--whole", action="store_true", help="also measure the femur in its whole CT"
    )
    parser.add_argument("--json", action="store_true", help="print only the last line")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(CORES)
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    whole = real_femur(arguments.data) if arguments.data else simulated((45.0, 28.0, 24.0), 2.5)
    vertebrae = real_vertebrae(arguments.data) if arguments.data else simulated_vertebrae()
    result: dict[str, Any] = {"data": "real" if arguments.data else "simulated"}
    differences = []
    for name, subject, settings in (
        ("femur", cut_out(whole), feature_settings("study3")),
        ("vertebrae", vertebrae, feature_settings("study2_faithful")),
    ):
        measured, difference = side_by_side(subject, settings, arguments.runs)
        result |= {f"{key}_{name}": value for key, value in measured.items()}
        differences.append(difference)
    if arguments.whole:
        measured, difference = side_by_side(whole, feature_settings("study3"), 1)
        result["speedup_femur_whole_ct"] = measured["speedup"]
        differences.append(difference)
    result |= {"max_rel_diff": max(differences), "runs": arguments.runs, "cores": CORES}
    if not arguments.json:
        for key, value in result.items():
            print(f"{key:28} {value}")
    print(json.dumps(result))


def side_by_side(
    subject: Subject, settings: FeatureSettings, runs: int
) -> tuple[dict[str, float], float]:
    """Return medians over alternating rounds, and the largest relative difference."""
    ours, theirs = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast, reference = extract(subject, settings), pyradiomics(subject, settings)
        for _ in range(runs):
            ours.append(timed(extract, subject, settings))
            theirs.append(timed(pyradiomics, subject, settings))
    wall = [their[0] / our[0] for our, their in zip(ours, theirs, strict=True)]
    cpu = [their[1] / our[1] for our, their in zip(ours, theirs, strict=True)]
    voxels = [int(mask.sum()) for mask in subject.masks]
    measured = {
        "speedup": round(statistics.median(wall), 2),
        "speedup_cpu": round(statistics.median(cpu), 2),
        "seconds": round(statistics.median(our[0] for our in ours), 3),
        "cpu_seconds": round(statistics.median(our[1] for our in ours), 3),
        "seconds_pyradiomics": round(statistics.median(their[0] for their in theirs), 3),
        "cpu_seconds_pyradiomics": round(statistics.median(their[1] for their in theirs), 3),
        "features": len(fast[0]),
        "voxels": statistics.mean(voxels),
    }
    return measured, largest_difference(fast, reference)


def timed(
    run: Callable[[Subject, FeatureSettings], Features],
    subject: Subject,
    settings: FeatureSettings,
) -> tuple[float, float]:
    """Return seconds of wall time and of processor time over all threads."""
    start, used = time.perf_counter(), processor_seconds()
    run(subject, settings)
    return time.perf_counter() - start, processor_seconds() - used


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def extract(subject: Subject, settings: FeatureSettings) -> Features:
    image = ScalarImage(values=subject.image.values, spacing_mm=subject.image.spacing_mm)
    found = extract_features(image, subject.masks, settings, threads=CORES)
    assert all(isinstance(one, RadiomicFeatures) for one in found), found
    return [dict(one.values) for one in found if isinstance(one, RadiomicFeatures)]


def pyradiomics(subject: Subject, settings: FeatureSettings) -> Features:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor = RadiomicsFeatureExtractor(str(settings.path))
    spacing = [float(step) for step in subject.image.spacing_mm[::-1]]
    image = sitk.GetImageFromArray(subject.image.values)
    image.SetSpacing(spacing)
    found = []
    for mask in subject.masks:
        label = sitk.GetImageFromArray(mask.astype(np.uint8))
        label.SetSpacing(spacing)
        found.append(extractor.execute(image, label))
    return found


def largest_difference(ours: Features, theirs: Features) -> float:
    """Return the largest relative difference over every feature of every region."""
    return max(
        abs(value - float(their[name])) / (max(abs(value), abs(float(their[name]))) or 1)
        for our, their in zip(ours, theirs, strict=True)
        for name, value in our.items()
    )


def real_femur(data: Path) -> Subject:
    """Return the left femur of the torso CT, head to lesser trochanter; slices, rows, columns."""
    hu, spacing_mm = read(data / "ct" / "torso_2p5mm.nii.gz")
    labels, _ = read(data / "ct" / "torso_2p5mm_organs.nii.gz")
    mask = labels == 1
    top = int(np.flatnonzero(mask.any(axis=(1, 2)))[-1])
    mask[: top - int(FEMUR_LENGTH_MM / spacing_mm[0])] = False
    return Subject(image=ScalarImage(values=hu, spacing_mm=spacing_mm), masks=(mask,))


def real_vertebrae(data: Path) -> Subject:
    """Return the bodies of L1 to L4 of the labelled CT, at the voxel size of study 2."""
    hu, spacing_mm = read(data / "ct" / "abdomen_pelvis_3mm.nii.gz")
    labels, _ = read(data / "ct" / "abdomen_pelvis_3mm_vertebral_bodies.nii.gz")
    bodies = [labels == label for label in (20, 21, 22, 23)]
    box = widened(np.any(bodies, axis=0), spacing_mm)
    zoom = spacing_mm / STUDY2_VOXEL_MM
    masks = [ndimage.zoom(body[box].astype(np.float32), zoom, order=1) > 0.5 for body in bodies]
    values = np.round(ndimage.zoom(hu[box], zoom, order=1))
    return Subject(
        image=ScalarImage(values=values, spacing_mm=np.asarray(STUDY2_VOXEL_MM)),
        masks=tuple(largest_part(mask) for mask in masks),
    )


def read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read values and spacing of a NIfTI file: slices, rows, columns."""
    image: Any = nibabel.load(path)
    values = np.ascontiguousarray(np.asarray(image.dataobj, np.float32).T)
    return values, np.asarray(image.header.get_zooms()[::-1], np.float64)


def widened(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    """Return the box of a mask with a margin of 40 mm."""
    box = tight_box(mask)
    assert box is not None
    z, y, x = (
        slice(max(0, part.start - int(MARGIN_MM / step)), part.stop + int(MARGIN_MM / step))
        for part, step in zip(box, spacing_mm, strict=True)
    )
    return z, y, x


def cut_out(subject: Subject) -> Subject:
    """Crop the image around the regions."""
    spacing_mm = subject.image.spacing_mm
    box = widened(np.any(subject.masks, axis=0), spacing_mm)
    values = np.ascontiguousarray(subject.image.values[box])
    return Subject(
        image=ScalarImage(values=values, spacing_mm=spacing_mm),
        masks=tuple(np.ascontiguousarray(mask[box]) for mask in subject.masks),
    )


def simulated(radii_mm: tuple[float, float, float], slice_mm: float, seed: int = 1) -> Subject:
    """Return an ellipsoid with a dense shell and a noisy texture in soft tissue."""
    rng = np.random.default_rng(seed)
    spacing_mm = np.array([slice_mm, 0.8, 0.8])
    shape = tuple(np.ceil((2 * np.asarray(radii_mm) + 2 * MARGIN_MM) / spacing_mm).astype(int))
    places = np.moveaxis(np.indices(shape), 0, -1) * spacing_mm - MARGIN_MM - np.asarray(radii_mm)
    radius = ((places / radii_mm) ** 2).sum(axis=-1)
    hu = 40 + 110 * (radius <= 1) + 600 * np.exp(-(((radius - 0.9) / 0.1) ** 2))
    hu += 60 * ndimage.gaussian_filter(rng.normal(size=shape), 0.8 / spacing_mm)
    image = ScalarImage(values=np.round(hu).astype(np.float32), spacing_mm=spacing_mm)
    return Subject(image=image, masks=(radius <= 1,))


def simulated_vertebrae() -> Subject:
    """Return four bodies of lumbar size, one above the other."""
    bodies = [simulated((14.0, 17.0, 23.0), STUDY2_VOXEL_MM[0], seed=seed) for seed in range(4)]
    size = bodies[0].image.values.shape[0]
    stack = np.zeros((4, 4 * size, *bodies[0].image.values.shape[1:]), bool)
    for index, body in enumerate(bodies):
        stack[index, index * size : (index + 1) * size] = body.masks[0]
    values = np.concatenate([body.image.values for body in bodies])
    image = ScalarImage(values=values, spacing_mm=bodies[0].image.spacing_mm)
    return Subject(image=image, masks=tuple(stack))


if __name__ == "__main__":
    main()

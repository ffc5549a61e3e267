"""Define a dataset of simulated examinations or crops, and write the files of each item.

One item is one virtual patient: the folder of an examination, or one file for each vertebra or
femur, plus a truth file. The truth file is written last and marks the item as finished. An item
depends only on the plan and its seed.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from pipelines.contract.durable import write_durably
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.dxa.report import dxa_truth
from training.cohort.errors import BadCohortConfig
from training.cohort.icrp110.soft_body import context_name
from training.cohort.paint.grid import Grid
from training.cohort.people.population import seeds_of
from training.cohort.people.studies import PAPER_LIKE, study_groups
from training.cohort.people.subject import Subject, draw_subject
from training.cohort.scan.crops import Crop, femur_grid, simulate_crop, vertebra_grid
from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.cohort.scan.image import CtImage
from training.cohort.scan.protocols import draw_plan, find_protocol
from training.cohort.scan.simulate import ExaminationPlan, simulate
from training.cohort.scan.truth import label_affine_ras
from training.cohort.write.dicom import write_series

VERSION: Final = 1
"""Version of the file layout; datasets of different versions do not mix."""

KINDS: Final = ("vertebrae", "femora", "examinations")
USUAL_PROTOCOL: Final = {
    "vertebrae": "lumbar",
    "femora": "abdomen_low_dose",
    "examinations": "abdomen",
}
CROP_THICKNESS_MM: Final = {"vertebrae": 5.0, "femora": 1.25}
"""Slice thickness of crops: study 1 uses a slice profile of 5 mm; study 3 scans 1.25 mm."""

LEVELS: Final = (Level.L1, Level.L2, Level.L3, Level.L4)
SIDES: Final = {"left": 1, "right": -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPlan:
    """Configuration of a dataset.

    Parameters
    ----------
    what
        ``vertebrae`` (L1 to L4), ``femora`` or ``examinations``.
    subjects
        Number of patients; a larger dataset contains the items of a smaller one.
    seed
        Datasets with different seeds have no common patient.
    study, scenario
        Groups of patients to draw from (``training.cohort.people.studies``).
    protocol
        Scan protocol; empty for the usual one of ``what``.
    held_out
        Whether the scanners of test sets are used instead of those of training sets.
    findings
        Whether the findings of the patients are painted.
    dxa
        Whether DXA is simulated as well (about 2 s for each patient).
    slice_thickness_mm
        Slice thickness of the crops; ``None`` for the usual one of ``what``.
    data
        Folder with ``icrp110`` (``ExaminationPlan.data``); its path does not change any item.
    """

    what: str = "vertebrae"
    subjects: int = 10
    seed: int = 1
    study: str = "lumbar"
    scenario: str = PAPER_LIKE.name
    protocol: str = ""
    held_out: bool = False
    findings: bool = True
    dxa: bool = False
    slice_thickness_mm: float | None = None
    data: Path | None = None

    def __post_init__(self) -> None:
        if self.what not in KINDS:
            raise BadCohortConfig(f"what = {self.what!r}", "one of " + ", ".join(KINDS))
        _within("subjects", self.subjects, 1, 1_000_000)
        _within("seed", self.seed, 0, 2**40)
        study_groups(self.study, self.scenario)
        find_protocol(self.protocol_name)
        if self.slice_thickness_mm is not None:
            _within("slice_thickness_mm", self.slice_thickness_mm, 0.2, 20)

    @property
    def protocol_name(self) -> str:
        """Name of the protocol in use."""
        return self.protocol or USUAL_PROTOCOL[self.what]

    @property
    def config(self) -> dict[str, Any]:
        """Return all settings that determine an item; the number of items is not one of them."""
        named = asdict(self)
        fields = {name: named[name] for name in named if name not in {"subjects", "data"}}
        # Datasets made before the phantoms have no entry for the context; their digests stay valid.
        context = {} if self.data is None else {"context": context_name(self.data)}
        return {"version": VERSION, **fields, **context, "protocol": self.protocol_name}

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration."""
        return sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    @property
    def seeds(self) -> list[int]:
        """Seed of each patient."""
        return [int(seed) for seed in seeds_of(self.seed, self.subjects)]


def item_name(seed: int) -> str:
    """Return the base name of the files of an item."""
    return f"{seed:012d}"


def is_finished(folder: Path, seed: int) -> bool:
    """Whether an item is complete on disk."""
    return truth_file(folder, seed).is_file()


def truth_file(folder: Path, seed: int) -> Path:
    """Return the truth file of an item."""
    return folder / f"{item_name(seed)}.json"


def item_files(folder: Path, seed: int) -> list[Path]:
    """All files of an item, in order."""
    name = item_name(seed)
    own = [path for path in folder.glob(f"{name}*") if path.is_file()]
    inside = [path for path in (folder / name).rglob("*") if path.is_file()]
    return sorted(own + inside)


def make_item(plan: DatasetPlan, seed: int, folder: Path) -> None:
    """Simulate and write one item."""
    subject = draw_subject(
        seed, study=plan.study, scenario=plan.scenario, with_findings=plan.findings
    )
    models = HELD_OUT if plan.held_out else TRAINING
    scan = draw_plan(plan.protocol_name, subject, seed=seed, models=models)
    scan = replace(scan, data=plan.data)
    if plan.what == "examinations":
        truth = _write_examination(scan, folder / item_name(seed))
    else:
        truth = _write_crops(plan, scan, folder, seed)
    if plan.dxa:
        truth["dxa"] = dxa_truth(subject)
    text = json.dumps(truth, indent=2, sort_keys=True) + "\n"
    write_durably(truth_file(folder, seed), lambda path: path.write_text(text, "utf-8"))


def _write_examination(scan: ExaminationPlan, folder: Path) -> dict[str, Any]:
    """Write DICOM and label maps to a temporary folder, then rename it."""
    unfinished = folder.with_name(f".{folder.name}.part")
    for old in (unfinished, folder):
        if old.exists():
            shutil.rmtree(old)
    made = simulate(scan, threads=1)
    write_series(made.image, made.header, unfinished / "dicom")
    affine = label_affine_ras(made.image)
    for name, labels in (("labels", made.labels), ("parts", made.parts)):
        image = nibabel.Nifti1Image(np.transpose(labels, (2, 1, 0)), affine)
        nibabel.save(image, unfinished / f"{name}.nii.gz")
    for file in unfinished.rglob("*.*"):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    unfinished.rename(folder)
    return made.truth


def _write_crops(
    plan: DatasetPlan, scan: ExaminationPlan, folder: Path, seed: int
) -> dict[str, Any]:
    body = plan_body(scan.subject)
    thickness = plan.slice_thickness_mm or CROP_THICKNESS_MM[plan.what]
    scanner = replace(scan.scanner, slice_thickness_mm=thickness)
    truth: dict[str, Any] = {}
    levels: dict[str, Any] = {}
    names = []
    for name, grid in _grids(plan.what, body, scan.subject):
        crop = simulate_crop(
            scan.subject, grid, scanner, phase=scan.phase, iodine=scan.iodine, data=scan.data
        )
        write_crop(crop, folder / f"{item_name(seed)}_{name}.npz")
        truth = crop.truth
        levels |= truth["levels"]
        names.append(name)
    return truth | {"levels": levels, "crops": names}


def _grids(what: str, body: BodyPlan, subject: Subject) -> Iterator[tuple[str, Grid]]:
    """Name and grid of each crop of a patient."""
    if what == "femora":
        for name, side in SIDES.items():
            if subject.findings.hip_prosthesis != name:
                yield name, femur_grid(body, side)
    else:
        there = {vertebra.level for vertebra in body.vertebrae}
        for level in LEVELS:
            if level in there:
                yield level.name, vertebra_grid(body, level)


def write_crop(crop: Crop, file: Path) -> None:
    """Write the arrays of a crop for ``numpy.load``; equal crops give equal bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "hu": crop.image.hu,
        "labels": crop.labels,
        "parts": crop.parts,
        "affine_lps": crop.image.affine_lps,
    }
    write_durably(file, lambda path: _write_arrays(path, arrays))


def _write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    # numpy.savez_compressed uses a slow compression level; this takes a third of its time.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(
                f"{name}.npy"
            )  # dated 1980: the bytes do not depend on the clock
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def read_crop(file: Path) -> Crop:
    """Read a crop that ``write_crop`` wrote, with the truth of its item.

    Returns
    -------
    Crop
        ``truth`` is empty if the item is not finished.
    """
    with np.load(file, allow_pickle=False) as stored:
        hu, labels, parts, affine = (stored[k] for k in ("hu", "labels", "parts", "affine_lps"))
    beside = file.with_name(f"{file.stem.split('_')[0]}.json")
    truth = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    return Crop(image=CtImage(hu=hu, affine_lps=affine), labels=labels, parts=parts, truth=truth)


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")

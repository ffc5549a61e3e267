"""Make the examples of study 3: scan one hip per patient, outline the femur, extract its features.

    python -m training.study3.examples --out runs/study3 --jobs 1

Writes ``PART/NUMBER.dxa.json`` for every candidate and ``PART/NUMBER.json`` for every included patient.
Existing files are kept.

The shipped 1 mm network outlines the femur as in the product. It needs a coarse mask like that of the
3 mm network, which is the true bone with a rough surface. A simulated reader is the true outline with
a less rough surface. In the test part both outline every femur. In the other parts the network outlines
every fourth femur and the reader the rest, which is faster and gives the forest both kinds of outline.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from pipelines.contract.anatomy import Side
from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.contract.findings import Abstained
from pipelines.outline.proximal_femur import ProximalFemur, WithheldFemur, outline_femur
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import canonical_grid
from pipelines.space.masks import largest_part
from pipelines.space.resample import resample_to_canonical
from training.cohort.body.anatomy import LABEL_FEMUR
from training.cohort.body.femur import LESSER_TROCHANTER_MM, plan_femur
from training.cohort.body.plan import plan_body
from training.cohort.dxa.hip import scan_hip
from training.cohort.scan.as_ct_volume import volume
from training.cohort.scan.crops import Crop, femur_grid, simulate_crop
from training.selection.perturbation import Reader, repeated_masks
from training.study3.plan import CLASS_COUNTS, PARTS, Candidate, bone_status, candidate

EXTENT_MM: Final = (144.0, 120.0, 144.0)
"""Slices, rows, columns: the crop of the 1 mm network and a margin."""
COARSE_MM: Final = 3.0
COARSE_READER: Final = Reader(offset_mm=0.7, shift_mm=1.0, roughness_mm=1.5, correlation_mm=9.0)
"""Difference of the 3 mm network's femur from the true bone."""
CUT_SD_MM: Final = 2.0
"""Standard deviation of the height at which a reader finds the tip of the lesser trochanter."""
NETWORK, READER = "network", "reader"
NETWORK_EVERY: Final = 4

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One femur.

    Parameters
    ----------
    status
        0 normal, 1 osteopenia, 2 osteoporosis, by DXA of this hip.
    features
        By outline (`NETWORK`, `READER`), then by name; a withheld outline has none.
    withheld
        Reason why the network's outline was withheld, else ``None``.
    dice, volume_difference_cm3
        Network's outline against the true bone above the same height; volume is true minus found.
        ``None`` if there is no outline of the network.
    """

    part: str
    number: int
    side: str
    status: int
    age_years: int
    sex: str
    t_score: float
    features: MappingProxyType[str, dict[str, float]]
    withheld: str | None
    dice: float | None
    volume_difference_cm3: float | None


def measure_dxa(out: Path, seed: int, part: str, number: int) -> int:
    """Class of a candidate, read from a file or measured by simulated DXA."""
    file = out / part / f"{number:05d}.dxa.json"
    if not file.exists():
        chosen = candidate(part, number, seed)
        hip = scan_hip(chosen.subject, chosen.side)
        assert hip.neck.t_score is not None
        assert hip.total.t_score is not None
        record = {
            "simulated": True,
            "neck_t_score": hip.neck.t_score,
            "total_hip_t_score": hip.total.t_score,
            "status": bone_status(hip),
        }
        _write(file, record)
    return int(json.loads(file.read_text("utf-8"))["status"])


def make_example(
    out: Path, seed: int, part: str, number: int, *, engine: Engine = Engine.NATIVE
) -> None:
    """Scan, outline and measure one patient, unless the file exists."""
    file = out / part / f"{number:05d}.json"
    if file.exists():
        return
    chosen = candidate(part, number, seed)
    crop = _scan(chosen)
    ct = as_volume(crop)
    bone = crop.bone(LABEL_FEMUR[chosen.side])
    record: dict[str, Any] = {
        "simulated": True,
        "seed": chosen.subject.seed,
        "engine": engine,
        "side": _side(chosen).value,
        "sex": chosen.subject.sex,
        "age_years": chosen.subject.age_years,
        "scanner": chosen.scanner.model.name,
        "kernel": chosen.scanner.kernel,
        "slice_thickness_mm": chosen.scanner.slice_thickness_mm,
        "withheld": None,
        "dice": None,
        "volume_difference_cm3": None,
    }
    outlines = {}
    by_network = number % NETWORK_EVERY == 0
    if part == "test" or by_network:
        found = outline_femur(ct, *_coarse(ct, bone, chosen), _side(chosen))
        if isinstance(found, WithheldFemur):
            record["withheld"] = found.reason.name
        else:
            outlines[NETWORK] = _whole(found, ct)
            record |= _agreement(ct, bone, outlines[NETWORK], found.cut_lps_mm)
    if part == "test" or not by_network:
        outlines[READER] = _read_by_hand(ct, bone, chosen)
    record["features"] = _features(ct, outlines, engine)
    _write(file, record)


def _heights_lps_mm(ct: CtVolume) -> NDArray[np.float64]:
    affine = ct.geometry.affine
    return np.asarray(affine[2, 3] + affine[2, 0] * np.arange(ct.hu.shape[0]))


def _agreement(ct: CtVolume, bone: Mask, mine: Mask, cut_lps_mm: float) -> dict[str, float]:
    theirs = bone & (_heights_lps_mm(ct) >= cut_lps_mm)[:, None, None]
    voxels = int(mine.sum()), int(theirs.sum())
    return {
        "dice": 2 * int((mine & theirs).sum()) / sum(voxels),
        "volume_difference_cm3": (voxels[1] - voxels[0]) * ct.geometry.voxel_mm3 / 1000,
    }


def _read_by_hand(ct: CtVolume, bone: Mask, chosen: Candidate) -> Mask:
    """Outline of a simulated reader: the true bone down to about the tip of the lesser trochanter."""
    femur = plan_femur(plan_body(chosen.subject))
    rng = np.random.default_rng([chosen.subject.seed, 4])
    tip = float(femur.shaft_start[2]) + LESSER_TROCHANTER_MM[2] * femur.scale
    cut = tip + rng.normal(0, CUT_SD_MM)
    spacing = (float(one) for one in ct.geometry.spacing_mm)
    drawn = repeated_masks(bone, tuple(spacing), 1, reader=Reader(), seed=chosen.subject.seed)[0]  # type: ignore[arg-type]
    drawn[_heights_lps_mm(ct) < cut] = False
    return largest_part(drawn, corners=True)


def _scan(chosen: Candidate) -> Crop:
    scanner = chosen.scanner
    grid = femur_grid(
        plan_body(chosen.subject),
        chosen.side,
        shape=(
            round(EXTENT_MM[0] / scanner.slice_thickness_mm),
            round(EXTENT_MM[1] / chosen.pixel_mm),
            round(EXTENT_MM[2] / chosen.pixel_mm),
        ),
        spacing_mm=(chosen.pixel_mm, chosen.pixel_mm, scanner.slice_thickness_mm),
    )
    return simulate_crop(chosen.subject, grid, scanner)


def as_volume(crop: Crop) -> CtVolume:
    """Convert a simulated crop to the pipelines' CT volume."""
    return volume(crop.image.hu, crop.image.affine_lps)


def _coarse(ct: CtVolume, bone: Mask, chosen: Candidate) -> tuple[Any, Mask]:
    """3 mm grid, and a femur mask on it with the error of the 3 mm network."""
    grid = canonical_grid(ct.geometry, COARSE_MM)
    inside = resample_to_canonical(bone.astype(np.float32), ct.geometry, grid, outside=0.0)
    spacing = (COARSE_MM,) * 3
    return grid, repeated_masks(
        inside > 0.5, spacing, 1, reader=COARSE_READER, seed=chosen.subject.seed
    )[0]


def _side(chosen: Candidate) -> Side:
    return Side.LEFT if chosen.side > 0 else Side.RIGHT


def _whole(found: ProximalFemur, ct: CtVolume) -> Mask:
    mask = np.zeros(ct.hu.shape, bool)
    mask[found.box] = found.mask
    return mask


def _features(
    ct: CtVolume, outlines: dict[str, Mask], engine: Engine
) -> dict[str, dict[str, float]]:
    image = ScalarImage(values=ct.hu, spacing_mm=ct.geometry.spacing_mm)
    measured = extract_features(
        image, list(outlines.values()), feature_settings("study3"), engine=engine, threads=1
    )
    return {
        name: dict(one.values)
        for name, one in zip(outlines, measured, strict=True)
        if not isinstance(one, Abstained)
    }


def _write(file: Path, record: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(record) + "\n", encoding="utf-8")
    new.replace(file)


def make_examples(
    out: Path,
    *,
    seed: int = 1,
    engine: Engine = Engine.NATIVE,
    jobs: int = 1,
    counts: dict[str, tuple[int, int, int]] | None = None,
) -> None:
    """Make every part with as many patients of each class as in the study.

    Parameters
    ----------
    counts
        Other numbers of patients by part, for tests.
    """
    require_engine(engine)
    wanted = counts or {part: CLASS_COUNTS[part] for part in ("train", "test", "validation")}
    total = sum(sum(one) for one in wanted.values())
    with Progress(console=Console(stderr=True)) as progress, _workers(jobs) as run:
        task = progress.add_task("patients", total=total)
        for part, of_class in wanted.items():
            for taken in _taken(out, seed, part, of_class, run, 4 * jobs):
                for _ in run(partial(make_example, out, seed, part, engine=engine), taken):
                    progress.advance(task)


def _taken(
    out: Path,
    seed: int,
    part: str,
    wanted: tuple[int, int, int],
    run: Callable[..., Iterable[Any]],
    at_a_time: int,
) -> Iterator[list[int]]:
    """Candidates in order and in batches, without those whose class is complete."""
    missing, numbers = list(wanted), count()
    while any(missing):
        batch = list(islice(numbers, at_a_time))
        taken = []
        for number, status in zip(
            batch, run(partial(measure_dxa, out, seed, part), batch), strict=True
        ):
            if missing[status]:
                missing[status] -= 1
                taken.append(number)
        yield taken


class _workers:  # noqa: N801  used like a function
    """``map`` over several processes, or in the present process if ``jobs`` is 1."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs) if jobs > 1 else None

    def __enter__(self) -> Callable[..., Iterable[Any]]:
        return map if self._pool is None else self._pool.map

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def read_examples(folder: Path) -> list[Example]:
    """Read all patients of a folder, in order of part and number."""
    return [
        _read(file, part) for part in PARTS for file in sorted((folder / part).glob("?????.json"))
    ]


def _read(file: Path, part: str) -> Example:
    record = json.loads(file.read_text("utf-8"))
    dxa = json.loads(file.with_suffix(".dxa.json").read_text("utf-8"))
    return Example(
        part=part,
        number=int(file.stem),
        side=record["side"],
        status=dxa["status"],
        age_years=record["age_years"],
        sex=record["sex"],
        t_score=min(dxa["neck_t_score"], dxa["total_hip_t_score"]),
        features=MappingProxyType(record["features"]),
        withheld=record["withheld"],
        dice=record["dice"],
        volume_difference_cm3=record["volume_difference_cm3"],
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    make_examples(args.out, seed=args.seed, engine=args.engine, jobs=args.jobs)


if __name__ == "__main__":
    main()

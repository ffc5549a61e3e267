"""Measure the Dice of the shipped 1 mm networks on held-out virtual patients and real CTs.

    python -m training.evaluate.outlines --virtual 12            (rows as JSON)

All rows are part of ``training.evaluate``.

The virtual test set differs from training in anatomy (the held-out family of skeletons, with
findings), scanner and kernel. The imaging chain of the cohort makes the images, with the held-out
scanner and each of its kernels in turn. Training uses another, random chain.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.structures_1mm import CORE_DEPTH_MM
from pipelines.contract.anatomy import Level, Side
from pipelines.locate.localize import Localization
from pipelines.outline.proximal_femur import (
    TROCHANTER_MM,
    ProximalFemur,
    fine_femur,
    grid_around,
    head_centre_index,
    lesser_trochanter_index,
    segment_femora,
)
from pipelines.outline.vertebrae_1mm import look_at, whole_vertebra
from pipelines.read.oriented_crop import box_of, crop, on_ct
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Geometry, to_lps
from training.cohort.body.femur import femur_shape, plan_femur
from training.cohort.body.plan import plan_body
from training.cohort.body.vertebra import body_shape
from training.cohort.people.form import HELD_OUT_FAMILY, draw_form
from training.cohort.people.subject import Subject, draw_subject
from training.cohort.scan.as_ct_volume import located, volume
from training.cohort.scan.crops import femur_grid, simulate_crop, vertebra_grid
from training.cohort.scan.equipment import HELD_OUT
from training.cohort.scan.scanner import Scanner
from training.loop.measured import Row, dice, given_labels
from training.outline_1mm.femur import STEPS_PER_MM, distances

FIRST_TEST_SEED: Final = 90_000
TEST_MODEL: Final = HELD_OUT[0]

REAL_FEMORA: Final[Mapping[str, tuple[str, int, int]]] = MappingProxyType(
    {
        "torso_2p5mm": ("torso_2p5mm_organs", 1, 2),
        "colonography_1p5mm": ("colonography_1p5mm_bones", 4, 5),
    }
)
"""Label map of a real CT, and its labels of the left and right femur."""


def real_rows(name: str, ct: CtVolume, found: Localization, data: Path) -> list[Row]:
    """Return the Dice of each proximal femur of a real CT with labels of whole femora."""
    if name not in REAL_FEMORA:
        return []
    file, *labels = REAL_FEMORA[name]
    reference = given_labels(data, file)
    rows = []
    for result, label in zip(segment_femora(ct, found), labels, strict=True):
        score = 0.0
        if isinstance(result, ProximalFemur):
            mine = np.zeros(ct.hu.shape, bool)
            mine[result.box] = result.mask
            theirs = proximal_part(reference == label, ct.geometry, result.side)
            score = dice(mine, theirs)
        what = f"Dice femur {result.side}, head to lesser trochanter"
        rows.append(Row(on=name, what=what, value=score, goal="0.90", n=1))
    return rows


def proximal_part(femur: NDArray[np.bool_], geometry: Geometry, side: Side) -> NDArray[np.bool_]:
    """Cut a labelled femur at its lesser trochanter by the rule of the product."""
    indices = np.argwhere(femur)
    places = to_lps(geometry.affine, indices.astype(float))
    top = places[places[:, 2] > places[:, 2].max() - 10].mean(axis=0)
    grid = grid_around(np.array([top[0], top[1], places[:, 2].max() - 23.0]), side)
    filled = volume(np.where(femur, 0, -1024).astype(np.int16), geometry.affine)
    there = crop(filled, grid) > -512
    head = head_centre_index(there, spacing_mm=grid.spacing_mm)
    tip = lesser_trochanter_index(there, head)
    cut = float(tip) if tip is not None else head[0] - TROCHANTER_MM
    lowest = to_lps(grid.affine, np.array([cut, 0.0, 0.0]))[2]
    kept = np.zeros_like(femur)
    kept[tuple(indices[places[:, 2] >= lowest].T)] = True
    return kept


def virtual_rows(count: int) -> Iterator[Row]:
    """Yield the mean Dice over ``count`` virtual patients that no training used."""
    seeds = range(FIRST_TEST_SEED, FIRST_TEST_SEED + count)
    femora = [virtual_femur_dice(seed) for seed in seeds]
    yield _mean("Dice femur in the crop", femora, "0.975")
    scores = [virtual_vertebra_dice(seed) for seed in seeds]
    yield _mean("Dice vertebra body", [body for body, _ in scores], "0.95")
    yield _mean("Dice vertebra trabecular core", [core for _, core in scores], "0.93")
    yield _mean("Dice whole vertebra", [virtual_whole_dice(seed) for seed in seeds], "")


def _mean(what: str, values: list[float], goal: str) -> Row:
    value = round(float(np.mean(values)), 4)
    return Row(on="virtual test set", what=what, value=value, goal=goal, n=len(values))


def unseen_subject(seed: int) -> Subject:
    """Draw a virtual patient of the family of skeletons that no training used."""
    subject = draw_subject(seed, with_findings=True)
    return replace(subject, form=draw_form(seed, HELD_OUT_FAMILY))


def unseen_scanner(seed: int) -> Scanner:
    """Return the held-out scanner at 1.25 mm with a smooth, standard or sharp kernel in turn."""
    kernel = TEST_MODEL.kernels[seed % len(TEST_MODEL.kernels)]
    return Scanner(model=TEST_MODEL, kernel=kernel.name, slice_thickness_mm=1.25)


def virtual_femur_dice(seed: int) -> float:
    """Return the Dice of one hip of a virtual patient, outlined by the network alone."""
    side = 1 if seed % 2 else -1
    subject = unseen_subject(seed)
    plan = plan_body(subject)
    field = femur_grid(plan, side)
    made = simulate_crop(subject, field, unseen_scanner(seed))
    ct = volume(made.image.hu, made.image.affine_lps)
    head = plan.hip_lps_mm * np.array([side, 1, 1])
    grid = grid_around(head, Side.LEFT if side > 0 else Side.RIGHT)
    found = fine_femur(crop(ct, grid)) > 0.5
    truth = distances(femur_shape(plan_femur(plan), side=side), field) < 0
    box = box_of(ct.geometry, grid)
    inside = on_ct(np.ones(grid.shape, np.float32), grid, ct.geometry, box) > 0.5
    mine = on_ct(found.astype(np.float32), grid, ct.geometry, box) > 0.5
    return dice(mine & inside, truth[box] & inside)


def virtual_vertebra_dice(seed: int) -> tuple[float, float]:
    """Return the Dice of body and trabecular core of one vertebra of a virtual patient."""
    level = (Level.L1, Level.L2, Level.L3, Level.L4)[seed % 4]
    subject = unseen_subject(seed)
    plan = plan_body(subject)
    field = vertebra_grid(plan, level, shape=(64, 128, 128), spacing_mm=(0.7, 0.7, 1.0))
    made = simulate_crop(subject, field, unseen_scanner(seed))
    ct = volume(made.image.hu, made.image.affine_lps)
    depth = distances(body_shape(plan.vertebra(level)), field) / STEPS_PER_MM
    place = located(plan.vertebra(level), level)
    truth = Segmentation(labels=(depth < 0) * np.uint8(level), geometry=ct.geometry)
    found = look_at(ct, place, truth, int(level))
    if found is None:
        return 0.0, 0.0
    return (
        dice(found.body, depth[found.box] < 0),
        dice(found.core, depth[found.box] < -CORE_DEPTH_MM),
    )


def virtual_whole_dice(seed: int) -> float:
    """Return the Dice of one vertebra with arch and processes."""
    level = (Level.L1, Level.L2, Level.L3, Level.L4)[seed % 4]
    subject = unseen_subject(seed)
    plan = plan_body(subject)
    field = vertebra_grid(plan, level, shape=(72, 130, 150), spacing_mm=(0.9, 0.9, 1.25))
    made = simulate_crop(subject, field, unseen_scanner(seed))
    ct = volume(made.image.hu, made.image.affine_lps)
    box, mine = whole_vertebra(ct, located(plan.vertebra(level), level))
    return dice(mine, made.bone(level)[box])


def main() -> None:
    """Measure the virtual patients and print the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--virtual", type=int, default=12)
    arguments = parser.parse_args()
    print(json.dumps([asdict(row) for row in virtual_rows(arguments.virtual)], indent=1))


if __name__ == "__main__":
    main()

"""Measure how often vertebrae of virtual examinations get the right name.

    python -m training.evaluate.names --subjects 16 [--first-seed 95000] [--json]

The skeletons are of the held-out family, the scanner is the held-out one. Kernels, phases and arm
positions are those of the protocol. Patients have degeneration, fractures, scoliosis and variants
of the count. Each examination of chest, abdomen and pelvis is also cropped to the parts of the body
that a PACS sends. Rows: on, what, value, goal, n.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track

from pipelines.contract.anatomy import Level
from pipelines.locate.localize import Localization, localize
from pipelines.read.volume import CtVolume
from training.cohort.body.plan import BodyPlan, VertebraPlan, plan_body
from training.cohort.people.form import HELD_OUT_FAMILY, draw_form
from training.cohort.people.subject import Subject, draw_subject
from training.cohort.scan.as_ct_volume import volume
from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.cohort.scan.protocols import draw_plan
from training.cohort.scan.simulate import simulate
from training.cohort.scan.truth import is_covered, numbering_truth
from training.evaluate.real_cts import SAME_BODY_MM
from training.loop.measured import Row

FIRST_SEED: Final = 95_000
SUBJECTS: Final = 16
SIZE: Final = 256
"""Rows and columns; the product names levels at 3 mm."""
LUMBAR_FIELD_MM: Final = 180.0
UPPER: Final = frozenset(f"T{number}" for number in range(1, 9))
"""Levels that are reported separately: small bodies that the 3 mm network separates less well."""
SURE_GOAL: Final = "0.99"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Part of the examination that is processed as a separate scan.

    Parameters
    ----------
    top, bottom
        The scan begins above ``top`` and ends below ``bottom``; ``None`` stands for the end of the
        examination. ``SACRUM`` keeps most of the sacrum.
    narrow
        Whether the field of view contains only the spine.
    """

    name: str
    top: Level | None = None
    bottom: Level | None = None
    narrow: bool = False


VIEWS: Final = (
    View(name="whole spine"),
    View(name="abdomen and pelvis", top=Level.T10),
    View(name="lumbar spine", top=Level.T11, bottom=Level.SACRUM, narrow=True),
    View(name="chest to L2", bottom=Level.L2),
    View(name="chest to T12", bottom=Level.T12),
    View(name="upper abdomen, T9 to L3", top=Level.T9, bottom=Level.L3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """True and reported names of one view.

    Parameters
    ----------
    regular
        Whether the subject has twelve pairs of ribs and five lumbar vertebrae, none transitional.
    names
        Pairs of the true name of a vertebra that is whole in the view and the reported name of the
        body at its position; ``None`` if no body was found or it has no name.
    """

    seed: int
    view: str
    regular: bool
    names: tuple[tuple[str, str | None], ...]
    presumed: bool
    confidence: float
    seconds: float


def name_subject(seed: int, *, held_out: bool = True) -> Iterator[Naming]:
    """Simulate one subject and yield the result of each view."""
    subject = draw_subject(seed, with_findings=True)
    if held_out:
        subject = replace(subject, form=draw_form(seed, HELD_OUT_FAMILY))
    body = plan_body(subject)
    ct = _examination(subject, seed, held_out=held_out)
    for view in VIEWS:
        part = cut(ct, body, view)
        start = time.perf_counter()
        found = localize(part)
        yield score(seed, view, body, part, found, time.perf_counter() - start)


def _examination(subject: Subject, seed: int, *, held_out: bool) -> CtVolume:
    models = HELD_OUT if held_out else TRAINING
    plan = draw_plan("chest_abdomen_pelvis", subject, seed=seed, models=models)
    image = simulate(replace(plan, size=SIZE)).image
    return volume(image.hu, image.affine_lps)


def cut(ct: CtVolume, body: BodyPlan, view: View) -> CtVolume:
    """Crop an examination to a view."""
    affine = ct.geometry.affine
    spacing = ct.geometry.spacing_mm
    first, stop = 0, ct.hu.shape[0]
    if view.bottom is not None:
        first = max(
            first, round((_end_mm(body, view.bottom, below=True) - affine[2, 3]) / spacing[0])
        )
    if view.top is not None:
        stop = min(stop, round((_end_mm(body, view.top, below=False) - affine[2, 3]) / spacing[0]))
    rows, columns = slice(None), slice(None)
    if view.narrow:
        z = affine[2, 3] + spacing[0] * (first + stop) / 2
        centre = np.array([float(body.spine_x(z)), float(body.spine_y(z)) + 10.0])
        column, row = (centre - affine[:2, 3]) / spacing[[2, 1]]
        half = LUMBAR_FIELD_MM / 2 / spacing[1]
        rows = slice(max(0, round(row - half)), round(row + half))
        columns = slice(max(0, round(column - half)), round(column + half))
    part = ct.hu[first:stop, rows, columns]
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array([first, rows.start or 0, columns.start or 0], float)
    return volume(np.ascontiguousarray(part), moved)


def _end_mm(body: BodyPlan, level: Level, *, below: bool) -> float:
    """Height at which a scan of a level ends; it includes part of the next disc."""
    if level is Level.SACRUM:
        return -45.0 * body.scale
    vertebra = body.vertebra(level)
    reach = vertebra.size_mm[2] / 2 + 8
    return float(vertebra.lps(0, 0, -reach if below else reach)[2])


def score(
    seed: int, view: View, body: BodyPlan, ct: CtVolume, found: Localization, seconds: float
) -> Naming:
    """Compare the names of one view with the truth at each position."""
    truth = numbering_truth(body)
    shape = ct.hu.shape
    shown = [v for v in body.vertebrae if is_covered(v, ct.geometry.affine, shape)]
    return Naming(
        seed=seed,
        view=view.name,
        regular=not truth["transitional"] and len(body.vertebrae) == 17,
        names=tuple((vertebra.name, _name_at(vertebra, found)) for vertebra in shown),
        presumed=found.presumed,
        confidence=round(found.confidence, 3),
        seconds=round(seconds, 2),
    )


def _name_at(vertebra: VertebraPlan, found: Localization) -> str | None:
    for one in found.vertebrae:
        if abs(one.centre_lps_mm[2] - vertebra.centre_lps_mm[2]) < SAME_BODY_MM:
            return one.level.name
    return None


def name_rows(seeds: Sequence[int]) -> list[Row]:
    """Return the rows of the subjects with these seeds."""
    console = Console(stderr=True)
    return summarize(
        [one for seed in track(seeds, "subjects", console=console) for one in name_subject(seed)]
    )


def summarize(namings: Sequence[Naming]) -> list[Row]:
    """Return shares over all bodies by view; variants of the count are separate."""
    rows = []
    regular = [one for one in namings if one.regular]
    for view in VIEWS:
        shown = [one for one in regular if one.view == view.name]
        if shown:
            rows += _shares(shown, f"virtual test set, {view.name}")
    variants = [one for one in namings if not one.regular]
    if variants:
        rows += _shares(variants, "virtual test set, variants of the count, all views")
    return rows


def _shares(namings: Sequence[Naming], on: str) -> list[Row]:
    below = [pair for one in namings for pair in one.names if pair[0] not in UPPER]
    above = [pair for one in namings for pair in one.names if pair[0] in UPPER]
    certain = [
        pair for one in namings if not one.presumed for pair in one.names if pair[0] not in UPPER
    ]
    rows = [
        _row(on, "T9-L5 rightly named", _right(below), len(below), SURE_GOAL),
        _row(on, "T9-L5 wrongly named", _wrong(below), len(below), ""),
        _row(on, "T9-L5 wrongly named and called certain", _wrong(certain), len(below), "0"),
    ]
    if above:
        rows.append(_row(on, "T1-T8 rightly named", _right(above), len(above), ""))
    return rows


def _right(pairs: Sequence[tuple[str, str | None]]) -> int:
    return sum(name == truth for truth, name in pairs)


def _wrong(pairs: Sequence[tuple[str, str | None]]) -> int:
    return sum(name is not None and name != truth for truth, name in pairs)


def _row(on: str, what: str, count: int, total: int, goal: str) -> Row:
    return Row(on=on, what=what, value=round(count / max(total, 1), 4), goal=goal, n=total)


def main() -> None:
    """Name the subjects and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument(
        "--training-kind", action="store_true", help="use families and scanners of training"
    )
    parser.add_argument("--json", action="store_true", help="print only the rows, as JSON")
    args = parser.parse_args()
    console = Console(stderr=True)
    seeds = range(args.first_seed, args.first_seed + args.subjects)
    namings = []
    for seed in track(seeds, "subjects", console=console):
        for one in name_subject(seed, held_out=not args.training_kind):
            namings.append(one)
            if not args.json:
                console.print(json.dumps(asdict(one)), soft_wrap=True)
    print(json.dumps([asdict(row) for row in summarize(namings)], indent=1))


if __name__ == "__main__":
    main()

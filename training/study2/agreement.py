"""Compare the R-score from the product's outlines with that from true outlines, on whole examinations.

    python -m training.study2.agreement --women 6 --out docs/results/study2

The CTs show lumbar spine and sacrum of women of the ``held_out`` cohort (another scanner, another family
of skeletons) in slices of 1.25 mm. The spine and the vertebra network find, name and outline the bodies
as in the product. The same CT is then measured with the true bodies. Writes ``agreement.json``.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from models.coefficients import linear_model
from pipelines.contract.anatomy import Level
from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.contract.findings import Measured
from pipelines.locate.localize import localize
from pipelines.outline.vertebrae_1mm import segment_vertebrae
from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.read.volume import CtVolume
from pipelines.secondary.r_score import MODEL, score_level
from training.cohort.paint.raster import BODY_PARTS
from training.cohort.people.densitometry import DXA_LEVELS
from training.cohort.scan.as_ct_volume import volume
from training.cohort.scan.simulate import ExaminationPlan, simulate
from training.loop.measured import dice
from training.statistics.errors import UnusableSample
from training.statistics.estimate import Estimate
from training.statistics.intraclass import icc_2_1_interval
from training.study2.plan import OvcfCohort, plan_ovcf
from training.tables.table import Row, Stopwatch, row

SLICE_MM: Final = 1.25
SIZE: Final = 400
FIELD_MM: Final = 280.0
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One vertebra measured twice; a score is ``None`` if it was withheld or the body not found.

    Parameters
    ----------
    dice
        Dice of the outline with the true body.
    features_off_sd
        Largest difference of a feature of the score, in standard deviations of training.
    """

    woman: int
    level: str
    is_fracture: bool
    true_score: float | None
    own_score: float | None
    dice: float
    features_off_sd: float | None


def measure_woman(
    cohort: OvcfCohort, row_number: int, *, engine: Engine = Engine.NATIVE
) -> list[Pair]:
    """Both scores of a woman's vertebrae L1 to L4 that are not fractured."""
    subject = cohort.subject(row_number)
    scanner = replace(cohort.scanner(row_number), slice_thickness_mm=SLICE_MM)
    examination = simulate(
        ExaminationPlan(
            subject=subject,
            scanner=scanner,
            region="lumbar",
            size=SIZE,
            field_of_view_mm=FIELD_MM,
            slice_spacing_mm=SLICE_MM,
        ),
        threads=1,
    )
    ct = volume(examination.image.hu, examination.image.affine_lps)
    own = segment_vertebrae(ct, localize(ct)).labels
    broken = cohort.fractured(row_number)
    is_body = np.isin(examination.parts, BODY_PARTS)
    return [
        _pair(
            ct,
            (examination.labels == level) & is_body,
            np.asarray(own == level),
            woman=subject.seed,
            level=level,
            is_fracture=bool(cohort.people.is_case[row_number]),
            engine=engine,
        )
        for level in DXA_LEVELS
        if level not in broken
    ]


def _pair(
    ct: CtVolume,
    true: Mask,
    own: Mask,
    *,
    woman: int,
    level: Level,
    is_fracture: bool,
    engine: Engine,
) -> Pair:
    image = ScalarImage(values=ct.hu, spacing_mm=ct.geometry.spacing_mm)
    found = extract_features(
        image, [true, own], feature_settings("study2_product"), engine=engine, threads=1
    )
    values = [
        one.values if isinstance(one, RadiomicFeatures) and mask.any() else None
        for one, mask in zip(found, (true, own), strict=True)
    ]
    first, second = values
    off = None if first is None or second is None else _farthest(first, second)
    return Pair(
        woman=woman,
        level=level.name,
        is_fracture=is_fracture,
        true_score=_score(first),
        own_score=_score(second),
        dice=dice(own, true),
        features_off_sd=off,
    )


def _score(values: Mapping[str, float] | None) -> float | None:
    if values is None:
        return None
    score = score_level(values, linear_model(MODEL))
    return score.value if isinstance(score, Measured) else None


def _farthest(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    return max(
        abs(first[term.name] - second[term.name]) / term.scale for term in linear_model(MODEL).terms
    )


def agreement_rows(pairs: list[Pair], cohort: str) -> list[Row]:
    """Agreement of the two scores over vertebrae with both, and the number of vertebrae without one.

    Raises
    ------
    UnusableSample
        Fewer than three vertebrae have both scores.
    """
    both = np.array(
        [
            (one.true_score, one.own_score)
            for one in pairs
            if one.true_score is not None and one.own_score is not None
        ]
    )
    if len(both) < 3:
        raise UnusableSample(f"{len(both)} vertebrae with both scores", "three")
    difference = both[:, 1] - both[:, 0]
    withheld = sum(one.own_score is None for one in pairs)
    figures: dict[str, Estimate | float] = {
        "R-score, own against true outline: ICC(2,1)": icc_2_1_interval(both),
        "R-score, own minus true outline: mean": float(difference.mean()),
        "R-score, own minus true outline: SD": float(difference.std(ddof=1)),
        "R-score of the true outline: SD over vertebrae": float(both[:, 0].std(ddof=1)),
        "Dice of the own with the true body: mean": float(np.mean([one.dice for one in pairs])),
    }
    rows = [row(name, value, n=len(both), cohort=cohort) for name, value in figures.items()]
    name = "vertebrae without a score from the own outline"
    return [*rows, row(name, float(withheld), n=len(pairs), cohort=cohort)]


def main() -> None:
    """Simulate, outline and measure the women; print and write the agreement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--women", type=int, default=6, help="number of women, half with fracture")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    require_engine(args.engine)
    watch = Stopwatch(module="training.study2.agreement", seed=args.seed)
    cohort = plan_ovcf("held_out", seed=args.seed)
    rows = np.linspace(0, len(cohort.people) - 1, args.women).round().astype(int)
    pairs = [
        pair
        for number in track(rows.tolist(), "women", console=Console(stderr=True))
        for pair in measure_woman(cohort, number, engine=args.engine)
    ]
    found = agreement_rows(pairs, "virtual women, another scanner and family of skeletons")
    document = {
        **asdict(watch.stop()),
        "rows": [asdict(one) for one in found],
        "vertebrae": [asdict(one) for one in pairs],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1)
    (args.out / "agreement.json").write_text(text + "\n", encoding="utf-8")
    Console().print_json(json.dumps(document["rows"]))


if __name__ == "__main__":
    main()

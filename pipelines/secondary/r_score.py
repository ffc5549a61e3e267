"""Compute the radiomic score (R-score) of the vertebrae L1 to L4, after study 2.

Takes  Examination
Gives  PipelineResult
Next   pipelines.secondary.registry

The R-score is a weighted sum of radiomic features of the whole vertebral body with its cortex. It
rises with the similarity to bodies of women who have a compression fracture at another level. It
measures association with existing fractures (docs/domain.md B8) and was trained on simulated women. It
is no probability and no prediction. The report shows each feature and its contribution to the score.
"""

from collections.abc import Mapping
from math import floor, log10
from typing import Final

from models.coefficients import LinearModel, Term, linear_model
from pipelines.contract.findings import Abstained, ContrastPhase, Measured
from pipelines.contract.models_used import models_used
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
)
from pipelines.lumbar.examination import Examination
from pipelines.lumbar.vertebral_features import LevelFeatures, vertebral_features
from pipelines.radiomics.extract import RadiomicFeatures
from pipelines.radiomics.units import NO_UNIT, ORIGINAL, feature_unit
from pipelines.secondary.scope import Aspect, Scope, out_of_scope

MODEL: Final = "r_score"
SCORE: Final = "r_score"
CONTRIBUTION: Final = "contribution_"
"""Prefix of a feature name: contribution of that feature to the score."""
SCOPE: Final = Scope(
    slice_mm=2.0,
    slice_reason=Reason.SLICES_TOO_THICK_FOR_TEXTURE,
    sharp_kernel=False,
    unknown_kernel=False,
    tilt=False,
    other_kv=False,
    phases=frozenset({ContrastPhase.NONE}),
    age_years=(50.0, 90.0),
    sexes=frozenset({"F"}),
    person_reason=Reason.R_SCORE_NOT_IN_SCOPE,
    order=(
        Aspect.PERSON,
        Aspect.VOLTAGE,
        Aspect.KERNEL,
        Aspect.TILT,
        Aspect.SLICES,
        Aspect.CONTRAST,
    ),
)
"""Of the whole result. Postmenopausal women: the header does not state menopause, so an age
of 50 years replaces it (docs/domain.md 4.2). No training scan had thicker slices."""
FARTHEST_SD: Final = 4.0
"""Largest distance of a feature from the training mean, in standard deviations of training."""
DECIMALS: Final = 2
SIGNIFICANT: Final = 4
EXPERIMENTAL: Final = (
    "Experimental, trained on a virtual cohort only. The R-score is no probability and no prediction. "
    "It rises with the similarity of the vertebra to those of women who have a compression fracture "
    "at another level."
)


def report_r_score(examination: Examination, formula: LinearModel | None = None) -> PipelineResult:
    """Report the R-score of each measured level, or the reason why it is withheld.

    Parameters
    ----------
    formula
        Default: the shipped one.

    Abstains
    --------
    see `SCOPE`
        For the whole examination: not a woman of 50 to 90 years, or not scanned as in training.
    see `vertebral_features`, `score_level`
        For one level.
    """
    used = models_used(MODEL)
    outside = out_of_scope(SCOPE, examination.ct, examination.quality)
    if outside:
        return PipelineResult(pipeline=Pipeline.R_SCORE, reasons=outside[:1], models=used)
    levels = vertebral_features(
        examination.ct, examination.lumbar, engine=examination.job.radiomics_engine
    )
    if not levels:
        return PipelineResult(
            pipeline=Pipeline.R_SCORE, reasons=(Reason.LEVELS_NOT_COVERED,), models=used
        )
    chosen = linear_model(MODEL) if formula is None else formula
    return PipelineResult(
        pipeline=Pipeline.R_SCORE,
        groups=tuple(level_group(one, chosen) for one in levels),
        models=used,
    )


def score_level(features: Mapping[str, float], formula: LinearModel) -> Measured | Abstained:
    """Return the R-score of one vertebra.

    Abstains
    --------
    ``FEATURE_OUTSIDE_TRAINING``
        A feature lies more than four standard deviations from the mean of training.
    """
    if any(_is_far(term, features[term.name]) for term in formula.terms):
        return Abstained(reason=Reason.FEATURE_OUTSIDE_TRAINING)
    return Measured(value=formula.value(features), unit=NO_UNIT)


def _is_far(term: Term, value: float) -> bool:
    return abs(value - term.centre) > FARTHEST_SD * term.scale


def level_group(one: LevelFeatures, formula: LinearModel) -> MeasurementGroup:
    """Return score, features and contributions of a level; only the reason if there is no score."""
    found = one.features
    score = (
        score_level(found.values, formula)
        if isinstance(found, RadiomicFeatures)
        else Abstained(reason=found.reason)
    )
    quantities = [Quantity(name=SCORE, value=score, decimals=DECIMALS)]
    sentences: tuple[str, ...] = ()
    if isinstance(score, Measured) and isinstance(found, RadiomicFeatures):
        quantities += _parts(found.values, formula)
        sentences = (sentence(one, score.value, found.values, formula), EXPERIMENTAL)
    return MeasurementGroup(
        label=one.level.name,
        site=one.level,
        quantities=tuple(quantities),
        sentences=sentences,
        segment=f"{one.level.name} vertebral body",
    )


def _parts(features: Mapping[str, float], formula: LinearModel) -> list[Quantity]:
    """Return each feature, then each contribution."""
    shares = formula.contributions(features)
    measured = [
        Quantity(
            name=term.name.removeprefix(ORIGINAL),
            value=Measured(value=features[term.name], unit=feature_unit(term.name)),
            decimals=max(0, SIGNIFICANT - 1 - floor(log10(term.scale))),
        )
        for term in formula.terms
    ]
    added = [
        Quantity(
            name=CONTRIBUTION + name.removeprefix(ORIGINAL),
            value=Measured(value=share, unit=NO_UNIT),
            decimals=DECIMALS,
        )
        for name, share in shares.items()
    ]
    return measured + added


def sentence(
    one: LevelFeatures, score: float, features: Mapping[str, float], formula: LinearModel
) -> str:
    """Describe the score: its value, its intercept and the contribution of each feature."""
    shares = ", ".join(
        f"{name.removeprefix(ORIGINAL)} {share:+.2f}"
        for name, share in sorted(
            formula.contributions(features).items(), key=lambda item: -abs(item[1])
        )
    )
    return (
        f"{one.level.name}: R-score {score:+.2f} (0 = equally similar to virtual women with and without "
        f"fracture); intercept {formula.intercept:+.2f}, contributions: {shares}."
    )

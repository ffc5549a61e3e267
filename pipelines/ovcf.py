"""Radiomic score of the vertebrae L1 to L4, after study 2: whom does the bone resemble.

Takes  Examination
Gives  PipelineResult
Next   pipelines.secondary

The R-score is a weighted sum of radiomic features of the whole vertebral body with its cortex. It
rises the more a body resembles those of women who have a compression fracture at another level. That
is association with fractures that are there (domain.md B8), learned from simulated women: no
probability, and no prediction. Every feature and what it adds to the score are shown.
"""

from collections.abc import Mapping
from math import floor, log10
from typing import Final

from models.coefficients import LinearModel, Term, linear_model
from pipelines.acquisition import AcquisitionHeader
from pipelines.examination import Examination
from pipelines.findings import Abstained, ContrastPhase, Measured
from pipelines.gates.contrast import REASONS as CONTRAST_REASONS
from pipelines.gates.voltage import other_voltage
from pipelines.groups import MeasurementGroup, Pipeline, PipelineResult, Quantity
from pipelines.provenance import models_used
from pipelines.quality import Quality
from pipelines.radiomics.extract import RadiomicFeatures
from pipelines.radiomics.units import NO_UNIT, ORIGINAL, feature_unit
from pipelines.radiomics.vertebrae import LevelFeatures, vertebral_features
from pipelines.reasons import Reason
from pipelines.volume import CtVolume

MODEL: Final = "ovcf_rscore"
SCORE: Final = "r_score"
CONTRIBUTION: Final = "contribution_"
"""Before the name of a feature: what it adds to the score."""
SCOPE_YEARS: Final = (50.0, 90.0)
"""Postmenopausal women: menopause is not in the header, 50 years stand for it (domain.md 4.2)."""
THICKEST_MM: Final = 2.0
"""Of slices, and their distance: training had none thicker."""
ROUNDING_MM: Final = 0.05
FARTHEST_SD: Final = 4.0
"""From the training mean, in its standard deviations: beyond it a feature is no longer known."""
DECIMALS: Final = 2
SIGNIFICANT: Final = 4
EXPERIMENTAL: Final = (
    "Experimental, trained on a virtual cohort only. The R-score is no probability and no prediction: "
    "it rises the more the vertebra resembles those of women who have a compression fracture at "
    "another level."
)


def report_ovcf(examination: Examination, formula: LinearModel | None = None) -> PipelineResult:
    """R-score of each measured level, or why there is none.

    Parameters
    ----------
    formula
        Default: the shipped one.

    Abstains
    --------
    see `out_of_scope`
        For the whole examination.
    see `vertebral_features`, `score_level`
        For one level.
    """
    used = models_used(MODEL)
    why = out_of_scope(examination.ct, examination.quality)
    if why is not None:
        return PipelineResult(pipeline=Pipeline.OVCF, reasons=(why,), models=used)
    levels = vertebral_features(
        examination.ct, examination.lumbar, engine=examination.job.radiomics_engine
    )
    if not levels:
        return PipelineResult(
            pipeline=Pipeline.OVCF, reasons=(Reason.LEVELS_NOT_COVERED,), models=used
        )
    chosen = linear_model(MODEL) if formula is None else formula
    return PipelineResult(
        pipeline=Pipeline.OVCF,
        groups=tuple(level_group(one, chosen) for one in levels),
        models=used,
    )


def out_of_scope(ct: CtVolume, quality: Quality) -> Reason | None:
    """Why the score does not apply to an examination: first whom, then how it was scanned.

    Returns
    -------
    ``AGE_OR_SEX_UNKNOWN``, ``R_SCORE_NOT_IN_SCOPE``
        Not a woman of 50 to 90 years.
    ``KVP_MISSING``, ``KVP_NOT_120``, ``KERNEL_UNKNOWN``, ``SHARP_KERNEL``, ``GANTRY_TILT``, \
``SLICES_TOO_THICK_FOR_TEXTURE``, a contrast phase
        Not scanned as in training.
    """
    return _person_out_of_scope(ct.header) or _scan_out_of_scope(ct, quality)


def _person_out_of_scope(header: AcquisitionHeader) -> Reason | None:
    if header.patient_age_years is None or header.patient_sex not in {"F", "M"}:
        return Reason.AGE_OR_SEX_UNKNOWN
    youngest, oldest = SCOPE_YEARS
    if header.patient_sex != "F" or not youngest <= header.patient_age_years <= oldest:
        return Reason.R_SCORE_NOT_IN_SCOPE
    return None


def _scan_out_of_scope(ct: CtVolume, quality: Quality) -> Reason | None:
    header = ct.header
    if (why := other_voltage(header.kvp)) is not None:
        return why
    if header.convolution_kernel is None:
        return Reason.KERNEL_UNKNOWN
    for reason in (Reason.SHARP_KERNEL, Reason.GANTRY_TILT):
        if reason in quality.reasons:
            return reason
    distance_mm = float(ct.geometry.spacing_mm[0])
    if max(distance_mm, header.slice_thickness_mm or distance_mm) > THICKEST_MM + ROUNDING_MM:
        return Reason.SLICES_TOO_THICK_FOR_TEXTURE
    if quality.phase is not ContrastPhase.NONE:
        return CONTRAST_REASONS[quality.phase]
    return None


def score_level(features: Mapping[str, float], formula: LinearModel) -> Measured | Abstained:
    """R-score of one vertebra.

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
    """The score of a level with its features and what each adds; nothing but the reason without."""
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
    """Each feature, then each contribution."""
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
    """Score, what it is made of, and where it stands in training."""
    shares = ", ".join(
        f"{name.removeprefix(ORIGINAL)} {share:+.2f}"
        for name, share in sorted(
            formula.contributions(features).items(), key=lambda item: -abs(item[1])
        )
    )
    return (
        f"{one.level.name}: R-score {score:+.2f} (0: as like virtual women with as without fracture) = "
        f"{formula.intercept:+.2f} and {shares}."
    )

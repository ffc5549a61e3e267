"""Density path: measure L1 to L4, exclude levels with a reason, average the others.

Takes  CtVolume, Localization, Segmentation, Quality
Gives  LumbarResult
Next   pipelines.lumbar.examination
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Final

from pipelines.contract.anatomy import MEASURED_LEVELS, Level
from pipelines.contract.calibration import GENERIC
from pipelines.contract.findings import (
    Abstained,
    ContrastPhase,
    LumbarFindings,
    Measured,
    ModelUse,
    VertebraFindings,
)
from pipelines.contract.reasons import Reason
from pipelines.density.attenuation_to_density import DensityPath
from pipelines.density.categories import categorize
from pipelines.gates.all_gates import Quality
from pipelines.locate.localize import Localization, LocatedVertebra
from pipelines.locate.naming import LUMBAR_COUNT
from pipelines.lumbar.attenuation import ATTENUATION_UNIT, LevelMeasurement, measure_level
from pipelines.lumbar.outliers import levels_disagree, outlying_levels
from pipelines.outline.trabecular_core import LevelRegion, trabecular_region
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume, Segmentation

FEWEST_LEVELS: Final = 2
"""Levels that a mean needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LumbarResult:
    """Findings of L1 to L4, and the regions that they were measured in.

    Parameters
    ----------
    regions
        One per measured level that was segmented, from the head down.
    """

    findings: LumbarFindings
    regions: tuple[LevelRegion, ...]


def measure_lumbar(
    ct: CtVolume,
    localization: Localization,
    segmentation: Segmentation,
    quality: Quality,
    models: tuple[ModelUse, ...],
    *,
    density: DensityPath,
) -> LumbarResult:
    """Measure L1 to L4 and decide what is reported.

    Nothing is reported where no level could be measured; a mean needs two.
    """
    vertebrae = [v for v in localization.vertebrae if v.level in MEASURED_LEVELS]
    regions = {
        vertebra.level: region
        for vertebra in vertebrae
        if (region := trabecular_region(segmentation, vertebra)) is not None
    }
    if not regions:
        found = bool(localization.bodies)
        why = Reason.LEVELS_NOT_COVERED if found else Reason.NO_SPINE_FOUND
        return nothing_reported(why, quality.reasons, models)
    measured = {
        vertebra.level: measure_level(
            ct,
            regions[vertebra.level],
            complete=vertebra.complete,
            agreement=vertebra.agreement,
        )
        for vertebra in vertebrae
        if vertebra.level in regions
    }
    rows = _rows(vertebrae, regions, measured, localization.presumed, density)
    findings = _examination(rows, localization, quality, models, density, ct.header)
    if not findings.is_reported:
        return LumbarResult(findings=findings, regions=())
    return LumbarResult(findings=findings, regions=tuple(regions.values()))


def nothing_reported(
    main_reason: Reason,
    reasons: tuple[Reason, ...],
    models: tuple[ModelUse, ...],
    rows: Sequence[VertebraFindings] = (),
) -> LumbarResult:
    """Result of an examination in which nothing is reported, and why."""
    main = Abstained(reason=main_reason)
    findings = LumbarFindings(
        reasons=_unique((main_reason, *reasons)),
        vertebrae=tuple(rows),
        mean_attenuation=main,
        mean_vbmd=main,
        category=main,
        phase=ContrastPhase.UNKNOWN,
        calibration=GENERIC,
        models=models,
    )
    return LumbarResult(findings=findings, regions=())


def _rows(
    vertebrae: Sequence[LocatedVertebra],
    regions: dict[Level, LevelRegion],
    measured: dict[Level, LevelMeasurement],
    presumed: bool,
    density: DensityPath,
) -> tuple[VertebraFindings, ...]:
    values = {
        level: result.attenuation.value
        for level, result in measured.items()
        if isinstance(result.attenuation, Measured) and not result.is_mixed
    }
    outlying = outlying_levels(values)
    rows = []
    for vertebra in vertebrae:
        if vertebra.level not in measured:
            continue
        result = measured[vertebra.level]
        excluded = None
        if isinstance(result.attenuation, Abstained):
            excluded = result.attenuation.reason
        elif result.is_mixed:
            excluded = Reason.FOCAL_LESION
        elif vertebra.level in outlying:
            excluded = Reason.OUTLIER_LEVEL
        rows.append(
            VertebraFindings(
                level=vertebra.level,
                presumed=presumed,
                centroid_lps_mm=regions[vertebra.level].centroid_lps_mm,
                used=excluded is None,
                excluded_reason=excluded,
                trabecular_attenuation=result.attenuation,
                roi_volume=result.core_volume,
                vbmd=density.density(result.attenuation, excluded),
            )
        )
    return tuple(rows)


def _examination(
    rows: tuple[VertebraFindings, ...],
    localization: Localization,
    quality: Quality,
    models: tuple[ModelUse, ...],
    path: DensityPath,
    header: AcquisitionHeader,
) -> LumbarFindings:
    used = {
        row.level: row.trabecular_attenuation.value
        for row in rows
        if row.used and isinstance(row.trabecular_attenuation, Measured)
    }
    excluded = tuple(row.excluded_reason for row in rows if row.excluded_reason is not None)
    if not used:
        withheld = [_withheld(row) for row in rows]
        reasons = (*excluded, *quality.reasons)
        cut = set(excluded) == {Reason.LEVEL_INCOMPLETE}
        main = Reason.LEVELS_NOT_COVERED if cut else Reason.TOO_FEW_VALID_LEVELS
        return nothing_reported(main, reasons, models, withheld).findings
    mean = _mean(tuple(used.values()))
    density = path.density(mean)
    why = list(quality.reasons)
    if path.withheld_because is not None:
        why.append(path.withheld_because)
    if isinstance(density, Measured) or any(isinstance(row.vbmd, Measured) for row in rows):
        why += path.flags(density)
    why += _naming_reasons(localization)
    if isinstance(mean, Abstained):
        why.append(mean.reason)
    if levels_disagree(used):
        why.append(Reason.OUTLIER_LEVEL)
    why += excluded
    return LumbarFindings(
        reasons=_unique(why),
        vertebrae=rows,
        mean_attenuation=mean,
        mean_vbmd=density,
        category=categorize(
            density,
            age_years=header.patient_age_years,
            sex=header.patient_sex,
            phase=quality.phase,
        ),
        phase=quality.phase,
        calibration=path.calibration,
        models=models,
    )


def _naming_reasons(localization: Localization) -> list[Reason]:
    if not localization.presumed:
        return []
    usual = localization.lumbar_count == LUMBAR_COUNT
    return [Reason.NAMING_PRESUMED] + ([] if usual else [Reason.TRANSITIONAL_COUNT])


def _mean(values: tuple[float, ...]) -> Measured | Abstained:
    if len(values) < FEWEST_LEVELS:
        return Abstained(reason=Reason.TOO_FEW_VALID_LEVELS)
    return Measured(value=fmean(values), unit=ATTENUATION_UNIT, standard_deviation=stdev(values))


def _withheld(row: VertebraFindings) -> VertebraFindings:
    """A level of an examination in which nothing is reported: no numbers, only the reason."""
    reason = Abstained(reason=row.excluded_reason or Reason.TOO_FEW_VALID_LEVELS)
    return replace(row, trabecular_attenuation=reason, roi_volume=reason, vbmd=reason)


def _unique(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reasons))

"""Study 4: class of L1 and L2 of a chest CT, by networks on one slice of each level.

Takes  Examination
Gives  PipelineResult
Next   pipelines.run

The localization decides whether the scan shows the chest; the header does not. An abdominal CT gets a
reason only. A chest-abdomen-pelvis CT gets this result beside L1 to L4 and the hips. Model 1 takes both
levels; model 2 takes L1 where the scan ends within L2 or L2 does not count. The density of the same
levels is reported with the class. If they differ by more than one class, or outside `SCOPE`, the class
is withheld.

Source: study 4; docs/domain.md 1.C, 4.4 and C5 (mean attenuation alone is as accurate).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.inference import class_probabilities, default_device
from pipelines.contract.anatomy import Level
from pipelines.contract.findings import Abstained, Measured, ModelUse, VertebraFindings
from pipelines.contract.models_used import models_used
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
    Statement,
)
from pipelines.density.categories import SCOPE_YEARS, categorize, range_number
from pipelines.gates.contrast import ENHANCED
from pipelines.locate.localize import Localization, LocatedVertebra
from pipelines.lumbar.attenuation import ATTENUATION_UNIT
from pipelines.lumbar.examination import Examination
from pipelines.secondary.chest.central_slice import (
    DCNN_MODEL,
    CentralSlice,
    Network,
    central_slice,
    outline,
    shipped_network,
)
from pipelines.secondary.chest.network_input import roi_input
from pipelines.secondary.scope import EVERY_PHASE, STATED_SEXES, Scope, out_of_scope

LEVELS: Final = (Level.L1, Level.L2)
FUSION_MODEL: Final = "chest_fusion"
SINGLE_MODEL: Final = "chest_single"
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
LIKE: Final = ("like_not_low", "like_low", "like_very_low")
DENSITY_UNIT: Final = "mg/cm3"

BODIES_ABOVE_L1: Final = 6
"""With T7 or higher the scan shows the chest; abdominal scans begin at T9 to T11."""
SCOPE: Final = Scope(
    slice_mm=3.0,
    slice_reason=Reason.TOO_COARSE,
    pixel_mm=(0.5, 1.0),
    pixel_reason=Reason.OUTSIDE_TRAINING,
    sharp_kernel=False,
    tilt=False,
    other_kv=False,
    phases=EVERY_PHASE - frozenset(ENHANCED),
    age_years=(SCOPE_YEARS, inf),
    sexes=STATED_SEXES,
)
"""Of the class. Training had pixels of 0.64 to 0.84 mm, enlarged and reduced by a fifth. The age is
that of the QCT ranges, see `pipelines.density.categories`."""
MAJORITY: Final = 0.5

EXPERIMENTAL: Final = (
    "Experimental: networks trained on simulated patients only, on one slice of each level. The "
    "measured density is the reference."
)
ONE_LEVEL: Final = "Only L1 could be used: the density and the class are those of one level."

Classifier = Callable[[str, NDArray[np.float32]], NDArray[np.float64]]
"""From a model's name and (levels, 96, 96) to the probabilities of `CLASSES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestNetworks:
    """The networks that run on the slices; tests replace them by known functions."""

    outline: Network = shipped_network
    classify: Classifier = lambda name, image: class_probabilities(name, image, default_device())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    """The usable slice of one level."""

    level: Level
    section: CentralSlice
    mask: NDArray[np.bool_]


def report_chest(
    examination: Examination, networks: ChestNetworks = ChestNetworks()
) -> PipelineResult:
    """Report L1 and L2 of a scan that shows the chest; only a reason for other scans."""
    if not shows_chest(examination.localization):
        return PipelineResult(pipeline=Pipeline.CHEST, reasons=(Reason.CHEST_NOT_COVERED,))
    slices = {level: _slice(examination, level, networks.outline) for level in LEVELS}
    if all(one == Abstained(reason=Reason.LEVELS_NOT_COVERED) for one in slices.values()):
        return PipelineResult(pipeline=Pipeline.CHEST, reasons=(Reason.LEVELS_NOT_COVERED,))
    usable = [one for one in slices.values() if isinstance(one, _Slice)]
    density = _density(examination, usable)
    shares = _shares(examination, usable, density, networks.classify)
    groups = [_level_group(level, one) for level, one in slices.items()]
    withheld = [one.reason for one in (*slices.values(), shares) if isinstance(one, Abstained)]
    return PipelineResult(
        pipeline=Pipeline.CHEST,
        groups=(*groups, _class_group(examination, usable, density, shares)),
        reasons=tuple(dict.fromkeys(withheld)),
        models=_models(usable, shares),
    )


def shows_chest(localization: Localization) -> bool:
    """Whether six bodies or more were found above L1."""
    above = [one for one in localization.vertebrae if one.level < Level.L1]
    first = next((one for one in localization.vertebrae if one.level == Level.L1), None)
    lowest = first or (above[-1] if above else None)
    if lowest is None:
        return False
    higher = [one for one in localization.unnamed if one.centre_lps_mm[2] > lowest.centre_lps_mm[2]]
    return len(above) + len(higher) >= BODIES_ABOVE_L1


def _slice(examination: Examination, level: Level, network: Network) -> _Slice | Abstained:
    located = _located(examination.localization, level)
    row = _row(examination, level)
    if located is None:
        return Abstained(reason=Reason.LEVELS_NOT_COVERED)
    if not located.complete:
        return Abstained(reason=Reason.LEVEL_INCOMPLETE)
    if row is None:
        return Abstained(reason=Reason.ROI_TOO_SMALL)
    if row.excluded_reason is not None:
        return Abstained(reason=row.excluded_reason)
    section = central_slice(examination.ct, examination.segmentation, located)
    if section is None:
        return Abstained(reason=Reason.NOT_AXIAL)
    mask = outline(section, network)
    if mask is None:
        return Abstained(reason=Reason.SLICE_OUTLINE_UNCERTAIN)
    return _Slice(level=level, section=section, mask=mask)


def _located(localization: Localization, level: Level) -> LocatedVertebra | None:
    return next((one for one in localization.vertebrae if one.level == level), None)


def _row(examination: Examination, level: Level) -> VertebraFindings | None:
    rows = examination.lumbar.findings.vertebrae
    return next((one for one in rows if one.level == level), None)


def _density(examination: Examination, usable: Sequence[_Slice]) -> Measured | Abstained:
    """Return the mean density of the reference path over the levels that the networks use."""
    if not usable:
        return Abstained(reason=Reason.TOO_FEW_VALID_LEVELS)
    rows = [row for one in usable if (row := _row(examination, one.level)) is not None]
    values = [row.vbmd for row in rows]
    for value in values:
        if isinstance(value, Abstained):
            return value
    measured = [value for value in values if isinstance(value, Measured)]
    errors = [one.standard_uncertainty for one in measured]
    known = [one for one in errors if one is not None]
    return Measured(
        value=fmean(one.value for one in measured),
        unit=DENSITY_UNIT,
        # The error of the calibration is common to the levels and does not average out.
        standard_uncertainty=max(known) if known else None,
    )


def _shares(
    examination: Examination,
    usable: Sequence[_Slice],
    density: Measured | Abstained,
    classify: Classifier,
) -> NDArray[np.float64] | Abstained:
    """Return the (3,) probabilities of `CLASSES`, or the reason why they are withheld."""
    model = _model(usable)
    if model is None:
        return Abstained(reason=Reason.TOO_FEW_VALID_LEVELS)
    outside = out_of_scope(SCOPE, examination.ct, examination.quality)
    if outside:
        return Abstained(reason=outside[0])
    if isinstance(density, Abstained):  # no density to compare the class with
        return density
    image = np.stack([roi_input(one.section.hu, one.mask) for one in usable])
    shares = classify(model, image)
    if abs(int(shares.argmax()) - range_number(density.value)) > 1:
        return Abstained(reason=Reason.CLASS_DISAGREES)
    return shares


def _model(usable: Sequence[_Slice]) -> str | None:
    """Return model 1 for both levels, model 2 for L1, ``None`` for L2 alone."""
    levels = tuple(one.level for one in usable)
    return {LEVELS: FUSION_MODEL, LEVELS[:1]: SINGLE_MODEL}.get(levels)


def _level_group(level: Level, found: _Slice | Abstained) -> MeasurementGroup:
    area: Measured | Abstained
    attenuation: Measured | Abstained
    if isinstance(found, Abstained):
        area = attenuation = found
    else:
        values = found.section.hu[found.mask]
        rows, columns = found.section.pixel_mm
        area = Measured(value=float(values.size * rows * columns), unit="mm2")
        attenuation = Measured(
            value=float(values.mean(dtype=np.float64)),
            unit=ATTENUATION_UNIT,
            standard_deviation=float(values.std(dtype=np.float64)),
        )
    return MeasurementGroup(
        label=f"{level.name} central slice",
        site=level,
        quantities=(
            Quantity(name="chest_attenuation", value=attenuation, decimals=1),
            Quantity(name="chest_area", value=area, decimals=0),
        ),
    )


def _class_group(
    examination: Examination,
    usable: Sequence[_Slice],
    density: Measured | Abstained,
    shares: NDArray[np.float64] | Abstained,
) -> MeasurementGroup:
    header = examination.ct.header
    category = categorize(
        density,
        age_years=header.patient_age_years,
        sex=header.patient_sex,
        phase=examination.quality.phase,
    )
    return MeasurementGroup(
        label="L1 and L2" if len(usable) == len(LEVELS) else "one level",
        site=None,
        quantities=(
            Quantity(name="chest_vbmd", value=density, decimals=1),
            *(
                Quantity(name=f"chest_{name}", value=_share(shares, number))
                for number, name in enumerate(CLASSES)
            ),
        ),
        statements=(
            Statement(name="chest_class", value=_most_like(shares)),
            Statement(
                name="chest_range",
                value=category if isinstance(category, Abstained) else category.value,
            ),
        ),
        sentences=(EXPERIMENTAL,) if len(usable) == len(LEVELS) else (EXPERIMENTAL, ONE_LEVEL),
    )


def _share(shares: NDArray[np.float64] | Abstained, number: int) -> Measured | Abstained:
    if isinstance(shares, Abstained):
        return shares
    return Measured(value=float(shares[number]), unit="1")


def _most_like(shares: NDArray[np.float64] | Abstained) -> str | Abstained:
    if isinstance(shares, Abstained):
        return shares
    best = int(shares.argmax())
    return LIKE[best] if shares[best] >= MAJORITY else "like_no_range"


def _models(
    usable: Sequence[_Slice], shares: NDArray[np.float64] | Abstained
) -> tuple[ModelUse, ...]:
    """Return the networks that contributed."""
    names = [DCNN_MODEL] if usable else []
    if not isinstance(shares, Abstained):
        names.append(_model(usable) or "")
    return models_used(*names)

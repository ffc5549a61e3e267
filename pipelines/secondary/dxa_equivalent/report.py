"""Study 1: areal density and class of L1 to L4 by networks, and the fracture-association index.

Takes  Examination
Gives  PipelineResult
Next   pipelines.secondary.registry

Experimental: the networks were trained on a virtual cohort only (`docs/results/study1/networks`). The
areal density estimates what DXA would measure of the vertebra with its cortex and without osteophytes.
It is no trabecular density (docs/domain.md A4), and no T-score is computed from it.
"""

from collections.abc import Mapping
from math import inf
from statistics import fmean, stdev
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.cards import ModelCard, card
from models.errors import UnknownModel
from models.inference import mirror_mean
from models.runtime import forward
from pipelines.contract.anatomy import Level
from pipelines.contract.findings import Abstained, Measured, VertebraFindings
from pipelines.contract.models_used import models_used
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
)
from pipelines.density.categories import SCOPE_YEARS, range_number
from pipelines.lumbar.examination import Examination
from pipelines.lumbar.measure import FEWEST_LEVELS
from pipelines.secondary.dxa_equivalent.fracture_index import MODEL as FRACTURE_INDEX_MODEL
from pipelines.secondary.dxa_equivalent.fracture_index import fracture_index, person_of
from pipelines.secondary.dxa_equivalent.network_input import (
    THICKNESS_MM,
    coarse,
    crop_vertebra,
    normalized,
)
from pipelines.secondary.scope import STATED_SEXES, Scope, out_of_scope

BMD_MODEL: Final = "dxa_equivalent_bmd"
STATUS_MODEL: Final = "dxa_equivalent_class"
STRIDE: Final = (2, 4, 4)
"""Voxels that are averaged to one (slices, rows, columns), as in training of the weights."""
AREAL_UNIT: Final = "g/cm2"
ERROR_METRIC: Final = "RMSE, test, g/cm2"
"""Metric of the model card that is the standard uncertainty of the areal density of a vertebra."""
CLASSES: Final = ("class_normal", "class_osteopenia", "class_osteoporosis")
"""Outputs of the class network, as keys of ``codes.QUANTITY``."""
LIKELY_HU: Final = (160.0, 110.0)
"""Used without a density: low density is unlikely above, likely below (docs/domain.md 4.2)."""
SCAN_SCOPE: Final = Scope(
    slice_mm=THICKNESS_MM,
    slice_reason=Reason.SLICE_TOO_THICK,
    sharp_kernel=False,
    other_kv=False,
)
"""Of the whole result: no training patient had another scan."""
CLASS_SCOPE: Final = Scope(age_years=(SCOPE_YEARS, inf), sexes=STATED_SEXES)
"""Of the classes. WHO classes are for postmenopausal women and men from 50 years (docs/domain.md A8)."""
SENTENCES: Final = (
    "Experimental: areal density and classes are estimates by networks that were trained on "
    "virtual patients only. No DXA was measured. The estimate should exclude osteophytes.",
    "The fracture-association index measures the similarity of age, sex, body mass index and density "
    "to those of patients who have a vertebral fracture. It does not predict a fracture.",
)

Classes = Mapping[Level, NDArray[np.float64]]


def report_dxa_equivalent(examination: Examination) -> PipelineResult:
    """Report areal density, class probabilities and fracture-association index of each level and means.

    Abstains
    --------
    ``SHARP_KERNEL``, ``SLICE_TOO_THICK``, ``KVP_NOT_120``, ``KVP_MISSING``
        Outside `SCAN_SCOPE`: nothing is reported.
    ``WEIGHTS_MISSING``
        The networks are not installed.
    The reason of a level
        Levels that the reference path excludes are excluded here.
    ``AGE_OR_SEX_UNKNOWN``, ``NOT_IN_SCOPE``
        Outside `CLASS_SCOPE` the classes are withheld.
    ``NETWORK_DISAGREES``
        The classes are withheld if they differ from the density by more than one class.

    Source
    ------
    Study 1; docs/domain.md 1.A, 4.1, 4.4.
    """
    findings = examination.lumbar.findings
    if not findings.is_reported:
        return _not_reported(findings.reasons[0])
    if outside := out_of_scope(SCAN_SCOPE, examination.ct, examination.quality):
        return _not_reported(outside[0])
    used = [row for row in findings.vertebrae if row.used]
    try:
        models = models_used(BMD_MODEL, STATUS_MODEL, FRACTURE_INDEX_MODEL)
        error = _error(card(BMD_MODEL))
        areal, classes = _run(examination, used)
    except (UnknownModel, FileNotFoundError):
        return _not_reported(Reason.WEIGHTS_MISSING)
    density = {
        level: Measured(value=value, unit=AREAL_UNIT, standard_uncertainty=error)
        for level, value in areal.items()
    }
    withheld = _classes_withheld(examination, classes)
    groups = [
        _level_group(examination, row, density, withheld or classes) for row in findings.vertebrae
    ]
    return PipelineResult(
        pipeline=Pipeline.DXA_EQUIVALENT,
        groups=(*groups, _mean_group(examination, density, withheld or classes)),
        reasons=() if withheld is None else (withheld,),
        models=models,
    )


def _not_reported(reason: Reason) -> PipelineResult:
    return PipelineResult(pipeline=Pipeline.DXA_EQUIVALENT, reasons=(reason,))


def _run(
    examination: Examination, rows: list[VertebraFindings]
) -> tuple[dict[Level, float], dict[Level, NDArray[np.float64]]]:
    """Run both networks on all levels at once, each vertebra with its mirror image."""
    bmd, status = forward(BMD_MODEL), forward(STATUS_MODEL)
    if not rows:
        return {}, {}
    images = np.stack(
        [
            coarse(normalized(crop_vertebra(examination.ct, row.centroid_lps_mm)), STRIDE)
            for row in rows
        ]
    )
    batch = torch.from_numpy(images[:, None])
    with torch.inference_mode():
        areal = mirror_mean(bmd, batch, maps=False)[:, 0].double().numpy()
        probabilities = lambda x: torch.softmax(status(x).double(), dim=1)  # noqa: E731
        classes = mirror_mean(probabilities, batch, maps=False).numpy()
    levels = [row.level for row in rows]
    return (
        dict(zip(levels, areal.tolist(), strict=True)),
        dict(zip(levels, classes, strict=True)),
    )


def _error(described: ModelCard) -> float | None:
    return next((one.value for one in described.metrics if one.what == ERROR_METRIC), None)


def _classes_withheld(examination: Examination, classes: Classes) -> Reason | None:
    """Return the reason why the classes are withheld; ``None``: they are reported."""
    if outside := out_of_scope(CLASS_SCOPE, examination.ct, examination.quality):
        return outside[0]
    by_density = density_class(examination)
    if by_density is None or not classes:
        return None
    by_network = int(np.mean(list(classes.values()), axis=0).argmax())
    return Reason.NETWORK_DISAGREES if abs(by_network - by_density) > 1 else None


def density_class(examination: Examination) -> int | None:
    """Return the class 0 to 2 by mean density of the reference path, or by attenuation; else ``None``."""
    findings = examination.lumbar.findings
    if isinstance(findings.mean_vbmd, Measured):
        return range_number(findings.mean_vbmd.value)
    if isinstance(findings.mean_attenuation, Measured):
        return sum(findings.mean_attenuation.value <= cut for cut in LIKELY_HU)
    return None


def _level_group(
    examination: Examination,
    row: VertebraFindings,
    density: Mapping[Level, Measured],
    classes: Classes | Reason,
) -> MeasurementGroup:
    areal: Measured | Abstained
    if row.excluded_reason is not None:
        areal, shares = Abstained(reason=row.excluded_reason), _no_classes(row.excluded_reason)
    else:
        areal = density[row.level]
        shares = (
            _no_classes(classes)
            if isinstance(classes, Reason)
            else _class_quantities(classes[row.level])
        )
    index = fracture_index(person_of(examination.ct.header), areal)
    return MeasurementGroup(
        label=row.level.name,
        site=row.level,
        quantities=(
            Quantity(name="areal_density", value=areal, decimals=3),
            *shares,
            Quantity(name="fracture_index", value=index),
        ),
    )


def _mean_group(
    examination: Examination, density: Mapping[Level, Measured], classes: Classes | Reason
) -> MeasurementGroup:
    areal: Measured | Abstained = Abstained(reason=Reason.TOO_FEW_VALID_LEVELS)
    shares = _no_classes(Reason.TOO_FEW_VALID_LEVELS)
    if len(density) >= FEWEST_LEVELS:
        values = [one.value for one in density.values()]
        # Errors of the levels of one patient are correlated: averaging does not reduce them.
        error = next(iter(density.values())).standard_uncertainty
        areal = Measured(
            value=fmean(values),
            unit=AREAL_UNIT,
            standard_deviation=stdev(values),
            standard_uncertainty=error,
        )
        if isinstance(classes, Reason):
            shares = _no_classes(classes)
        else:
            shares = _class_quantities(np.mean(list(classes.values()), axis=0))
    return MeasurementGroup(
        label="mean",
        site=None,
        quantities=(
            Quantity(name="mean_areal_density", value=areal, decimals=3),
            *shares,
            Quantity(
                name="fracture_index",
                value=fracture_index(person_of(examination.ct.header), areal),
            ),
        ),
        sentences=SENTENCES,
    )


def _class_quantities(shares: NDArray[np.float64]) -> tuple[Quantity, ...]:
    return tuple(
        Quantity(name=name, value=Measured(value=float(share), unit="1"))
        for name, share in zip(CLASSES, shares, strict=True)
    )


def _no_classes(reason: Reason) -> tuple[Quantity, ...]:
    return tuple(Quantity(name=name, value=Abstained(reason=reason)) for name in CLASSES)

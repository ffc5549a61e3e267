"""Study 3: class of each proximal femur by its radiomic features, with volume and attenuation.

Takes  Examination
Gives  PipelineResult
Next   pipelines.run

Volume and mean attenuation of each hip depend on its outline only. The class comes from a random forest
that was trained on simulated patients; its classes are ranges of areal density. A side whose outline
fails a check has a reason and no number. Outside `SCOPE` only the class is withheld.

Source: study 3; docs/domain.md 1.D, 4.4, D3 (laterality) and D6 (no radiomics on a failed mask).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np

from models.forest import ForestModel, forest_model
from pipelines.contract.anatomy import Side
from pipelines.contract.feature_engine import Engine
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.models_used import models_used
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
    SegmentMask,
    Statement,
)
from pipelines.contract.slice_thickness import ROUNDING_MM
from pipelines.errors import GeometryMismatch
from pipelines.gates.contrast import ENHANCED
from pipelines.locate.coarse_hips import HIPS_MODEL
from pipelines.lumbar.attenuation import ATTENUATION_UNIT
from pipelines.lumbar.examination import Examination
from pipelines.outline.proximal_femur import (
    FEMUR_MODEL,
    FemurResult,
    Network,
    ProximalFemur,
    WithheldFemur,
    fine_femur,
    segment_femora,
)
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import SUPPORT, ScalarImage
from pipelines.radiomics.settings import FeatureSettings, feature_settings
from pipelines.read.volume import CtVolume
from pipelines.secondary.scope import Scope, out_of_scope

FOREST: Final = "hip_class"
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
NUMBERS: Final = ("hip_volume", "hip_attenuation", *(f"hip_{name}" for name in CLASSES))
SCOPE: Final = Scope(
    slice_mm=2.0,
    slice_reason=Reason.SLICES_TOO_THICK_FOR_TEXTURE,
    pixel_mm=(0.0, 2.0 + ROUNDING_MM),
    pixel_reason=Reason.SLICES_TOO_THICK_FOR_TEXTURE,
    sharp_kernel=False,
    tilt=False,
    other_kv=False,
    age_years=(50.0, inf),
)
"""Of the class. Study 3: 50 to 91 years; the WHO ranges are for women past menopause and men from
50 years."""
MAJORITY: Final = 0.5

EXPERIMENTAL: Final = (
    "Experimental: a random forest over radiomic features of the outlined hip, trained on simulated "
    "patients only. It does not measure areal density. Consider DXA of the hip where the result "
    "matters."
)
ENHANCED_SENTENCE: Final = (
    "Contrast-enhanced: attenuation may be increased. The simulated patients had no contrast "
    "medium."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hip:
    """One side: its group, and its mask where it is reported."""

    group: MeasurementGroup
    mask: SegmentMask | None = None


def report_hips(examination: Examination, network: Network = fine_femur) -> PipelineResult:
    """Report both proximal femora; only a reason where the scan shows no hip."""
    ct = examination.ct
    found = segment_femora(ct, examination.localization, network)
    if all(_is_absent(one) for one in found):
        return PipelineResult(pipeline=Pipeline.HIP, reasons=(Reason.HIP_NOT_COVERED,))
    unfit = next(iter(out_of_scope(SCOPE, ct, examination.quality)), None)
    sentences: tuple[str, ...] = (EXPERIMENTAL,)
    if examination.quality.phase in ENHANCED:
        sentences = (EXPERIMENTAL, ENHANCED_SENTENCE)
    engine = examination.job.radiomics_engine
    hips = [_hip(ct, one, unfit, sentences, engine) for one in found]
    withheld = dict.fromkeys(one.reason for one in found if isinstance(one, WithheldFemur))
    reasons = (*withheld, *(() if unfit is None else (unfit,)))
    return PipelineResult(
        pipeline=Pipeline.HIP,
        groups=tuple(hip.group for hip in hips),
        reasons=reasons,
        masks=tuple(hip.mask for hip in hips if hip.mask is not None),
        models=models_used(HIPS_MODEL, FEMUR_MODEL, FOREST),
    )


def _is_absent(found: FemurResult) -> bool:
    return isinstance(found, WithheldFemur) and found.reason is Reason.HIP_NOT_COVERED


def _hip(
    ct: CtVolume,
    found: FemurResult,
    unfit: Reason | None,
    sentences: tuple[str, ...],
    engine: Engine,
) -> _Hip:
    if isinstance(found, WithheldFemur):
        why = Abstained(reason=found.reason)
        group = MeasurementGroup(
            label=f"{found.side} hip",
            site=found.side,
            quantities=tuple(Quantity(name=name, value=why) for name in NUMBERS),
            statements=(Statement(name="hip_class", value=why),),
        )
        return _Hip(group=group)
    shares = (
        Abstained(reason=unfit) if unfit is not None else class_shares(ct, found, engine=engine)
    )
    values = ct.hu[found.box][found.mask]
    attenuation = Measured(
        value=float(values.mean(dtype=np.float64)),
        unit=ATTENUATION_UNIT,
        standard_deviation=float(values.std(dtype=np.float64)),
    )
    volume = Measured(value=float(values.size * ct.geometry.voxel_mm3), unit="mm3")
    group = MeasurementGroup(
        label=f"{found.side} hip",
        site=found.side,
        quantities=(
            Quantity(name="hip_volume", value=volume, decimals=0),
            Quantity(name="hip_attenuation", value=attenuation, decimals=1),
            *(Quantity(name=f"hip_{name}", value=_share(shares, name)) for name in CLASSES),
        ),
        statements=(Statement(name="hip_class", value=_most_like(shares)),),
        sentences=sentences,
        segment=segment_label(found.side),
    )
    mask = SegmentMask(
        label=segment_label(found.side), site=found.side, box=found.box, mask=found.mask
    )
    return _Hip(group=group, mask=mask)


def segment_label(side: Side) -> str:
    """Label of the segment of one side."""
    return f"{side.value} proximal femur"


def _share(shares: Mapping[str, float] | Abstained, name: str) -> Measured | Abstained:
    return shares if isinstance(shares, Abstained) else Measured(value=shares[name], unit="1")


def _most_like(shares: Mapping[str, float] | Abstained) -> str | Abstained:
    if isinstance(shares, Abstained):
        return shares
    best = max(CLASSES, key=lambda name: shares[name])
    return f"like_{best}" if shares[best] >= MAJORITY else "like_several"


def class_shares(
    ct: CtVolume,
    femur: ProximalFemur,
    forest: ForestModel | None = None,
    *,
    engine: Engine = Engine.NATIVE,
) -> Mapping[str, float] | Abstained:
    """Return the share of trees for each class, for one outlined femur.

    Raises
    ------
    GeometryMismatch
        The mask does not fit into the CT.
    UnreadablePixels
        Values in or near the mask are not numbers.

    Abstains
    --------
    ``FEATURE_OUTSIDE_TRAINING``
        The features lie outside those of the simulated patients.
    see `pipelines.radiomics.extract.extract_features`
        for the rest.
    """
    model = forest or forest_model(FOREST)
    require_inside(femur, ct)
    wide = tuple(
        slice(max(0, part.start - SUPPORT), min(size, part.stop + SUPPORT))
        for part, size in zip(femur.box, ct.hu.shape, strict=True)
    )
    around = (wide[0], wide[1], wide[2])
    mask = np.zeros(ct.hu[around].shape, bool)
    inner = tuple(
        slice(part.start - margin.start, part.stop - margin.start)
        for part, margin in zip(femur.box, around, strict=True)
    )
    mask[inner] = femur.mask
    image = ScalarImage(values=ct.hu[around], spacing_mm=ct.geometry.spacing_mm)
    (features,) = extract_features(image, [mask], settings_for(model.features), engine=engine)
    if isinstance(features, Abstained):
        return features
    if not model.is_like_training(features.values):
        return Abstained(reason=Reason.FEATURE_OUTSIDE_TRAINING)
    return model.probabilities(features.values)


def require_inside(femur: ProximalFemur, ct: CtVolume) -> None:
    """Raise an error for a mask that is not on the grid of the CT.

    Raises
    ------
    GeometryMismatch
        The box exceeds the CT, or differs from the mask in size.
    """
    inside = all(
        0 <= part.start <= part.stop <= size
        for part, size in zip(femur.box, ct.hu.shape, strict=True)
    )
    if not inside or tuple(part.stop - part.start for part in femur.box) != femur.mask.shape:
        raise GeometryMismatch(
            f"mask {femur.mask.shape} at {femur.box}", f"within {ct.hu.shape}", "outline it again"
        )


def settings_for(names: tuple[str, ...]) -> FeatureSettings:
    """Return the settings of study 3 without the filters and feature classes that no name uses."""
    whole = feature_settings("study3")
    images = {name.split("_")[0] for name in names}
    classes = {name.split("_")[1] for name in names}
    sigmas = tuple(
        sigma
        for sigma in whole.log_sigmas_mm
        if any(image.startswith("log-sigma-") and _sigma(image) == sigma for image in images)
    )
    return replace(
        whole,
        log_sigmas_mm=sigmas,
        wavelet=any(image.startswith("wavelet") for image in images),
        features={kind: wanted for kind, wanted in whole.features.items() if kind in classes},
    )


def _sigma(image: str) -> float:
    """Return 2.0 for ``log-sigma-2-0-mm-3D``."""
    whole, tenths = image.removeprefix("log-sigma-").split("-")[:2]
    return float(f"{whole}.{tenths}")

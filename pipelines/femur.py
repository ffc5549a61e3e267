"""Study 3: which range of areal density each proximal femur is most like, by its radiomic features.

Takes  Examination
Gives  PipelineResult
Next   pipelines.run

Volume and mean attenuation of each hip come from its outline alone; the class comes from a random
forest that was made from simulated patients. A side whose outline fails a check gives its reason
and no number; where the scan or the patient is not what the forest was made for, the class alone is
withheld.

Source: study 3; domain report 1.D (laterality, D3; no radiomics on a failed mask, D6) and 4.4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.forest import ForestModel, forest_model
from pipelines.anatomy import Side
from pipelines.attenuation import ATTENUATION_UNIT
from pipelines.errors import GeometryMismatch
from pipelines.examination import Examination
from pipelines.findings import Abstained, Measured
from pipelines.gates.contrast import ENHANCED
from pipelines.gates.voltage import other_voltage
from pipelines.groups import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
    SegmentMask,
    Statement,
)
from pipelines.hips import HIPS_MODEL
from pipelines.kernels import is_sharp
from pipelines.provenance import models_used
from pipelines.proximal_femur import (
    FEMUR_MODEL,
    FemurResult,
    Network,
    ProximalFemur,
    WithheldFemur,
    fine_femur,
    segment_femora,
)
from pipelines.radiomics.engine import Engine
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import SUPPORT, ScalarImage
from pipelines.radiomics.settings import FeatureSettings, feature_settings
from pipelines.reasons import Reason
from pipelines.volume import CtVolume

FOREST: Final = "femur_status"
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
NUMBERS: Final = ("hip_volume", "hip_attenuation", *(f"hip_{name}" for name in CLASSES))
COARSEST_MM: Final = 2.0
ROUNDING_MM: Final = 0.05
YOUNGEST_YEARS: Final = 50.0
"""Study 3: 50 to 91 years; the WHO ranges are for women past menopause and men from 50."""
MAJORITY: Final = 0.5

EXPERIMENTAL: Final = (
    "Experimental: a random forest over radiomic features of the outlined hip, made from simulated "
    "patients only. It is no measurement of areal density; consider DXA of the hip where the answer "
    "matters."
)
ENHANCED_SENTENCE: Final = (
    "Contrast-enhanced: the simulated patients were not, attenuation may be increased."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hip:
    """One side: its group, and its mask where it is reported."""

    group: MeasurementGroup
    mask: SegmentMask | None = None


def report_femora(examination: Examination, network: Network = fine_femur) -> PipelineResult:
    """Both proximal femora; nothing but a reason where the scan shows no hip."""
    ct = examination.ct
    found = segment_femora(ct, examination.localization, network)
    if all(_is_absent(one) for one in found):
        return PipelineResult(pipeline=Pipeline.FEMUR, reasons=(Reason.HIP_NOT_COVERED,))
    unfit = class_withheld_because(examination)
    sentences: tuple[str, ...] = (EXPERIMENTAL,)
    if examination.quality.phase in ENHANCED:
        sentences = (EXPERIMENTAL, ENHANCED_SENTENCE)
    engine = examination.job.radiomics_engine
    hips = [_hip(ct, one, unfit, sentences, engine) for one in found]
    withheld = dict.fromkeys(one.reason for one in found if isinstance(one, WithheldFemur))
    reasons = (*withheld, *(() if unfit is None else (unfit,)))
    return PipelineResult(
        pipeline=Pipeline.FEMUR,
        groups=tuple(hip.group for hip in hips),
        reasons=reasons,
        masks=tuple(hip.mask for hip in hips if hip.mask is not None),
        models=models_used(HIPS_MODEL, FEMUR_MODEL, FOREST),
    )


def _is_absent(found: FemurResult) -> bool:
    return isinstance(found, WithheldFemur) and found.reason is Reason.HIP_NOT_COVERED


def class_withheld_because(examination: Examination) -> Reason | None:
    """Why no class is given of either hip, from header and quality; ``None``: it may be."""
    ct, header = examination.ct, examination.ct.header
    coarsest = max(float(ct.geometry.spacing_mm.max()), header.slice_thickness_mm or 0.0)
    age = header.patient_age_years
    kernel = header.convolution_kernel
    voltage = other_voltage(header.kvp)
    checks = (
        (Reason.SLICES_TOO_THICK_FOR_TEXTURE, coarsest > COARSEST_MM + ROUNDING_MM),
        (Reason.SHARP_KERNEL, kernel is not None and is_sharp(kernel)),
        (Reason.GANTRY_TILT, Reason.GANTRY_TILT in examination.quality.reasons),
        (voltage, voltage is not None),
        (Reason.AGE_OR_SEX_UNKNOWN, age is None),
        (Reason.NOT_IN_SCOPE, age is not None and age < YOUNGEST_YEARS),
    )
    return next((reason for reason, holds in checks if holds), None)


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
    """Shares of the trees by class, of one outlined femur.

    Raises
    ------
    GeometryMismatch
        The mask does not lie within the CT.
    UnreadablePixels
        Values in or near it are not numbers.

    Abstains
    --------
    ``FEATURE_OUTSIDE_TRAINING``
        The features lie beyond those of the simulated patients.
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
    """Refuse a mask that is not on the grid of the CT.

    Raises
    ------
    GeometryMismatch
        The box leaves the CT, or is not of the size of the mask.
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
    """Settings of study 3, without the images and classes that no feature needs."""
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
    """``log-sigma-2-0-mm-3D`` is 2.0."""
    whole, tenths = image.removeprefix("log-sigma-").split("-")[:2]
    return float(f"{whole}.{tenths}")

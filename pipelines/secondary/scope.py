"""Scope of a model: the people and the scans that it was trained for.

Takes  CtVolume, Quality
Gives  Reason
Next   pipelines.secondary.hip, pipelines.secondary.r_score

Each secondary pipeline has its limits as one `Scope` beside its model. Outside them it withholds
what its own docstring names: the class alone, or the whole result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.contract.slice_thickness import is_thicker
from pipelines.gates.all_gates import Quality
from pipelines.gates.contrast import REASONS as CONTRAST_REASONS
from pipelines.gates.voltage import other_voltage
from pipelines.read.volume import CtVolume

EVERY_PHASE: Final = frozenset(ContrastPhase)
STATED_SEXES: Final = frozenset({"F", "M"})
"""Patient's Sex (0010,0040); the models take no other value."""


class Aspect(StrEnum):
    """What a limit is about, in the usual order of the checks."""

    SLICES = "slices"
    PIXELS = "pixels"
    KERNEL = "kernel"
    TILT = "tilt"
    VOLTAGE = "voltage"
    CONTRAST = "contrast"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Limits of one model; a default sets no limit.

    Parameters
    ----------
    slice_mm, slice_reason
        Thickest slices (see `CtVolume.slice_mm`), and the reason for thicker ones.
    pixel_mm, pixel_reason
        Smallest and largest pixel distance, and the reason for others.
    sharp_kernel, unknown_kernel
        Whether a sharp kernel, and a kernel that the header does not state, are in scope.
    tilt
        Whether a tilted gantry is in scope.
    other_kv
        Whether tube voltages other than 120 kV, and unknown ones, are in scope.
    phases
        Contrast phases in scope.
    age_years, sexes, person_reason
        Youngest and oldest age, the values of Patient's Sex, and the reason for others.
        With an age limit the age must be stated; with ``sexes`` the sex must be stated, too.
    order
        Order of the checks: a withheld value carries the first reason.
    """

    slice_mm: float = inf
    slice_reason: Reason = Reason.SLICES_TOO_THICK_FOR_TEXTURE
    pixel_mm: tuple[float, float] = (0.0, inf)
    pixel_reason: Reason = Reason.OUTSIDE_TRAINING
    sharp_kernel: bool = True
    unknown_kernel: bool = True
    tilt: bool = True
    other_kv: bool = True
    phases: frozenset[ContrastPhase] = EVERY_PHASE
    age_years: tuple[float, float] | None = None
    sexes: frozenset[str] | None = None
    person_reason: Reason = Reason.NOT_IN_SCOPE
    order: tuple[Aspect, ...] = tuple(Aspect)


def out_of_scope(scope: Scope, ct: CtVolume, quality: Quality) -> tuple[Reason, ...]:
    """Return why a model does not apply to an examination, in the order of the scope.

    Parameters
    ----------
    quality
        Result of the gates, which decide about sharp kernel, tilt and contrast phase.

    Returns
    -------
    At most one reason for each aspect; empty where the model applies.
    """
    found = (CHECKS[aspect](scope, ct, quality) for aspect in scope.order)
    return tuple(reason for reason in found if reason is not None)


def _slices(scope: Scope, ct: CtVolume, _: Quality) -> Reason | None:
    return scope.slice_reason if is_thicker(ct.slice_mm, scope.slice_mm) else None


def _pixels(scope: Scope, ct: CtVolume, _: Quality) -> Reason | None:
    smallest, largest = scope.pixel_mm
    fits = all(smallest <= float(one) <= largest for one in ct.geometry.spacing_mm[1:])
    return None if fits else scope.pixel_reason


def _kernel(scope: Scope, ct: CtVolume, quality: Quality) -> Reason | None:
    if not scope.unknown_kernel and ct.header.convolution_kernel is None:
        return Reason.KERNEL_UNKNOWN
    is_flagged = Reason.SHARP_KERNEL in quality.reasons
    return Reason.SHARP_KERNEL if is_flagged and not scope.sharp_kernel else None


def _tilt(scope: Scope, _: CtVolume, quality: Quality) -> Reason | None:
    is_flagged = Reason.GANTRY_TILT in quality.reasons
    return Reason.GANTRY_TILT if is_flagged and not scope.tilt else None


def _voltage(scope: Scope, ct: CtVolume, _: Quality) -> Reason | None:
    return None if scope.other_kv else other_voltage(ct.header.kvp)


def _contrast(scope: Scope, _: CtVolume, quality: Quality) -> Reason | None:
    return None if quality.phase in scope.phases else CONTRAST_REASONS[quality.phase]


def _person(scope: Scope, ct: CtVolume, _: Quality) -> Reason | None:
    if scope.age_years is None:
        return None
    age, sex = ct.header.patient_age_years, ct.header.patient_sex
    if age is None or (scope.sexes is not None and sex not in STATED_SEXES):
        return Reason.AGE_OR_SEX_UNKNOWN
    youngest, oldest = scope.age_years
    fits = youngest <= age <= oldest and (scope.sexes is None or sex in scope.sexes)
    return None if fits else scope.person_reason


CHECKS: Final[Mapping[Aspect, Callable[[Scope, CtVolume, Quality], Reason | None]]] = (
    MappingProxyType(
        {
            Aspect.SLICES: _slices,
            Aspect.PIXELS: _pixels,
            Aspect.KERNEL: _kernel,
            Aspect.TILT: _tilt,
            Aspect.VOLTAGE: _voltage,
            Aspect.CONTRAST: _contrast,
            Aspect.PERSON: _person,
        }
    )
)

"""Scan protocols of a department: chest, abdomen, lumbar spine and others.

A protocol has one usual plan and ranges to draw from. Drawn training sets thus contain slices,
doses, kernels, phases and voltages as varied as those in a PACS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from training.cohort.errors import BadCohortConfig
from training.cohort.people.subject import Subject
from training.cohort.scan.equipment import GENERIC, TRAINING, KernelFamily, ScannerModel
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import ExaminationPlan

Choice = TypeVar("Choice")

MOSTLY_120: Final = MappingProxyType({120: 0.82, 100: 0.10, 140: 0.05, 80: 0.03})
BODY_KERNELS: Final = MappingProxyType(
    {KernelFamily.STANDARD: 0.70, KernelFamily.SMOOTH: 0.22, KernelFamily.SHARP: 0.08}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A named set of ranges; the first value of each is the usual one.

    Parameters
    ----------
    slices_mm
        Pairs of spacing and thickness.
    field_of_view_mm, mas
        Usual, lowest and highest value.
    kvps, kernels, phases
        Values and their shares.
    iterative
        Lowest and highest strength of iterative reconstruction.
    arms_down
        Share of patients whose arms lie at their sides.
    cut_below_mm
        Largest distance by which the scan may end above the usual lower end.
    """

    region: str
    slices_mm: tuple[tuple[float, float], ...]
    field_of_view_mm: tuple[float, float, float]
    mas: tuple[int, int, int]
    phases: Mapping[str, float]
    kvps: Mapping[int, float] = field(default_factory=lambda: MOSTLY_120)
    kernels: Mapping[KernelFamily, float] = field(default_factory=lambda: BODY_KERNELS)
    iterative: tuple[float, float] = (0.0, 0.4)
    cut_below_mm: float = 0.0
    arms_down: float = 0.06


PROTOCOLS: Final = MappingProxyType(
    {
        "abdomen": Protocol(
            region="abdomen",
            slices_mm=((2.5, 2.5), (1.25, 1.25), (1.0, 1.0), (3.0, 3.0), (5.0, 5.0), (2.0, 3.0)),
            field_of_view_mm=(410.0, 380.0, 480.0),
            mas=(200, 120, 280),
            phases={"none": 0.4, "portal": 0.4, "arterial": 0.12, "delayed": 0.08},
        ),
        "abdomen_low_dose": Protocol(
            region="abdomen",
            slices_mm=((1.25, 1.25), (2.5, 2.5), (5.0, 5.0)),
            field_of_view_mm=(410.0, 380.0, 480.0),
            mas=(45, 25, 70),
            phases={"none": 1.0},
            kvps={120: 0.9, 100: 0.1},
            iterative=(0.6, 0.8),
        ),
        "chest": Protocol(
            region="chest",
            slices_mm=((2.0, 2.0), (1.25, 1.25), (1.0, 1.0), (3.0, 3.0), (5.0, 5.0)),
            field_of_view_mm=(360.0, 320.0, 420.0),
            mas=(110, 30, 180),
            phases={"none": 0.8, "arterial": 0.1, "portal": 0.1},
            kernels={
                KernelFamily.STANDARD: 0.75,
                KernelFamily.SMOOTH: 0.15,
                KernelFamily.SHARP: 0.1,
            },
            cut_below_mm=45.0,
        ),
        "chest_abdomen_pelvis": Protocol(
            region="chest_abdomen_pelvis",
            slices_mm=((2.5, 2.5), (1.25, 1.25), (3.0, 3.0), (5.0, 5.0)),
            field_of_view_mm=(410.0, 380.0, 480.0),
            mas=(180, 110, 260),
            phases={"portal": 0.7, "none": 0.2, "arterial": 0.1},
        ),
        "lumbar": Protocol(
            region="lumbar",
            slices_mm=((1.25, 1.25), (0.625, 0.625), (0.625, 5.0), (1.0, 1.0), (2.0, 2.0)),
            field_of_view_mm=(200.0, 150.0, 260.0),
            arms_down=0.3,
            mas=(250, 160, 320),
            phases={"none": 1.0},
            kvps={120: 0.9, 140: 0.1},
        ),
    }
)


def find_protocol(name: str) -> Protocol:
    """Find a protocol by its name.

    Raises
    ------
    BadCohortConfig
        No protocol has that name.
    """
    if name not in PROTOCOLS:
        raise BadCohortConfig(f"protocol = {name!r}", "one of " + ", ".join(PROTOCOLS))
    return PROTOCOLS[name]


def usual_plan(name: str, subject: Subject, model: ScannerModel = GENERIC) -> ExaminationPlan:
    """Return the usual plan of a protocol."""
    protocol = find_protocol(name)
    spacing, thickness = protocol.slices_mm[0]
    return ExaminationPlan(
        subject=subject,
        scanner=Scanner(
            model=model,
            kvp=next(iter(protocol.kvps)),
            kernel=model.kernel(next(iter(protocol.kernels))).name,
            mas=protocol.mas[0],
            slice_thickness_mm=thickness,
            iterative=protocol.iterative[0],
        ),
        protocol=name,
        region=protocol.region,
        phase=next(iter(protocol.phases)),
        field_of_view_mm=protocol.field_of_view_mm[0],
        slice_spacing_mm=spacing,
    )


def draw_plan(
    name: str, subject: Subject, *, seed: int, models: Sequence[ScannerModel] = TRAINING
) -> ExaminationPlan:
    """Draw a plan from the ranges of a protocol.

    Parameters
    ----------
    seed
        Seed of the scan. The seed of the subject is another one and determines the patient.
    """
    protocol = find_protocol(name)
    rng = np.random.default_rng([seed, *name.encode()])
    model = models[int(rng.integers(len(models)))]
    spacing, thickness = protocol.slices_mm[int(rng.integers(len(protocol.slices_mm)))]
    family = _drawn(protocol.kernels, rng)
    return ExaminationPlan(
        subject=subject,
        scanner=Scanner(
            model=model,
            kvp=_drawn(protocol.kvps, rng),
            kernel=model.kernel(family).name,
            mas=int(rng.integers(protocol.mas[1], protocol.mas[2] + 1)),
            slice_thickness_mm=thickness,
            hu_drift=round(float(np.clip(rng.normal(0, 1.0), -2, 2)), 2),
            iterative=round(float(rng.uniform(*protocol.iterative)), 2),
            ring_hu=round(float(rng.uniform(5, 25)), 1) if rng.random() < 0.04 else 0.0,
            repeat=seed % 2**31,
        ),
        protocol=name,
        region=protocol.region,
        phase=_drawn(protocol.phases, rng),
        arms="down" if rng.random() < protocol.arms_down else "up",
        iodine=round(float(np.clip(rng.lognormal(0, 0.15), 0.6, 1.6)), 3),
        field_of_view_mm=round(float(rng.uniform(*protocol.field_of_view_mm[1:])), 0),
        slice_spacing_mm=spacing,
        cut_below_mm=round(float(rng.uniform(0, protocol.cut_below_mm)), 1),
    )


def _drawn(shares: Mapping[Choice, float], rng: np.random.Generator) -> Choice:
    names = list(shares)
    weights = np.array(list(shares.values()))
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]

"""Scanner models and reconstruction kernels of the cohort: invented makers, measured properties.

Maker and model names are invented. Kernel names follow the patterns of real vendors (words,
numbers, letters). Each model has its own filtration and thus its own HU of bone, and its own
calibration error and texture. ``HELD_OUT`` is for test sets: no model is trained on it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from training.cohort.errors import BadCohortConfig


class KernelFamily(StrEnum):
    """Purpose of a kernel."""

    SMOOTH = "smooth"
    STANDARD = "standard"
    SHARP = "sharp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A reconstruction kernel.

    Parameters
    ----------
    name
        Convolution Kernel (0018,1210).
    fwhm_mm
        Width of the in-plane point spread.
    noise_cut_per_mm
        fc of the noise power spectrum f exp(-(f / fc)^2); docs/domain.md 3.5.
    noise
        Noise relative to the standard kernel of docs/domain.md 3.5 at the same dose.
    overshoot
        Height of the overshoot at an edge as a share of the edge; 0 for none.
    """

    name: str
    family: KernelFamily
    fwhm_mm: float
    noise_cut_per_mm: float
    noise: float
    overshoot: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerModel:
    """A scanner model; the cohort has one scanner of each.

    Parameters
    ----------
    aluminium_mm
        Filtration in addition to the reference beam; it hardens the beam.
    noise
        Noise relative to docs/domain.md 3.5 at the same dose (detector, dose efficiency).
    hu_drift
        Calibration error of this scanner, HU.
    cupping_hu
        Residual beam hardening: HU in the middle of a 30 cm patient minus HU at its edge.
    profile_blur_mm
        Standard deviation of the blur at the edges of the slice profile.
    flat_table
        Whether the table is flat with a cushion; otherwise it is curved.
    """

    manufacturer: str
    name: str
    kernels: tuple[Kernel, ...]
    aluminium_mm: float = 0.0
    noise: float = 1.0
    hu_drift: float = 0.0
    cupping_hu: float = 0.0
    profile_blur_mm: float = 0.5
    flat_table: bool = False

    def kernel(self, name: str) -> Kernel:
        """Find a kernel by name or family.

        Raises
        ------
        BadCohortConfig
            The scanner has no such kernel.
        """
        for kernel in self.kernels:
            if name in {kernel.name, kernel.family.value}:
                return kernel
        known = ", ".join(kernel.name for kernel in self.kernels)
        raise BadCohortConfig(f"kernel = {name!r}", f"one of {known}")


def _kernels(
    names: tuple[str, str, str],
    widths_mm: tuple[float, float, float] = (1.6, 1.2, 0.7),
    cuts: tuple[float, float, float] = (0.25, 0.40, 0.60),
    noise: tuple[float, float, float] = (0.75, 1.0, 1.9),
    overshoot: float = 0.0,
) -> tuple[Kernel, ...]:
    return tuple(
        Kernel(
            name=name,
            family=family,
            fwhm_mm=width,
            noise_cut_per_mm=cut,
            noise=factor,
            overshoot=overshoot if family is KernelFamily.SHARP else 0.0,
        )
        for name, family, width, cut, factor in zip(
            names, KernelFamily, widths_mm, cuts, noise, strict=True
        )
    )


GENERIC: Final = ScannerModel(
    manufacturer="OsteoNode",
    name="OsteoNode virtual cohort",
    kernels=_kernels(("SMOOTH", "STANDARD", "SHARP")),
)
"""Reference scanner (docs/domain.md 3.5) without calibration error."""

TRAINING: Final = (
    ScannerModel(
        manufacturer="Calder Imaging",
        name="Aquila 64",
        kernels=_kernels(("SOFT", "STANDARD", "BONE"), overshoot=0.10),
        hu_drift=1.5,
        cupping_hu=-2.0,
    ),
    ScannerModel(
        manufacturer="Norsund Medical",
        name="Vega 128",
        kernels=_kernels(
            ("Nb30f", "Nb40f", "Nb60f"),
            (1.7, 1.25, 0.65),
            (0.24, 0.36, 0.66),
            (0.7, 0.95, 2.0),
            0.15,
        ),
        aluminium_mm=1.5,
        noise=0.9,
        hu_drift=-2.5,
        cupping_hu=1.0,
        profile_blur_mm=0.4,
    ),
    ScannerModel(
        manufacturer="Imada Systems",
        name="Orion 80",
        kernels=_kernels(("A", "B", "D"), (1.5, 1.1, 0.75), (0.27, 0.42, 0.58), (0.8, 1.05, 1.8)),
        aluminium_mm=-0.8,
        noise=1.1,
        hu_drift=3.0,
        cupping_hu=-3.0,
        profile_blur_mm=0.6,
        flat_table=True,
    ),
)
"""Scanners of training and validation sets."""

HELD_OUT: Final = (
    ScannerModel(
        manufacturer="Tamsin Healthcare",
        name="Solaris 256",
        kernels=_kernels(
            ("Ts26", "Ts37", "Ts57"), (1.35, 0.95, 0.6), (0.30, 0.48, 0.72), (0.85, 1.2, 2.2), 0.22
        ),
        aluminium_mm=2.5,
        noise=1.0,
        hu_drift=-3.5,
        cupping_hu=2.5,
        profile_blur_mm=0.35,
        flat_table=True,
    ),
)
"""Scanners of test sets: kernels outside the range of the training scanners."""

MODELS: Final = {model.name: model for model in (GENERIC, *TRAINING, *HELD_OUT)}


def find_model(name: str) -> ScannerModel:
    """Find a scanner by its name.

    Raises
    ------
    BadCohortConfig
        No scanner has that name.
    """
    if name not in MODELS:
        raise BadCohortConfig(f"scanner = {name!r}", "one of " + ", ".join(MODELS))
    return MODELS[name]

"""Calibrate on the patient's own tissues: the effective energy of the scan determines the slope.

Takes  Tissues
Gives  Calibration
Next   pipelines.density.attenuation_to_density

The attenuation of fat falls with the energy of the beam. The effective energy of a scan is the one at
which the calculated attenuation of fat and muscle fits the measured one best. The attenuation
of bone mineral at that energy determines the HU per mg/cm3.

Michalski 2020 also fits scale and offset, with cortical bone and blood as further points. Without bone
the energy then depends on the difference of muscle and fat, and fatty or enhanced muscle shifts it by
more than 10 keV (measured in public CTs: 57 to 82 keV at 120 kV). Here air and water fix the scale, so
the fit depends mainly on fat. Enhanced muscle is left out. Blood adds no information to muscle.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from pipelines.contract.calibration import Calibration, CalibrationKind, Standard
from pipelines.density import nist
from pipelines.density.tissues import Tissues

ENERGIES_KEV: Final = tuple(float(e) for e in np.arange(45.0, 100.25, 0.5))
PLAUSIBLE_KEV: Final = (55.0, 90.0)
LOWEST_R_SQUARED: Final = 0.98
PLAUSIBLE_AIR_HU: Final = (-1010.0, -985.0)
FAT_SD_HU: Final = 5.0
MUSCLE_SD_HU: Final = 10.0
"""Standard deviation between patients; muscle contains fat that no threshold separates."""
RELATIVE_UNCERTAINTY: Final = 0.10
"""5 HU of fat shift the energy by about 4 keV, and the slope by about 10 %."""
UNCERTAINTY_MG_CM3: Final = 13.2
"""Phantomless estimates without precalibration (J Bone Miner Res 2023, n = 350): 13.2 mg/cm3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalFit:
    """The effective energy of a scan, and how well it fits the tissues."""

    energy_kev: float
    r_squared: float
    air_hu: float

    @property
    def is_plausible(self) -> bool:
        """Whether a density may be computed with it."""
        return (
            PLAUSIBLE_KEV[0] <= self.energy_kev <= PLAUSIBLE_KEV[1]
            and self.r_squared >= LOWEST_R_SQUARED
            and PLAUSIBLE_AIR_HU[0] <= self.air_hu <= PLAUSIBLE_AIR_HU[1]
        )


def fit_tissues(tissues: Tissues, *, enhanced: bool) -> InternalFit | None:
    """Fit the effective energy; ``None`` where air or fat is missing.

    Parameters
    ----------
    enhanced
        Whether the muscle may contain contrast medium.
    """
    if tissues.air is None or tissues.fat is None:
        return None
    measured = [tissues.air, tissues.fat]
    spreads = [np.inf, FAT_SD_HU]
    if tissues.muscle is not None and not enhanced:
        measured.append(tissues.muscle)
        spreads.append(MUSCLE_SD_HU)
    values = np.array(measured)
    scaled = values * (-1000.0 / tissues.air)
    apart = np.array([scaled - _calculated(energy)[: len(values)] for energy in ENERGIES_KEV])
    misfit = ((apart / np.array(spreads)) ** 2).sum(axis=1)
    best = int(misfit.argmin())
    spread = float(((scaled - scaled.mean()) ** 2).sum())
    return InternalFit(
        energy_kev=ENERGIES_KEV[best],
        r_squared=1 - float((apart[best] ** 2).sum()) / spread,
        air_hu=tissues.air,
    )


@cache
def _calculated(energy_kev: float) -> tuple[float, float, float]:
    """HU of air, fat and muscle."""
    fat, muscle = nist.ADIPOSE, nist.MUSCLE
    return -1000.0, nist.hounsfield(fat, energy_kev), nist.hounsfield(muscle, energy_kev)


def internal_calibration(fit: InternalFit) -> Calibration:
    """Return the calibration line of a plausible fit."""
    return Calibration(
        kind=CalibrationKind.INTERNAL,
        standard=Standard.HYDROXYAPATITE,
        hu_per_mg_cm3=nist.hu_per_mg_hydroxyapatite(fit.energy_kev) * -fit.air_hu / 1000.0,
        hu_at_zero=0.0,
        relative_uncertainty=RELATIVE_UNCERTAINTY,
        uncertainty_mg_cm3=UNCERTAINTY_MG_CM3,
        range_mg_cm3=None,
        source=f"internal calibration on air, fat and muscle, {fit.energy_kev:.0f} keV",
    )

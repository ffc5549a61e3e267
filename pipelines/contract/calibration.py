"""A calibration: the line from HU to mg/cm3, its source and its uncertainty.

Sources of the numbers:

``GENERIC.hu_per_mg_cm3``
    Computed, not fitted: mixture of bone mineral (1.15 g hydroxyapatite, 0.42 g organic matter
    and 0.26 g water per cm3 of bone tissue) and marrow of fixed fat content in a 120 kV spectrum
    (3 mm Al + 0.9 mm Ti) behind 25 cm of water, mean energy 79.9 keV: 1.309 HU per mg/cm3. Its
    inverse, 0.76, lies in the middle of the published calibration lines (0.7 to 1.0); none of
    those is copied, because none could be verified.
``GENERIC.hu_at_zero``
    Zero: water has 0 HU and no mineral, as in the water-equivalent base of a
    calibration phantom. Marrow fat therefore lowers the estimate (10 % more fat: -11 mg/cm3),
    as in single-energy QCT.
``GENERIC.relative_uncertainty``
    14 % standard deviation between eight scanners (Skornitzke 2022).
``GENERIC.uncertainty_mg_cm3``
    13.2 mg/cm3 standard deviation of phantomless estimates without precalibration (comparison of
    methods, J Bone Miner Res 2023, n = 350).
``PRECALIBRATED_MG_CM3``
    4.2 mg/cm3: bias of 2.4 and standard deviation of 3.5 mg/cm3 of precalibrated scanners in the same
    comparison. A phantom has neither marrow nor the size of a patient, so the residuals of a fit
    to rods underestimate the error in patients.
``SAME_MODEL_SHARE``
    1.4 % standard deviation between scanners of one model (Skornitzke 2022).
"""

from dataclasses import dataclass
from enum import StrEnum
from math import hypot
from typing import Final


class CalibrationKind(StrEnum):
    """Where a calibration comes from."""

    ASYNCHRONOUS = "asynchronous"
    INTERNAL = "internal"
    GENERIC = "generic_uncalibrated"


class Standard(StrEnum):
    """Reference material; densities in the two are not interchangeable (Goodsitt 1992)."""

    HYDROXYAPATITE = "hydroxyapatite"
    K2HPO4 = "K2HPO4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """``density = (HU - hu_at_zero) / hu_per_mg_cm3``.

    Parameters
    ----------
    relative_uncertainty, uncertainty_mg_cm3
        Standard uncertainty of a density: a share of it, and a part that does not depend on it.
    range_mg_cm3
        Densities of the fit; ``None`` if they are unknown.
    source
        In words, for the report.
    """

    kind: CalibrationKind
    standard: Standard
    hu_per_mg_cm3: float
    hu_at_zero: float
    relative_uncertainty: float
    uncertainty_mg_cm3: float
    range_mg_cm3: tuple[float, float] | None
    source: str

    def density(self, hu: float) -> tuple[float, float]:
        """Density of a mean attenuation, and its standard uncertainty, mg/cm3."""
        value = (hu - self.hu_at_zero) / self.hu_per_mg_cm3
        return value, hypot(self.relative_uncertainty * value, self.uncertainty_mg_cm3)

    def covers(self, density_mg_cm3: float) -> bool:
        """Whether a density lies in the fitted range; true where no range is known."""
        if self.range_mg_cm3 is None:
            return True
        return self.range_mg_cm3[0] <= density_mg_cm3 <= self.range_mg_cm3[1]


PRECALIBRATED_MG_CM3: Final = 4.2
SAME_MODEL_SHARE: Final = 0.014

GENERIC: Final = Calibration(
    kind=CalibrationKind.GENERIC,
    standard=Standard.HYDROXYAPATITE,
    hu_per_mg_cm3=1.309,
    hu_at_zero=0.0,
    relative_uncertainty=0.14,
    uncertainty_mg_cm3=13.2,
    range_mg_cm3=None,
    source="generic conversion, not calibrated",
)

"""From attenuation to volumetric bone mineral density, without a phantom: a generic estimate.

Takes  Measured
Gives  Measured
Next   pipelines.lumbar

Where each number comes from:

``SLOPE_HU_PER_MG_CM3``
    Computed, not fitted: mixture of bone mineral (1.15 g hydroxyapatite, 0.42 g organic matter
    and 0.26 g water per cm3 of bone tissue) and marrow of fixed fat content in a 120 kV spectrum
    (3 mm Al + 0.9 mm Ti) behind 25 cm of water, mean energy 79.9 keV: 1.309 HU per mg/cm3. Its
    inverse, 0.76, lies in the middle of the published calibration lines (0.7 to 1.0); none of
    those is copied, because none could be verified.
intercept
    Zero: water reads 0 HU and holds no mineral, as in the water-equivalent base of a
    calibration phantom. Marrow fat therefore lowers the estimate (10 % more fat: -11 mg/cm3),
    just as it lowers single-energy QCT.
``RELATIVE_UNCERTAINTY``
    14 % standard deviation between eight scanners (Skornitzke 2022).
``ABSOLUTE_UNCERTAINTY_MG_CM3``
    13.2 mg/cm3 standard deviation of phantomless estimates without precalibration (comparison of
    methods, J Bone Miner Res 2023, n = 350).

The estimate is in hydroxyapatite equivalents; K2HPO4 phantoms read other values, and the two
must not be mixed.
"""

from typing import Final

import numpy as np

from pipelines.findings import Abstained, Measured
from pipelines.reasons import Reason

GENERIC: Final = "generic_uncalibrated"
STANDARD: Final = "hydroxyapatite"
DENSITY_UNIT: Final = "mg/cm3"
SLOPE_HU_PER_MG_CM3: Final = 1.309
RELATIVE_UNCERTAINTY: Final = 0.14
ABSOLUTE_UNCERTAINTY_MG_CM3: Final = 13.2


def estimate_density(
    attenuation: Measured | Abstained, withheld_because: Reason | None
) -> Measured | Abstained:
    """Generic density estimate at 120 kV with its uncertainty.

    Parameters
    ----------
    attenuation : HU
        Mean of trabecular bone.
    withheld_because
        Why no density may be given (tube voltage unknown or not 120 kV), if so.

    Returns
    -------
    mg/cm3
        Hydroxyapatite equivalent, with its standard uncertainty.

    Abstains
    --------
    The given reason, or that of the attenuation.
    """
    if withheld_because is not None:
        return Abstained(reason=withheld_because)
    if isinstance(attenuation, Abstained):
        return attenuation
    density = attenuation.value / SLOPE_HU_PER_MG_CM3
    uncertainty = np.hypot(RELATIVE_UNCERTAINTY * density, ABSOLUTE_UNCERTAINTY_MG_CM3)
    return Measured(value=density, unit=DENSITY_UNIT, standard_uncertainty=float(uncertainty))

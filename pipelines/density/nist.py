"""Compute the attenuation of tissues at one energy from their composition.

Source
------
Mass attenuation coefficients: Hubbell & Seltzer, NISTIR 5632 (NIST X-ray attenuation databases).
Compositions: ICRP Publication 110; adipose tissue: Woodard & White 1986, "adipose tissue 3".
Bone tissue: 1.15 g mineral, 0.42 g organic matrix and 0.26 g water per cm3.
"""

from types import MappingProxyType
from typing import Final

import numpy as np

ENERGIES_KEV: Final = (40.0, 50.0, 60.0, 80.0, 100.0)
ELEMENTS: Final = MappingProxyType(
    {
        "H": (0.3458, 0.3355, 0.3260, 0.3091, 0.2944),
        "C": (0.2076, 0.1871, 0.1753, 0.1610, 0.1514),
        "N": (0.2288, 0.1980, 0.1817, 0.1639, 0.1529),
        "O": (0.2585, 0.2132, 0.1907, 0.1678, 0.1551),
        "Na": (0.3969, 0.2804, 0.2268, 0.1796, 0.1585),
        "P": (0.8096, 0.4916, 0.3494, 0.2324, 0.1865),
        "S": (0.9872, 0.5849, 0.4053, 0.2585, 0.2020),
        "Cl": (1.117, 0.6483, 0.4395, 0.2696, 0.2050),
        "K": (1.541, 0.8679, 0.5678, 0.3251, 0.2345),
        "Ca": (1.830, 1.019, 0.6578, 0.3656, 0.2571),
        "Fe": (3.629, 1.958, 1.205, 0.5952, 0.3717),
    }
)
"""Mass attenuation coefficients at ``ENERGIES_KEV``, cm2/g."""

WATER: Final = (1.0, MappingProxyType({"H": 11.19, "O": 88.81}))
ADIPOSE: Final = (
    0.93,
    MappingProxyType({"H": 11.6, "C": 68.1, "N": 0.2, "O": 19.8, "Na": 0.1, "S": 0.1, "Cl": 0.1}),
)
MUSCLE: Final = (
    1.05,
    MappingProxyType(
        {
            "H": 10.2,
            "C": 14.2,
            "N": 3.4,
            "O": 71.1,
            "Na": 0.1,
            "P": 0.2,
            "S": 0.3,
            "Cl": 0.1,
            "K": 0.4,
        }
    ),
)
BLOOD: Final = (
    1.055,
    MappingProxyType(
        {"H": 10.2, "C": 11.0, "N": 3.3, "O": 74.5, "Na": 0.1, "P": 0.1, "S": 0.2, "Cl": 0.3,
         "K": 0.2, "Fe": 0.1}
    ),
)  # fmt: skip
"""Density in g/cm3, and mass fractions in percent."""

MINERAL: Final = MappingProxyType({"H": 0.2, "O": 41.4, "P": 18.5, "Ca": 39.9})
ORGANIC: Final = MappingProxyType({"H": 6.6, "C": 52.0, "N": 17.0, "O": 24.0, "S": 0.4})
BONE_TISSUE_G_CM3: Final = ((1.15, MINERAL), (0.42, ORGANIC), (0.26, WATER[1]))

Composition = MappingProxyType[str, float]


def mass_attenuation(percent: Composition, energy_kev: float) -> float:
    """Return the mass attenuation coefficient in cm2/g, interpolated in the logarithms."""
    energies = np.log(ENERGIES_KEV)
    return sum(
        share / 100 * float(np.exp(np.interp(np.log(energy_kev), energies, np.log(ELEMENTS[name]))))
        for name, share in percent.items()
    )


def hounsfield(material: tuple[float, Composition], energy_kev: float) -> float:
    """Return the HU of a material at one energy."""
    density, percent = material
    water = mass_attenuation(WATER[1], energy_kev)
    return 1000 * (density * mass_attenuation(percent, energy_kev) - water) / water


def hu_per_mg_hydroxyapatite(energy_kev: float) -> float:
    """Return the HU per mg/cm3 of bone mineral when bone tissue replaces water."""
    water = mass_attenuation(WATER[1], energy_kev)
    bone = sum(
        grams * mass_attenuation(percent, energy_kev) for grams, percent in BONE_TISSUE_G_CM3
    )
    return 1000 * (bone - water) / water / (1000 * BONE_TISSUE_G_CM3[0][0])

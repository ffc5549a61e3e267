"""Composition -> attenuation -> Hounsfield units at a tube voltage.

A polychromatic beam is represented by one effective energy per tube voltage. The energies are
chosen so that trabecular bone rises by the HU per mg/cm3 of a spectrum behind 25 cm of water
(1.8, 1.5, 1.3 and 1.2 at 80, 100, 120 and 140 kVp).

Source
------
Mass attenuation coefficients: Hubbell & Seltzer, NISTIR 5632 (NIST X-ray attenuation databases).
Compositions: ICRP Publication 110; marrow: ICRU Report 46; adipose tissue: Woodard & White 1986,
"adipose tissue 3" (little water), which gives the -100 HU of patients. Bone tissue: 1.15 g mineral, 0.42 g
organic matrix and 0.26 g water per cm3.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.cohort.errors import BadCohortConfig
from training.cohort.grid import Floats

ENERGIES_KEV: Final = (30.0, 40.0, 50.0, 60.0, 80.0, 100.0)

ELEMENTS: Final = MappingProxyType(
    {
        "H": (0.3570, 0.3458, 0.3355, 0.3260, 0.3091, 0.2944),
        "C": (0.2562, 0.2076, 0.1871, 0.1753, 0.1610, 0.1514),
        "N": (0.3066, 0.2288, 0.1980, 0.1817, 0.1639, 0.1529),
        "O": (0.3779, 0.2585, 0.2132, 0.1907, 0.1678, 0.1551),
        "Na": (0.7197, 0.3969, 0.2804, 0.2268, 0.1796, 0.1585),
        "P": (1.700, 0.8096, 0.4916, 0.3494, 0.2324, 0.1865),
        "S": (2.113, 0.9872, 0.5849, 0.4053, 0.2585, 0.2020),
        "Cl": (2.426, 1.117, 0.6483, 0.4395, 0.2696, 0.2050),
        "K": (3.413, 1.541, 0.8679, 0.5678, 0.3251, 0.2345),
        "Ca": (4.080, 1.830, 1.019, 0.6578, 0.3656, 0.2571),
        "Fe": (8.176, 3.629, 1.958, 1.205, 0.5952, 0.3717),
        "I": (8.561, 22.10, 12.32, 7.579, 3.510, 1.942),
    }
)
"""Mass attenuation coefficients at ``ENERGIES_KEV``, cm2/g."""

EFFECTIVE_ENERGY_KEV: Final = MappingProxyType({80: 56.0, 100: 63.5, 120: 70.0, 140: 75.0})
"""One energy in place of the spectrum behind a trunk, by kVp."""

MINERAL_PER_BONE_TISSUE: Final = 1150.0
"""mg of hydroxyapatite in 1 cm3 of bone tissue without marrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Density in g/cm3 and mass fractions in percent."""

    density: float
    percent: dict[str, float]


def _material(density: float, text: str) -> Material:
    pairs = (item.split(":") for item in text.split())
    return Material(density=density, percent={name: float(share) for name, share in pairs})


MATERIALS: Final = MappingProxyType(
    {
        "water": _material(1.0, "H:11.19 O:88.81"),
        "mineral": _material(3.16, "H:0.2 O:41.4 P:18.5 Ca:39.9"),
        "organic": _material(1.35, "H:6.6 C:52.0 N:17.0 O:24.0 S:0.4"),
        "red marrow": _material(1.03, "H:10.5 C:41.4 N:3.4 O:43.9 P:0.1 S:0.2 Cl:0.2 K:0.2 Fe:0.1"),
        "yellow marrow": _material(0.98, "H:11.5 C:64.4 N:0.7 O:23.1 Na:0.1 S:0.1 Cl:0.1"),
        "adipose": _material(0.93, "H:11.6 C:68.1 N:0.2 O:19.8 Na:0.1 S:0.1 Cl:0.1"),
        "muscle": _material(1.05, "H:10.2 C:14.2 N:3.4 O:71.1 Na:0.1 P:0.2 S:0.3 Cl:0.1 K:0.4"),
        "blood": _material(
            1.055, "H:10.2 C:11.0 N:3.3 O:74.5 Na:0.1 P:0.1 S:0.2 Cl:0.3 K:0.2 Fe:0.1"
        ),
        "liver": _material(1.055, "H:10.2 C:13.1 N:3.1 O:72.4 Na:0.2 P:0.2 S:0.3 Cl:0.2 K:0.3"),
        "kidney": _material(1.045, "H:10.3 C:12.5 N:3.1 O:73.1 Na:0.2 P:0.2 S:0.2 Cl:0.2 K:0.2"),
        "spleen": _material(1.05, "H:10.3 C:11.2 N:3.2 O:74.4 Na:0.1 P:0.2 S:0.2 Cl:0.2 K:0.2"),
        "gut wall": _material(1.04, "H:10.5 C:11.4 N:2.5 O:75.0 Na:0.1 P:0.1 S:0.1 Cl:0.2 K:0.1"),
        "gut contents": _material(1.02, "H:10.6 C:8.0 N:1.6 O:79.3 Na:0.1 S:0.1 Cl:0.1 K:0.2"),
        "urine": _material(1.01, "H:10.9 C:0.3 N:1.0 O:87.2 Na:0.3 K:0.2 P:0.1"),
        "skin": _material(1.06, "H:10.0 C:19.9 N:4.2 O:65.0 Na:0.2 P:0.1 S:0.2 Cl:0.3 K:0.1"),
        "disc": _material(1.07, "H:10.0 C:10.0 N:2.4 O:76.0 Na:0.4 P:0.1 S:0.7 Cl:0.4"),
        "nervous": _material(1.03, "H:10.7 C:12.0 N:2.2 O:73.6 Na:0.2 P:0.4 S:0.2 Cl:0.3 K:0.3"),
    }
)


def linear_attenuation(material: Material, kvp: int) -> float:
    """Linear attenuation coefficient at the effective energy of ``kvp``, 1/cm."""
    return material.density * sum(
        share / 100 * _mass_attenuation(name, kvp) for name, share in material.percent.items()
    )


def _mass_attenuation(element: str, kvp: int) -> float:
    """cm2/g, interpolated in the logarithms."""
    if kvp not in EFFECTIVE_ENERGY_KEV:
        known = ", ".join(map(str, EFFECTIVE_ENERGY_KEV))
        raise BadCohortConfig(f"kvp = {kvp}", f"one of {known}")
    energies = np.log(ENERGIES_KEV)
    known_values = np.log(ELEMENTS[element])
    return float(np.exp(np.interp(np.log(EFFECTIVE_ENERGY_KEV[kvp]), energies, known_values)))


def hounsfield(attenuation: float, kvp: int) -> float:
    """HU of a linear attenuation coefficient (1/cm)."""
    water = linear_attenuation(MATERIALS["water"], kvp)
    return 1000 * (attenuation - water) / water


def material_hu(name: str, kvp: int) -> float:
    """HU of a material of ``MATERIALS``."""
    return hounsfield(linear_attenuation(MATERIALS[name], kvp), kvp)


def bone_tissue_hu(kvp: int) -> float:
    """HU of bone tissue without marrow (the limit of a solid cortex)."""
    attenuation = sum(
        mass * linear_attenuation(MATERIALS[name], kvp) / MATERIALS[name].density
        for name, mass in (("mineral", 1.15), ("organic", 0.42), ("water", 0.26))
    )
    return hounsfield(attenuation, kvp)


def iodine_hu_per_mg_ml(kvp: int) -> float:
    """Rise of HU per mg of iodine in 1 ml."""
    return 1000 * 1e-3 * _mass_attenuation("I", kvp) / linear_attenuation(MATERIALS["water"], kvp)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpongiosaHu:
    """HU of trabecular bone as a linear function of its mineral density.

    The mixture of bone tissue and marrow is linear: ``offset + slope * vbmd``.
    """

    offset_hu: float
    slope_hu_per_mg_cm3: float

    def at(self, vbmd_mg_cm3: Floats | float) -> Floats | float:
        """HU at a mineral density (mg hydroxyapatite per cm3)."""
        return self.offset_hu + self.slope_hu_per_mg_cm3 * vbmd_mg_cm3


def spongiosa(marrow_fat: float, kvp: int) -> SpongiosaHu:
    """Trabecular bone with this volume share of yellow marrow in its marrow."""
    if not 0 <= marrow_fat <= 1:
        raise BadCohortConfig(f"marrow_fat = {marrow_fat:g}", "a share from 0 to 1")
    red, yellow = material_hu("red marrow", kvp), material_hu("yellow marrow", kvp)
    marrow = (1 - marrow_fat) * red + marrow_fat * yellow
    slope = (bone_tissue_hu(kvp) - marrow) / MINERAL_PER_BONE_TISSUE
    return SpongiosaHu(offset_hu=marrow, slope_hu_per_mg_cm3=slope)


def mean_marrow_fat(age_years: float) -> NDArray[np.float64] | float:
    """Mean share of yellow marrow in the vertebrae at an age: 0.25 at 20, 0.60 at 85 years."""
    return float(np.interp(age_years, (20, 85), (0.25, 0.60)))

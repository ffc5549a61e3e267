"""Compute attenuation and HU from composition, in a polychromatic beam.

Every energy has the weight of its signal in a detector behind a patient. The weight depends on the
tube spectrum (``make_spectra``), on water that stands for the patient, and on the filtration of
the scanner. The diameter of the water is the one fitted parameter: with 27 cm fat, muscle, blood
and the increase per mineral agree with published values.

Source
------
Compositions: ICRP Publication 110; adipose tissue: Woodard & White 1986, "adipose tissue 3"
(little water), which has the -100 HU found in patients. Marrow: ICRU Report 46 red marrow (40 % fat by
mass) divided into its fat, a triglyceride, and its cells. Bone tissue: 1.15 g mineral, 0.42 g organic
matrix and 0.26 g water per cm3.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.cohort.errors import BadCohortConfig
from training.cohort.paint.grid import Floats

KVPS: Final = (80, 100, 120, 140)
"""Tube voltages with a spectrum in the table."""

REFERENCE_WATER_CM: Final = 27.0
"""Water-equivalent diameter at which HU of fat, muscle, blood and bone agree with patients."""

MINERAL_PER_BONE_TISSUE: Final = 1150.0
"""Hydroxyapatite in 1 cm3 of bone tissue without marrow, mg."""


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
        "titanium": _material(4.43, "Ti:90.0 Al:10.0"),
        "water": _material(1.0, "H:11.19 O:88.81"),
        "mineral": _material(3.16, "H:0.2 O:41.4 P:18.5 Ca:39.9"),
        "organic": _material(1.35, "H:6.6 C:52.0 N:17.0 O:24.0 S:0.4"),
        "marrow cells": _material(
            1.06, "H:9.8 C:17.5 N:5.7 O:65.6 P:0.17 S:0.33 Cl:0.33 K:0.33 Fe:0.17"
        ),
        "marrow fat": _material(0.92, "H:11.8 C:77.1 O:11.1"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """X-rays in the middle of a patient.

    Parameters
    ----------
    water_cm
        Water-equivalent diameter of the patient; a larger one hardens the beam.
    aluminium_mm
        Filtration of the scanner in addition to 3 mm Al and 0.9 mm Ti; may be negative.
    """

    kvp: int
    water_cm: float = REFERENCE_WATER_CM
    aluminium_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.kvp not in KVPS:
            raise BadCohortConfig(f"kvp = {self.kvp}", "one of " + ", ".join(map(str, KVPS)))
        if not 0 <= self.water_cm <= 80:
            raise BadCohortConfig(f"water_cm = {self.water_cm:g}", "0 to 80 cm")
        if not -2 <= self.aluminium_mm <= 20:
            raise BadCohortConfig(f"aluminium_mm = {self.aluminium_mm:g}", "-2 to 20 mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Content of ``spectra.json``."""

    energies_kev: NDArray[np.float64]
    detected: dict[int, NDArray[np.float64]]
    mass_attenuation: dict[str, NDArray[np.float64]]


@cache
def _table() -> _Table:
    content = json.loads(Path(__file__).with_name("spectra.json").read_text("utf-8"))
    return _Table(
        energies_kev=np.array(content["energies_kev"]),
        detected={int(kvp): np.array(values) for kvp, values in content["detected"].items()},
        mass_attenuation={
            name: np.array(values) for name, values in content["mass_attenuation_cm2_g"].items()
        },
    )


def _spectral(material: Material) -> NDArray[np.float64]:
    """Linear attenuation coefficient by energy, 1/cm."""
    elements = _table().mass_attenuation
    parts = [share / 100 * elements[name] for name, share in material.percent.items()]
    return np.asarray(material.density * np.sum(parts, axis=0))


def _weights(beam: Beam) -> NDArray[np.float64]:
    """Share of the signal by energy."""
    aluminium = Material(density=2.7, percent={"Al": 100.0})
    ways = _spectral(MATERIALS["water"]) * beam.water_cm
    ways = ways + _spectral(aluminium) * beam.aluminium_mm / 10
    signal = _table().detected[beam.kvp] * np.exp(-ways)
    return np.asarray(signal / signal.sum())


def as_beam(kvp: int | Beam) -> Beam:
    """Convert a tube voltage to its beam behind the reference patient."""
    return kvp if isinstance(kvp, Beam) else Beam(kvp=kvp)


def mean_energy_kev(kvp: int | Beam) -> float:
    """Mean energy of the signal."""
    return float(_weights(as_beam(kvp)) @ _table().energies_kev)


def linear_attenuation(material: Material, kvp: int | Beam) -> float:
    """Mean linear attenuation coefficient over the signal, 1/cm.

    Every scanner corrects beam hardening for water. A small piece of a material in the middle of a
    patient is then reconstructed at this value.
    """
    return float(_weights(as_beam(kvp)) @ _spectral(material))


@cache
def water_attenuation(kvp: int | Beam) -> float:
    """Linear attenuation coefficient of water, 1/cm."""
    return linear_attenuation(MATERIALS["water"], kvp)


def polychromatic_attenuation(
    name: str, linear: NDArray[np.float64], kvp: int | Beam
) -> NDArray[np.float64]:
    """Line integral in a polychromatic beam where a monochromatic one has ``linear``.

    The beam hardens in the material, so the result increases less than proportionally.
    """
    weights, spectral = _weights(as_beam(kvp)), _spectral(MATERIALS[name])
    lengths_cm = np.concatenate([[0.0], np.geomspace(1e-3, 40.0, 120)])
    shown = -np.log(np.exp(-lengths_cm[:, None] * spectral) @ weights)
    ideal = lengths_cm * (weights @ spectral)
    return np.asarray(np.interp(linear, ideal, shown))


def hounsfield(attenuation: float, kvp: int | Beam) -> float:
    """HU of a linear attenuation coefficient (1/cm)."""
    water = linear_attenuation(MATERIALS["water"], kvp)
    return 1000 * (attenuation - water) / water


@cache
def material_hu(name: str, kvp: int | Beam) -> float:
    """HU of a material of ``MATERIALS``."""
    return hounsfield(linear_attenuation(MATERIALS[name], kvp), kvp)


@cache
def bone_tissue_hu(kvp: int | Beam) -> float:
    """HU of bone tissue without marrow (the limit of a solid cortex)."""
    attenuation = sum(
        mass * linear_attenuation(MATERIALS[name], kvp) / MATERIALS[name].density
        for name, mass in (("mineral", 1.15), ("organic", 0.42), ("water", 0.26))
    )
    return hounsfield(attenuation, kvp)


@cache
def iodine_hu_per_mg_ml(kvp: int | Beam) -> float:
    """Increase of HU per mg of iodine in 1 ml."""
    iodine = Material(density=1e-3, percent={"I": 100.0})
    water = linear_attenuation(MATERIALS["water"], kvp)
    return 1000 * linear_attenuation(iodine, kvp) / water


@cache
def mineral_in_water_hu_per_mg_cm3(kvp: int | Beam) -> float:
    """Increase of HU per mg/cm3 of hydroxyapatite in water: slope of a calibration phantom."""
    mineral = MATERIALS["mineral"]
    return material_hu("mineral", kvp) / (1000 * mineral.density)


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


def spongiosa(marrow_fat: float, kvp: int | Beam) -> SpongiosaHu:
    """Return the HU of trabecular bone with this volume share of fat in its marrow."""
    if not 0 <= marrow_fat <= 1:
        raise BadCohortConfig(f"marrow_fat = {marrow_fat:g}", "a share from 0 to 1")
    cells, fat = material_hu("marrow cells", kvp), material_hu("marrow fat", kvp)
    marrow = (1 - marrow_fat) * cells + marrow_fat * fat
    slope = (bone_tissue_hu(kvp) - marrow) / MINERAL_PER_BONE_TISSUE
    return SpongiosaHu(offset_hu=marrow, slope_hu_per_mg_cm3=slope)


def qct_mg_cm3(hu: float, kvp: int | Beam) -> float:
    """Density that single-energy QCT measures at a HU, mg hydroxyapatite per cm3.

    The phantom contains mineral in water. Fat in the marrow therefore decreases the measured value,
    and marrow cells increase it.
    """
    return hu / mineral_in_water_hu_per_mg_cm3(kvp)


def mineral_mg_cm3(qct: float, marrow_fat: float, kvp: int | Beam = 120) -> float:
    """Mineral density at which single-energy QCT measures ``qct``; inverse of ``qct_mg_cm3``.

    Published densities of populations are QCT measurements. If they were used as mineral, HU would
    be too high in young and too low in old people. As measurements they lead to the HU of Jang
    2019 (226 HU under 30, 89 HU over 90 years).
    """
    bone = spongiosa(marrow_fat, kvp)
    return (qct * mineral_in_water_hu_per_mg_cm3(kvp) - bone.offset_hu) / bone.slope_hu_per_mg_cm3


def mean_marrow_fat(age_years: float) -> float:
    """Mean share of fat in the marrow of the vertebrae: 0.25 at 20, 0.60 at 85 years."""
    return float(np.interp(age_years, (20, 85), (0.25, 0.60)))

"""Write ``spectra.json``: detected tube spectra and mass attenuation coefficients.

usage: pip install "osteonode[spectra]" && python -m training.cohort.matter.make_spectra

Source
------
Spectra: SpekPy (Poludniowski et al. 2021, model "casim"), anode angle 8 degrees, 3 mm Al and
0.9 mm Ti. Detector: energy-integrating, 1.4 mm of Gd2O2S (7.34 g/cm3). Coefficients: NIST
(Hubbell & Seltzer, NISTIR 5632), interpolated in the logarithms. Bins of 2 keV.
"""

import json
from pathlib import Path
from typing import Final

import numpy as np
import spekpy
from numpy.typing import NDArray

TARGET: Final = Path(__file__).with_name("spectra.json")
TUBE_VOLTAGES: Final = (80, 100, 120, 140)
ENERGIES_KEV: Final = np.arange(21.0, 140.0, 2.0)
ATOMIC_NUMBERS: Final = {
    "H": 1, "C": 6, "N": 7, "O": 8, "Na": 11, "Al": 13, "P": 15, "S": 16, "Cl": 17, "K": 19,
    "Ca": 20, "Ti": 22, "Cr": 24, "Fe": 26, "Co": 27, "Mo": 42, "I": 53,
}  # fmt: skip
ANODE_DEG: Final = 8.0
FILTERS_MM: Final = (("Al", 3.0), ("Ti", 0.9))
SCINTILLATOR: Final = {"Gd": (64, 0.8308), "O": (8, 0.0845), "S": (16, 0.0847)}
SCINTILLATOR_G_CM3, SCINTILLATOR_CM = 7.34, 0.14


def main() -> None:
    """Compute the table and write it."""
    data = spekpy.Spek(kvp=120, th=ANODE_DEG, dk=1).mu_data
    content = {
        "energies_kev": [round(float(e), 1) for e in ENERGIES_KEV],
        "detected": {str(kvp): _rounded(detected(kvp, data)) for kvp in TUBE_VOLTAGES},
        "mass_attenuation_cm2_g": {
            name: _rounded(data.get_mu_over_rho(number, ENERGIES_KEV))
            for name, number in ATOMIC_NUMBERS.items()
        },
    }
    TARGET.write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n", "utf-8")


def detected(kvp: int, data: object) -> NDArray[np.float64]:
    """Share of the signal by energy, in air."""
    spek = spekpy.Spek(kvp=kvp, th=ANODE_DEG, dk=0.5)
    for material, thickness_mm in FILTERS_MM:
        spek.filter(material, thickness_mm)
    energies, fluence = spek.get_spectrum()
    edges = np.append(ENERGIES_KEV - 1, ENERGIES_KEV[-1] + 1)
    binned, _ = np.histogram(energies, edges, weights=fluence)
    attenuation = SCINTILLATOR_G_CM3 * sum(
        share * data.get_mu_over_rho(number, ENERGIES_KEV)  # type: ignore[attr-defined]
        for number, share in SCINTILLATOR.values()
    )
    signal = binned * ENERGIES_KEV * (1 - np.exp(-attenuation * SCINTILLATOR_CM))
    return np.asarray(signal / signal.sum())


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


if __name__ == "__main__":
    main()

"""HU of the soft tissues of a patient at a tube voltage and a contrast phase."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from training.cohort.errors import BadCohortConfig
from training.cohort.matter.physics import Beam, as_beam, iodine_hu_per_mg_ml, material_hu

MATERIAL: Final = MappingProxyType(
    {
        "fat": "adipose",
        "skin": "skin",
        "muscle": "muscle",
        "aorta": "blood",
        "vein": "blood",
        "liver": "liver",
        "spleen": "spleen",
        "kidney": "kidney",
        "gut wall": "gut wall",
        "gut contents": "gut contents",
        "urine": "urine",
        "disc": "disc",
        "canal": "nervous",
        "heart": "blood",
        "marrow": "marrow cells",
    }
)

IODINE_MG_ML: Final = MappingProxyType(
    {
        "none": MappingProxyType({}),
        "arterial": MappingProxyType(
            {
                "aorta": 10.5,
                "vein": 1.5,
                "liver": 0.6,
                "spleen": 3.0,
                "kidney": 5.0,
                "heart": 9.5,
                "gut wall": 1.5,
                "muscle": 0.3,
                "marrow": 0.7,
            }
        ),
        "portal": MappingProxyType(
            {
                "aorta": 4.4,
                "vein": 4.2,
                "liver": 2.4,
                "spleen": 2.9,
                "kidney": 6.2,
                "heart": 4.2,
                "gut wall": 1.8,
                "muscle": 0.6,
                "marrow": 1.1,
            }
        ),
        "delayed": MappingProxyType(
            {
                "aorta": 2.6,
                "vein": 2.6,
                "liver": 1.5,
                "spleen": 1.7,
                "kidney": 4.5,
                "urine": 12.0,
                "heart": 2.5,
                "gut wall": 1.4,
                "muscle": 0.7,
                "marrow": 0.9,
            }
        ),
    }
)
"""Concentration by phase; at 120 kVp the aorta reaches about 300, 160 and 110 HU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """HU of tissues for one scan.

    Parameters
    ----------
    kvp
        Tube voltage, or the beam behind a patient of a certain size.
    phase
        ``none``, ``arterial``, ``portal`` or ``delayed``.
    iodine
        Dose of contrast medium relative to the usual one.
    marrow_uptake
        Uptake of marrow at that dose relative to ``IODINE_MG_ML``.
    """

    kvp: int | Beam
    phase: str = "none"
    iodine: float = 1.0
    marrow_uptake: float = 1.0

    def __post_init__(self) -> None:
        if self.phase not in IODINE_MG_ML:
            raise BadCohortConfig(f"phase = {self.phase!r}", "one of " + ", ".join(IODINE_MG_ML))
        if not 0 <= self.iodine <= 3:
            raise BadCohortConfig(f"iodine = {self.iodine:g}", "0 to 3 times the usual dose")
        if not 0 <= self.marrow_uptake <= 3:
            raise BadCohortConfig(
                f"marrow_uptake = {self.marrow_uptake:g}", "0 to 3 times the usual"
            )
        as_beam(self.kvp)  # raises for an unknown tube voltage

    def hu(self, tissue: str) -> float:
        """Return the HU of a tissue of ``MATERIAL`` with its iodine."""
        return material_hu(MATERIAL[tissue], self.kvp) + self._rise_hu(tissue)

    def marrow_rise_hu(self, marrow_fat: float) -> float:
        """Return the HU that contrast medium adds to trabecular bone; fat takes up none.

        Source: between 5 and 27 HU in the literature, less in fatty marrow
        (docs/domain.md 3.4).
        """
        return (1 - marrow_fat) * self.marrow_uptake * self._rise_hu("marrow")

    def _rise_hu(self, tissue: str) -> float:
        mg_ml = self.iodine * IODINE_MG_ML[self.phase].get(tissue, 0.0)
        return mg_ml * iodine_hu_per_mg_ml(self.kvp)

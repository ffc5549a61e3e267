"""HU of everything soft in a patient, at a tube voltage and a contrast phase."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from training.cohort.errors import BadCohortConfig
from training.cohort.physics import iodine_hu_per_mg_ml, material_hu

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
        "marrow": "red marrow",
    }
)

IODINE_MG_ML: Final = MappingProxyType(
    {
        "none": MappingProxyType({}),
        "arterial": MappingProxyType(
            {
                "aorta": 10.0,
                "vein": 1.5,
                "liver": 0.6,
                "spleen": 3.0,
                "kidney": 5.0,
                "heart": 9.0,
                "gut wall": 1.5,
                "muscle": 0.3,
                "marrow": 0.3,
            }
        ),
        "portal": MappingProxyType(
            {
                "aorta": 4.2,
                "vein": 4.0,
                "liver": 2.3,
                "spleen": 2.8,
                "kidney": 6.0,
                "heart": 4.0,
                "gut wall": 1.8,
                "muscle": 0.6,
                "marrow": 0.5,
            }
        ),
    }
)
"""Concentration by phase; at 120 kVp the aorta reaches about 310 and 160 HU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Lookup of HU.

    Parameters
    ----------
    phase
        ``none``, ``arterial`` or ``portal``.
    """

    kvp: int
    phase: str = "none"

    def __post_init__(self) -> None:
        if self.phase not in IODINE_MG_ML:
            raise BadCohortConfig(f"phase = {self.phase!r}", "one of " + ", ".join(IODINE_MG_ML))

    def hu(self, tissue: str) -> float:
        """HU of a tissue of ``MATERIAL`` with its iodine."""
        iodine = IODINE_MG_ML[self.phase].get(tissue, 0.0)
        return material_hu(MATERIAL[tissue], self.kvp) + iodine * iodine_hu_per_mg_ml(self.kvp)

    @property
    def marrow_rise_hu(self) -> float:
        """What the contrast medium adds to trabecular bone."""
        return IODINE_MG_ML[self.phase].get("marrow", 0.0) * iodine_hu_per_mg_ml(self.kvp)

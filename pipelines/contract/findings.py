"""Findings of an examination: values that are measured, or withheld with a coded reason."""

from dataclasses import dataclass
from enum import StrEnum

from pipelines.contract.anatomy import Level
from pipelines.contract.calibration import Calibration
from pipelines.contract.reasons import Reason


class Status(StrEnum):
    """The headline state of an examination (docs: ``result.json``)."""

    RESULT = "result"
    CAUTION = "caution"
    NOT_REPORTED = "not_reported"


class ContrastPhase(StrEnum):
    """When after an injection of contrast medium the scan was made."""

    NONE = "none"
    ARTERIAL = "arterial"
    PORTAL_VENOUS = "portal_venous"
    DELAYED = "delayed"
    UNKNOWN = "unknown"


class DensityCategory(StrEnum):
    """QCT range of a mean trabecular density (120 and 80 mg/cm3)."""

    NOT_LOW = "not_low"
    LOW = "low"
    VERY_LOW = "very_low"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number with its unit (UCUM).

    Parameters
    ----------
    standard_deviation
        Spread over the voxels or levels that it summarises, where there is one.
    standard_uncertainty
        Of the value itself (one standard deviation, GUM), where it is known.
    """

    value: float
    unit: str
    standard_deviation: float | None = None
    standard_uncertainty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """A value that is withheld, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraFindings:
    """One vertebra: what was measured in its trabecular core.

    Parameters
    ----------
    centroid_lps_mm
        Centroid of the vertebral body mask in patient coordinates.
    used
        Whether the level counts in the examination mean.
    excluded_reason
        Why it does not count; ``None`` exactly when ``used``.
    trabecular_attenuation
        Mean (and standard deviation) over the trabecular region of interest, ``[hnsf'U]``.
    roi_volume
        Volume of that region, ``mm3``.
    vbmd
        Volumetric bone mineral density estimate, ``mg/cm3``.
    """

    level: Level
    presumed: bool
    centroid_lps_mm: tuple[float, float, float]
    used: bool
    excluded_reason: Reason | None
    trabecular_attenuation: Measured | Abstained
    roi_volume: Measured | Abstained
    vbmd: Measured | Abstained


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """A model that was used, by name, version and weights digest (SHA-256, hexadecimal)."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LumbarFindings:
    """Findings of the density path, L1 to L4.

    Parameters
    ----------
    reasons
        Why something is withheld or needs caution; empty for a plain result.
    models
        Networks of the density path.
    """

    reasons: tuple[Reason, ...]
    vertebrae: tuple[VertebraFindings, ...]
    mean_attenuation: Measured | Abstained
    mean_vbmd: Measured | Abstained
    category: DensityCategory | Abstained
    phase: ContrastPhase
    calibration: Calibration
    models: tuple[ModelUse, ...]

    @property
    def is_reported(self) -> bool:
        """Whether at least one level counts."""
        return any(row.used for row in self.vertebrae)

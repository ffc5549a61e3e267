"""The site's density table: calibrations by scanner, and corrections by contrast phase. JSON.

The project ships the table empty of calibrations (``default_table.json``): a line that was fitted
on another scanner is no calibration. ``osteonode calibrate`` adds entries.
"""

import hashlib
from datetime import date
from functools import cache
from math import hypot
from pathlib import Path
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.contract.calibration import (
    PRECALIBRATED_MG_CM3,
    SAME_MODEL_SHARE,
    Calibration,
    CalibrationKind,
    Standard,
)
from pipelines.contract.findings import ContrastPhase
from pipelines.contract.kernels import is_sharp
from pipelines.errors import BadDensityTable

DEFAULT_FILE: Final = Path(__file__).with_name("default_table.json")
KVP_TOLERANCE: Final = 0.5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScanConditions(Protocol):
    """Header values that decide whether a calibration applies; ``None``: missing in the header."""

    @property
    def manufacturer(self) -> str | None: ...  # noqa: D102
    @property
    def model_name(self) -> str | None: ...  # noqa: D102
    @property
    def kvp(self) -> float | None: ...  # noqa: D102
    @property
    def convolution_kernel(self) -> str | None: ...  # noqa: D102


class CalibrationEntry(_Part):
    """One fitted line, valid for one scanner model, tube voltage and kernel family."""

    manufacturer: str = Field(min_length=1)
    model_name: str = Field(min_length=1)
    kvp: float = Field(gt=0)
    sharp_kernel: bool = Field(False, description="Whether the scans had a sharp kernel")
    standard: Standard
    hu_per_mg_cm3: float = Field(gt=0.3, lt=4)
    hu_at_zero: float = Field(gt=-200, lt=200)
    uncertainty_mg_cm3: float = Field(gt=0, description="Residual standard deviation of the fit")
    range_mg_cm3: tuple[float, float]
    pairs: int = Field(ge=2, description="Rods or pairs in the fit")
    in_patients: bool = Field(
        False, description="Whether the pairs are of patients; if not, of the rods of a phantom"
    )
    fitted_on: date
    source: str = Field(min_length=1, description="Phantom or comparison, for the report")

    @model_validator(mode="after")
    def _ordered(self) -> "CalibrationEntry":
        if self.range_mg_cm3[0] >= self.range_mg_cm3[1]:
            msg = "range_mg_cm3: the first number must be the smaller one"
            raise ValueError(msg)
        return self

    def suits(self, scan: "ScanConditions") -> bool:
        """Whether scanner, voltage and kernel are those of the fit; a missing value never matches."""
        return (
            _same(self.manufacturer, scan.manufacturer)
            and _same(self.model_name, scan.model_name)
            and scan.kvp is not None
            and abs(self.kvp - scan.kvp) <= KVP_TOLERANCE
            and scan.convolution_kernel is not None
            and self.sharp_kernel == is_sharp(scan.convolution_kernel)
        )

    def calibration(self) -> Calibration:
        """The line of this entry; a fit to rods gets a larger uncertainty in patients."""
        apart, share = (0.0, 0.0) if self.in_patients else (PRECALIBRATED_MG_CM3, SAME_MODEL_SHARE)
        return Calibration(
            kind=CalibrationKind.ASYNCHRONOUS,
            standard=self.standard,
            hu_per_mg_cm3=self.hu_per_mg_cm3,
            hu_at_zero=self.hu_at_zero,
            relative_uncertainty=share,
            uncertainty_mg_cm3=hypot(self.uncertainty_mg_cm3, apart),
            range_mg_cm3=self.range_mg_cm3,
            source=f"asynchronous calibration of {self.fitted_on.isoformat()} ({self.source})",
        )


def _same(one: str, other: str | None) -> bool:
    return other is not None and one.strip().casefold() == other.strip().casefold()


class ContrastCorrection(_Part):
    """Unenhanced density from the enhanced one: ``factor * density + offset_mg_cm3``."""

    phase: ContrastPhase
    factor: float = Field(gt=0.5, lt=1.5)
    offset_mg_cm3: float
    uncertainty_mg_cm3: float = Field(gt=0)
    source: str


class DensityTable(_Part):
    """Calibrations and contrast corrections of a site."""

    version: str = Field(min_length=1)
    calibrations: tuple[CalibrationEntry, ...] = ()
    contrast_corrections: tuple[ContrastCorrection, ...] = ()

    def entry_for(self, scan: ScanConditions) -> CalibrationEntry | None:
        """The newest entry that applies to a scan."""
        suitable = [entry for entry in self.calibrations if entry.suits(scan)]
        return max(suitable, key=lambda entry: entry.fitted_on, default=None)

    def correction_for(self, phase: ContrastPhase) -> ContrastCorrection | None:
        """Correction of the densities of a phase; ``None`` if there is none."""
        return next((c for c in self.contrast_corrections if c.phase is phase), None)

    def with_entry(self, entry: CalibrationEntry) -> "DensityTable":
        """The table with one more entry."""
        return self.model_copy(update={"calibrations": (*self.calibrations, entry)})

    @property
    def digest(self) -> str:
        """Digest of the content: 12 hexadecimal digits of SHA-256."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


@cache
def default_table() -> DensityTable:
    """The table that is shipped: no calibration, published corrections."""
    return read_table(DEFAULT_FILE)


def read_table(path: Path) -> DensityTable:
    """Read a table.

    Raises
    ------
    BadDensityTable
        The file cannot be read or a field is invalid; the message names the field.
    """
    try:
        return DensityTable.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDensityTable(f"{path}: {error.strerror}", "a file that can be read", "") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadDensityTable(f"{path}: {place}: {first['msg']}", "a density table", "") from error

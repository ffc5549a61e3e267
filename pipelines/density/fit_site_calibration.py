"""Fit a calibration: from the rods of a phantom, or from pairs of HU and reference density.

Takes  CtVolume, or a CSV file
Gives  CalibrationEntry
Next   pipelines.contract.density_table

A table entry holds for later scans of the same scanner model, tube voltage and kernel family
(asynchronous calibration).
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from pipelines.contract.calibration import Standard
from pipelines.contract.density_table import CalibrationEntry, ScanConditions
from pipelines.contract.kernels import is_sharp
from pipelines.errors import BadDensityTable
from pipelines.read.volume import CtVolume

ROD_RADIUS_MM: Final = 5.0
MIDDLE_SHARE: Final = 0.5
"""Share of the slices, around the middle, in which rods are measured."""
LARGEST_ROD_SD_HU: Final = 60.0
"""A disc with a larger standard deviation crosses the border of a rod."""
FEWEST_PAIRS: Final = 3
CSV_COLUMNS: Final = ("hu", "density_mg_cm3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rod:
    """A rod of known density, and its position in the middle slice (0 is the first pixel)."""

    density_mg_cm3: float
    column: float
    row: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Mean attenuation and the reference density of the same region."""

    hu: float
    density_mg_cm3: float


def parse_rod(text: str) -> Rod:
    """Read ``DENSITY@COLUMN,ROW``, e.g. ``100@256,310``."""
    number = r"([-+]?\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"{number}@{number},{number}", text.replace(" ", ""))
    if match is None:
        raise BadDensityTable(f"rod {text!r}", "DENSITY@COLUMN,ROW, for example 100@256,310", "")
    density, column, row = (float(group) for group in match.groups())
    return Rod(density_mg_cm3=density, column=column, row=row)


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """Read a CSV file with the columns ``hu`` and ``density_mg_cm3``; others are ignored.

    Raises
    ------
    BadDensityTable
        The file has other columns, or a line without two numbers; the message names the line.
    """
    pairs = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not set(CSV_COLUMNS) <= set(reader.fieldnames or ()):
            columns = ", ".join(CSV_COLUMNS)
            raise BadDensityTable(f"{path}: columns {reader.fieldnames}", f"columns {columns}", "")
        for line in reader:
            try:
                hu, density = (float(line[name]) for name in CSV_COLUMNS)
            except (TypeError, ValueError):
                place = f"{path}, line {reader.line_num}: {dict(line)}"
                raise BadDensityTable(place, "two numbers", "") from None
            if not np.isfinite([hu, density]).all():
                raise BadDensityTable(f"{path}, line {reader.line_num}", "finite numbers", "")
            pairs.append(Pair(hu=hu, density_mg_cm3=density))
    return tuple(pairs)


def measure_rods(ct: CtVolume, rods: Sequence[Rod]) -> tuple[Pair, ...]:
    """Mean attenuation of every rod over a disc of 5 mm radius in the middle half of the slices.

    Raises
    ------
    BadDensityTable
        A disc exceeds the image or crosses the border of a rod.
    """
    slices, rows, columns = ct.hu.shape
    first = int(slices * (1 - MIDDLE_SHARE) / 2)
    middle = ct.hu[first : max(first + 1, slices - first)]
    per_row, per_column = ct.geometry.spacing_mm[1:]
    pairs = []
    for rod in rods:
        down = (np.arange(rows) - rod.row) * per_row
        right = (np.arange(columns) - rod.column) * per_column
        disc = np.hypot(down[:, None], right[None, :]) <= ROD_RADIUS_MM
        full = np.pi * ROD_RADIUS_MM**2 / (per_row * per_column)
        if disc.sum() < 0.9 * full:
            raise BadDensityTable(f"rod at {rod.column:g},{rod.row:g}", "a place in the image", "")
        values = middle[:, disc]
        spread = float(values.mean(axis=0).std())
        if spread > LARGEST_ROD_SD_HU:
            place = f"rod at {rod.column:g},{rod.row:g}: SD {spread:.0f} HU"
            raise BadDensityTable(place, "the middle of a rod", "read column and row in a viewer")
        pairs.append(Pair(hu=float(values.mean()), density_mg_cm3=rod.density_mg_cm3))
    return tuple(pairs)


def fit_entry(
    pairs: Sequence[Pair],
    scan: ScanConditions,
    *,
    standard: Standard,
    source: str,
    fitted_on: date,
    in_patients: bool,
) -> CalibrationEntry:
    """Fit HU over density by least squares; the entry inverts this line to get densities.

    Parameters
    ----------
    scan
        Scanner, tube voltage and kernel of the scans behind the pairs.
    in_patients
        Whether the pairs are of patients; if not, of the rods of a phantom.

    Returns
    -------
    CalibrationEntry
        Its uncertainty is the residual standard deviation, in mg/cm3.

    Raises
    ------
    BadDensityTable
        Fewer than three pairs, a single density, HU that fall with density, or a header without
        manufacturer, model or tube voltage.
    """
    if len(pairs) < FEWEST_PAIRS:
        raise BadDensityTable(f"{len(pairs)} pairs", f"at least {FEWEST_PAIRS}", "")
    hu = np.array([pair.hu for pair in pairs])
    density = np.array([pair.density_mg_cm3 for pair in pairs])
    if np.ptp(density) == 0:
        raise BadDensityTable("all pairs have one density", "at least two densities", "")
    slope, offset = np.polyfit(density, hu, 1)
    if slope <= 0:
        raise BadDensityTable(f"HU falls with density ({slope:.2f} per mg/cm3)", "rising HU", "")
    freedom = len(pairs) - 2
    residual = np.sqrt(((hu - offset - slope * density) ** 2).sum() / freedom) / slope
    if scan.manufacturer is None or scan.model_name is None or scan.kvp is None:
        raise BadDensityTable("scanner or tube voltage not stated", "manufacturer, model, kVp", "")
    return CalibrationEntry(
        manufacturer=scan.manufacturer,
        model_name=scan.model_name,
        kvp=scan.kvp,
        sharp_kernel=scan.convolution_kernel is not None and is_sharp(scan.convolution_kernel),
        standard=standard,
        hu_per_mg_cm3=float(slope),
        hu_at_zero=float(offset),
        uncertainty_mg_cm3=float(max(residual, 0.1)),
        range_mg_cm3=(float(density.min()), float(density.max())),
        pairs=len(pairs),
        in_patients=in_patients,
        fitted_on=fitted_on,
        source=source,
    )

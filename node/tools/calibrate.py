"""Add a calibration of a scanner to the density table of the site.

It applies to later examinations of the same scanner model, tube voltage and kernel family. Earlier
results do not change, because the table is part of the key of a job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from node.errors import ConfigError
from node.jobs.site_table import site_table
from node.tools.read_folder import select_folder
from pipelines.contract.calibration import Standard
from pipelines.contract.density_table import CalibrationEntry, default_table
from pipelines.contract.durable import write_durably
from pipelines.density.fit_site_calibration import (
    Pair,
    fit_entry,
    measure_rods,
    parse_rod,
    read_pairs,
)
from pipelines.read.volume import read_volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """Scanner of the pairs in a CSV file, as in its DICOM headers."""

    manufacturer: str | None
    model_name: str | None
    kvp: float | None
    convolution_kernel: str | None


def calibrate_from_phantom(
    folder: Path, rods: Sequence[str], table: Path, *, standard: Standard, source: str
) -> CalibrationEntry:
    """Fit the rods of a phantom scan (``DENSITY@COLUMN,ROW``) and add the line to the table.

    Raises
    ------
    ConfigError
        The folder holds no usable CT.
    BadDensityTable
        A rod or the line cannot be used.
    """
    chosen = select_folder(folder).selection
    if chosen is None:
        raise ConfigError(f"no CT series in {folder}", "a folder with one axial CT", "")
    ct = read_volume([Path(path) for path in chosen.record.paths])
    pairs = measure_rods(ct, [parse_rod(rod) for rod in rods])
    entry = fit_entry(
        pairs,
        ct.header,
        standard=standard,
        source=source,
        fitted_on=date.today(),  # noqa: DTZ011  the local date of the site
        in_patients=False,
    )
    add_entry(entry, table)
    return entry


def calibrate_from_pairs(
    file: Path, scanner: Scanner, table: Path, *, standard: Standard, source: str
) -> CalibrationEntry:
    """Fit pairs of trabecular HU and reference density, and add the line to the table.

    Raises
    ------
    BadDensityTable
        The file or the line cannot be used.
    """
    pairs: tuple[Pair, ...] = read_pairs(file)
    entry = fit_entry(
        pairs,
        scanner,
        standard=standard,
        source=source,
        fitted_on=date.today(),  # noqa: DTZ011
        in_patients=True,
    )
    add_entry(entry, table)
    return entry


def add_entry(entry: CalibrationEntry, table: Path) -> None:
    """Add an entry to a table file; a missing file starts from the shipped table."""
    known = site_table(table) or default_table()
    text = known.with_entry(entry).model_dump_json(indent=2) + "\n"
    table.parent.mkdir(parents=True, exist_ok=True)
    write_durably(table, lambda part: part.write_text(text, encoding="utf-8"))


def show_entries(entries: Sequence[CalibrationEntry], console: Console) -> None:
    """Print entries as a table."""
    if not entries:
        console.print("no calibration: the node estimates density from fat and muscle in each scan")
        return
    table = Table(
        "scanner", "kVp", "kernel", "HU", "standard", "SD", "range", "n", "fitted", "source",
        box=None,
    )  # fmt: skip
    for entry in entries:
        low, high = entry.range_mg_cm3
        table.add_row(
            f"{entry.manufacturer} {entry.model_name}",
            f"{entry.kvp:g}",
            "sharp" if entry.sharp_kernel else "other",
            f"{entry.hu_at_zero:.1f} + {entry.hu_per_mg_cm3:.3f} per mg/cm3",
            entry.standard,
            f"{entry.uncertainty_mg_cm3:.1f}",
            f"{low:g} to {high:g}",
            str(entry.pairs),
            entry.fitted_on.isoformat(),
            entry.source,
        )
    console.print(table)

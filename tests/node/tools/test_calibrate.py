"""``osteonode calibrate``: a site's own line from attenuation to density."""

import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from node.jobs.dispatch import make_job
from node.jobs.site_table import SiteTable
from node.tools.read_folder import select_folder
from pipelines.contract.density_table import default_table
from pipelines.errors import BadDensityTable
from tests.node.ct_objects import write_series
from tests.node.test_cli import _run

RODS = ((0.0, 30, 40), (100.0, 60, 70), (200.0, 90, 30))


def phantom(folder: Path) -> Path:
    """Three rods of 12 mm in water, 128 x 128 pixels of 1 mm; HU = 1.3 density + 5."""
    rows, columns = np.indices((128, 128))
    plane = np.zeros((128, 128), np.int16)
    for density, row, column in RODS:
        plane[np.hypot(rows - row, columns - column) <= 6] = round(1.3 * density + 5)
    return write_phantom(folder, plane)


def write_phantom(folder: Path, plane: np.ndarray) -> Path:
    files = write_series(folder, count=20)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelSpacing = [1, 1]
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 0
        dataset.PixelData = (plane + 1024).astype(np.uint16).tobytes()
        dataset.Manufacturer, dataset.ManufacturerModelName = "ACME", "Ring 64"
        dataset.KVP, dataset.ConvolutionKernel = "120", "STANDARD"
        dataset.save_as(file)
    return folder


def call(tmp_path: Path, *arguments: str | Path):
    return _run(*arguments, OSTEONODE_NODE__DATA_FOLDER=str(tmp_path / "data"))


def test_a_phantom_scan_becomes_an_entry_of_its_scanner(tmp_path: Path) -> None:
    """Scanner, voltage and kernel from the header; the line from the rods."""
    folder = phantom(tmp_path / "phantom")
    rods = [part for d, row, column in RODS for part in ("--rod", f"{d:g}@{column},{row}")]
    options = ["--standard", "K2HPO4", "--source", "QA phantom"]
    done = call(tmp_path, "calibrate", "phantom", folder, *rods, *options)

    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "data" / "density.json").read_text())
    (entry,) = table["calibrations"]
    assert entry["hu_per_mg_cm3"] == pytest.approx(1.3, abs=0.005)
    assert entry["hu_at_zero"] == pytest.approx(5, abs=0.6)
    assert (entry["manufacturer"], entry["kvp"]) == ("ACME", 120)
    assert entry["range_mg_cm3"] == [0, 200]
    assert entry["standard"] == "K2HPO4"
    assert isinstance(date.fromisoformat(entry["fitted_on"]), date)
    listed = call(tmp_path, "calibrate", "list")
    assert "ACME Ring 64" in listed.stdout
    assert "QA phantom" in listed.stdout


def test_pairs_are_added_to_what_is_known(tmp_path: Path) -> None:
    """Two calls, two entries; a mistake leaves the table as it was."""
    file = tmp_path / "pairs.csv"
    file.write_text("hu,density_mg_cm3\n50,60\n110,100\n190,160\n")
    words: list[str | Path] = [
        "calibrate",
        "pairs",
        file,
        "--manufacturer",
        "ACME",
        "--model",
        "Ring 64",
    ]
    words += ["--standard", "hydroxyapatite", "--source", "40 patients with QCT"]
    for kvp in ("120", "100"):
        assert call(tmp_path, *words, "--kvp", kvp).returncode == 0
    file.write_text("hu,density_mg_cm3\n50,60\nmany,100\n")
    wrong = call(tmp_path, *words, "--kvp", "120")

    assert wrong.returncode != 0
    assert "line 3" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    table = json.loads((tmp_path / "data" / "density.json").read_text())
    assert [entry["kvp"] for entry in table["calibrations"]] == [120, 100]


def test_a_calibration_makes_another_job_of_the_same_series(tmp_path: Path) -> None:
    """The job contains its table, so that a result states its calibration."""
    write_series(tmp_path / "ct", count=40)
    selection = select_folder(tmp_path / "ct").selection
    assert selection is not None
    plain = make_job(selection, tmp_path)
    calibrated = make_job(selection, tmp_path, density_table=default_table())

    assert plain.key != calibrated.key
    assert calibrated.density_table == default_table()


def test_a_table_that_breaks_while_the_node_runs_leaves_the_last_good_one(tmp_path: Path) -> None:
    """A mistake in the file must not stop the node or change the numbers."""
    file = tmp_path / "density.json"
    table = SiteTable(file)
    assert table.current() is None
    good = default_table().model_copy(update={"version": "site 1"})
    file.write_text(good.model_dump_json())
    assert table.current() == good
    file.write_text("{")
    os.utime(file, ns=(1, 1))
    assert table.current() == good
    with pytest.raises(BadDensityTable):
        SiteTable(file)


def test_the_check_of_the_settings_names_a_broken_table(tmp_path: Path) -> None:
    """Before the node is started."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "density.json").write_text('{"version": ""}')
    checked = call(tmp_path, "config", "check")

    assert checked.returncode == 2
    assert "density table" in checked.stdout

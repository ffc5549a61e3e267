"""``make demo``: send a simulated CT of known truth, compare the returned report."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydicom
import pytest

from node.tools.selftest import EXAMINATIONS
from tests.e2e.node_process import OSTEONODE
from tests.peers.validator import dciodvfy_errors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished demonstration."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    run = subprocess.run(
        [*OSTEONODE, "demo", "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "RESEARCH USE ONLY" in run.stdout
    return folder


def result(demo: Path) -> dict[str, Any]:
    path = next((demo / "node" / "work").glob("*/result.json"))
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


@pytest.mark.peer("dciodvfy")
def test_segmentation_and_report_are_in_the_archive_and_conform(demo):
    """One SEG and one SR in the study of the CT."""
    objects = [pydicom.dcmread(path) for path in (demo / "archive").rglob("*.dcm")]
    assert sorted(one.Modality for one in objects) == ["SEG", "SR"]
    assert len({one.StudyInstanceUID for one in objects}) == 1
    for path in (demo / "archive").rglob("*.dcm"):
        assert dciodvfy_errors(path) == []


def test_the_result_follows_its_published_schema(demo):
    """docs/result.schema.json."""
    schema = json.loads((ROOT / "docs" / "result.schema.json").read_text())
    jsonschema.validate(result(demo), schema)


def test_measured_values_meet_the_truth_of_the_simulation(demo):
    """L1 to L4 within 15 HU of the true trabecular attenuation, bodies within 6 mm."""
    truth = json.loads((demo / "examination" / "truth.json").read_text())["levels"]
    vertebrae = {one["level"]: one for one in result(demo)["vertebrae"]}
    assert set(vertebrae) >= {"L1", "L2", "L3", "L4"}
    for level in ("L1", "L2", "L3", "L4"):
        measured, true = vertebrae[level], truth[level]
        distance = np.subtract(measured["centroid_lps_mm"], true["body_centroid_lps_mm"])
        assert np.linalg.norm(distance) < 6
        assert measured["used"]
        assert measured["trabecular_hu_mean"] == pytest.approx(true["trabecular_hu"], abs=15)


def test_the_demonstration_would_pass_the_self_test(demo):
    """The same patient and tolerances as for the abdomen of ``osteonode selftest``."""
    truth = json.loads((demo / "examination" / "truth.json").read_text())
    abdomen = EXAMINATIONS[0]
    assert abdomen.name == "abdomen"
    checks = [check for checker in abdomen.checkers for check in checker(truth, result(demo))]
    assert len(checks) > 10
    assert [check for check in checks if not check.passed] == []

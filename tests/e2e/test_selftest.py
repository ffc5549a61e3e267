"""``osteonode selftest`` on a running node, with simulated examinations."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.tools.demo_archive import Archive, running_archive
from tests.e2e.node_process import OSTEONODE, Node, running_node, write_config
from tests.peers.ports import free_port


@dataclass(frozen=True)
class Installed:
    """A node with its PACS."""

    node: Node
    archive: Archive


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A node that accepts one AE title."""
    folder = tmp_path_factory.mktemp("selftest")
    port = free_port()
    with running_archive(folder / "archive", free_port()) as archive:
        config = write_config(
            folder / "node",
            port=port,
            destination=(archive.ae_title, archive.port),
            extra='[intake]\naccepted_calling_ae_titles = ["RADIOLOGY"]\n',
        )
        with running_node(config, port=port) as node:
            yield Installed(node=node, archive=archive)


def selftest(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OSTEONODE, "selftest", "--config", str(config), *options],
        capture_output=True,
        text=True,
        check=False,
    )


def report(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(run.stdout)
    return loaded


def test_a_running_node_passes_the_self_test(installed: Installed) -> None:
    """Every value within its tolerance, results in the PACS; the abdomen passes in test_demo."""
    run = selftest(installed.node.config, "--only", "chest", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    found = report(run)
    assert found["passed"] is True
    checks = found["examinations"][0]["checks"]
    levels = {check["level"] for check in checks if check["quantity"] == "attenuation, HU"}
    assert levels >= {"L1", "L2"}
    study = found["examinations"][0]["study_instance_uid"]
    assert (installed.archive.folder / study).is_dir()


def test_a_node_that_is_away_is_not_a_failed_test(tmp_path: Path) -> None:
    """Exit code 2, one line with the remedy."""
    config = write_config(tmp_path, port=free_port(), destination=("PACS", free_port()))
    run = selftest(config)
    assert run.returncode == 2
    assert "cannot be reached" in run.stderr
    assert run.stdout == ""


def test_an_unknown_examination_is_refused(tmp_path: Path) -> None:
    """The error lists the examinations that exist."""
    config = write_config(tmp_path, port=free_port(), destination=("PACS", free_port()))
    run = selftest(config, "--only", "knee")
    assert run.returncode == 2
    assert "one of abdomen, chest" in " ".join(run.stderr.split())

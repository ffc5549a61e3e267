"""Kill processes at any moment: one result, nothing lost, nothing doubled."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from pipelines.contract.job import Outcome
from tests.e2e.node_process import OSTEONODE, Node, running_node, write_config
from tests.peers.dcmtk import StoreScp, dcmsend, running_storescp
from tests.peers.ports import free_port
from tests.peers.redis import running_redis
from tests.peers.waiting import wait_until

pytestmark = pytest.mark.peer("dcmtk")


@pytest.fixture(scope="module")
def examination(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated abdominal CT on a coarse grid, as DICOM."""
    folder = tmp_path_factory.mktemp("examination")
    command = [sys.executable, "-m", "training.cohort", "simulate", "--out", str(folder)]
    coarse = ["--seed", "7", "--size", "160", "--spacing-mm", "2.5", "--slices", "100"]
    subprocess.run([*command, *coarse], check=True, stdout=subprocess.DEVNULL)
    return folder / "dicom"


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[StoreScp]:
    """DCMTK's storescp as the archive that takes the results."""
    folder = tmp_path / "pacs"
    with running_storescp(folder) as server:
        yield server


def _received(pacs: StoreScp) -> list[str]:
    """Modalities of the objects that came back, sorted."""
    try:
        datasets = [
            pydicom.dcmread(path, stop_before_pixels=True)
            for path in pacs.folder.rglob("*")
            if path.is_file()
        ]
        return sorted(str(dataset.Modality) for dataset in datasets)
    except (InvalidDicomError, AttributeError, EOFError):
        return []  # storescp is still writing


def _await_one_result(node: Node, pacs: StoreScp) -> None:
    """The objects of one job arrive, each once, and the ledger balances."""

    def at_rest() -> bool:
        balance = node.status()
        return bool(balance["received"] > 0 and balance["waiting"] == 0)

    wait_until(at_rest, 150, what=f"an idle node; {node.tail()}", poll_s=0.5)
    balance = node.status()
    assert balance["failed"] == 0, node.tail()
    assert balance["received"] == balance["delivered"] + balance["skipped"]
    outcomes: list[Outcome] = [
        Outcome.model_validate_json(path.read_text())
        for path in (node.folder / "work").glob("*/outcome.json")
    ]
    made = sorted(one.kind.upper() for outcome in outcomes for one in outcome.objects)
    assert made[-1] == "SR"
    assert _received(pacs) == made
    assert len(list((node.folder / "work").glob("*/job.json"))) == 1


def test_killing_the_worker_in_mid_examination_yields_one_result(
    tmp_path: Path, node_port: int, pacs: StoreScp, examination: Path
) -> None:
    """The job of a worker that died is done by its successor."""
    config = write_config(tmp_path / "node", port=node_port, destination=(pacs.ae_title, pacs.port))
    with running_node(config, port=node_port) as node:
        assert dcmsend(examination, port=node_port).returncode == 0
        wait_until(
            lambda: list((node.folder / "work").glob("*/attempts.log")), 60, what="a job to start"
        )
        node.kill("worker")
        _await_one_result(node, pacs)


def test_killing_the_listener_in_mid_association_loses_nothing_acknowledged(
    tmp_path: Path, node_port: int, pacs: StoreScp, examination: Path
) -> None:
    """Acknowledged objects are there after the restart; sending again completes the series."""
    config = write_config(tmp_path / "node", port=node_port, destination=(pacs.ae_title, pacs.port))
    with running_node(config, port=node_port) as node:
        sender = subprocess.Popen(
            [
                "dcmsend",
                "-v",
                "-aec",
                "OSTEONODE",
                "+sd",
                "127.0.0.1",
                str(node_port),
                str(examination),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_until(lambda: _files(node) >= 10, 30, what="ten objects in the spool", poll_s=0.005)
        node.kill("listener")
        output, _ = sender.communicate(timeout=60)
        acknowledged = output.count("Received C-STORE Response (Success)")
        wait_until(lambda: node.status()["received"] >= acknowledged, 30, what="the ledger")
        wait_until(
            lambda: dcmsend(examination, port=node_port).returncode == 0, 30, what="the listener"
        )
        _await_one_result(node, pacs)


def test_killing_every_process_and_starting_again_yields_one_result(
    tmp_path: Path, node_port: int, pacs: StoreScp, examination: Path
) -> None:
    """A power cut while the job runs."""
    config = write_config(tmp_path / "node", port=node_port, destination=(pacs.ae_title, pacs.port))
    with running_node(config, port=node_port) as node:
        assert dcmsend(examination, port=node_port).returncode == 0
        wait_until(
            lambda: list((node.folder / "work").glob("*/attempts.log")), 60, what="a job to start"
        )
        pids = [int(path.read_text()) for path in (node.folder / "run").glob("*.pid")]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with running_node(config, port=node_port) as node:
        _await_one_result(node, pacs)


def test_sending_the_same_study_twice_yields_one_result(
    tmp_path: Path, node_port: int, pacs: StoreScp, examination: Path
) -> None:
    """A re-send is acknowledged and changes nothing."""
    config = write_config(tmp_path / "node", port=node_port, destination=(pacs.ae_title, pacs.port))
    with running_node(config, port=node_port) as node:
        assert dcmsend(examination, port=node_port).returncode == 0
        _await_one_result(node, pacs)
        assert dcmsend(examination, port=node_port).returncode == 0
        _await_one_result(node, pacs)
        assert node.status()["resent"] == node.status()["received"]


@pytest.mark.peer("redis")
def test_redis_deployment_with_separate_processes_survives_an_empty_broker(
    tmp_path: Path, node_port: int, pacs: StoreScp, examination: Path
) -> None:
    """Node and worker apart, Redis between them; Redis starts anew, empty, after dispatch."""
    redis_folder = tmp_path / "redis"
    redis_folder.mkdir()
    port = free_port()
    with contextlib.ExitStack() as stack:
        first = contextlib.ExitStack()
        url = first.enter_context(running_redis(redis_folder, port))
        config = write_config(
            tmp_path / "node",
            port=node_port,
            destination=(pacs.ae_title, pacs.port),
            broker=url,
            extra="[jobs]\nrequeue_after_s = 5\n",
        )
        node = stack.enter_context(running_node(config, port=node_port, options=["--no-worker"]))
        assert dcmsend(examination, port=node_port).returncode == 0
        wait_until(
            lambda: list((node.folder / "work").glob("*/job.json")), 60, what="a job on the queue"
        )
        first.close()
        stack.enter_context(running_redis(redis_folder, port))
        stack.enter_context(_worker(config))
        _await_one_result(node, pacs)


@contextlib.contextmanager
def _worker(config: Path) -> Iterator[None]:
    log = config.parent / "worker.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*OSTEONODE, "worker", "--config", str(config)], stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _files(node: Node) -> int:
    return sum(1 for path in (node.folder / "spool").rglob("*.dcm"))

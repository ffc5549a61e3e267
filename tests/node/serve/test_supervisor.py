"""The processes of a node: watched, restarted, stopped, and ended with their parent."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from node.config import load_settings
from node.serve.supervisor import worker_command
from tests.e2e.node_process import OSTEONODE, Node, running_node, write_config
from tests.node.ct_objects import write_series
from tests.peers.dcmtk import dcmsend, echoscu
from tests.peers.ports import free_port
from tests.peers.processes import still_running
from tests.peers.waiting import wait_until

pytestmark = pytest.mark.peer("dcmtk")
SERVE = [sys.executable, "-m", "node", "serve", "--config"]


def _config(folder: Path, port: int, extra: str = "") -> Path:
    return write_config(folder, port=port, destination=("NOBODY", free_port()), extra=extra)


def _events(node: Node) -> list[str]:
    lines = node.log.read_text().splitlines()
    return [json.loads(line)["event"] for line in lines if line[:1] == "{"]


def test_a_killed_child_is_started_again(tmp_path: Path, node_port: int) -> None:
    """Listener and coordinator come back; a sender meanwhile waits instead of being refused."""
    config = _config(tmp_path, node_port, "[intake]\nidle_timeout_s = 30\n")
    with running_node(config, port=node_port, options=["--no-worker"]) as node:
        for name in ("listener", "coordinator"):
            before = node.pid(name)
            node.kill(name)
            assert echoscu(node_port).returncode == 0
            wait_until(lambda n=name, b=before: _pid_of(node, n) not in {None, b}, 15, what=name)  # type: ignore[misc]
        assert _events(node).count("process_died") == 2


def _pid_of(node: Node, name: str) -> int | None:
    try:
        return node.pid(name)
    except (FileNotFoundError, ValueError):
        return None


def test_stop_leaves_nothing_running(tmp_path: Path, node_port: int) -> None:
    """SIGTERM: every child ends by itself, marks and process numbers are gone."""
    config = _config(tmp_path, node_port)
    with running_node(config, port=node_port) as node:
        parent = psutil.Process(node.pid("supervisor"))
        family = parent.children(recursive=True)
        names = {path.name for path in (node.folder / "run").iterdir()}
        assert {"ready", "listener.pid", "listener-2.pid", "coordinator.pid", "worker.pid"} <= names

    assert not still_running(family, timeout_s=0)
    assert {path.name for path in (node.folder / "run").iterdir()} <= {"supervisor.pid"}
    events = _events(node)
    assert "process_killed" not in events
    assert "process_died" not in events


def test_ready_means_that_the_worker_answers(tmp_path: Path, node_port: int) -> None:
    """``osteonode health`` pings it over the broker, and reports a missing worker."""
    config = _config(tmp_path, node_port)
    command = [*OSTEONODE, "health", "--config", str(config), "--json", "--timeout", "10"]
    with running_node(config, port=node_port) as node:
        assert node.status()["processes"]["worker"] == "ready"
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout)
        assert found["is_ready"]
        assert len(found["workers"]) == 1
        os.kill(node.pid("worker"), signal.SIGSTOP)
        quick = [*command[:-1], "1"]
        run = subprocess.run(quick, capture_output=True, text=True, check=False)
        assert (run.returncode, json.loads(run.stdout)["workers"]) == (1, [])
        os.kill(node.pid("worker"), signal.SIGCONT)
    run = subprocess.run(quick, capture_output=True, text=True, check=False)
    assert (run.returncode, json.loads(run.stdout)["is_running"]) == (1, False)


def test_a_worker_without_its_broker_is_not_ready(tmp_path: Path, node_port: int) -> None:
    """Its process runs, but cannot receive jobs."""
    config = write_config(
        tmp_path,
        port=node_port,
        destination=("NOBODY", free_port()),
        broker=f"redis://127.0.0.1:{free_port()}/0",
    )
    log = tmp_path / "node.log"
    with log.open("ab") as output:
        node = subprocess.Popen([*SERVE, str(config)], stdout=output, stderr=output)
    try:
        run_folder = tmp_path / "data" / "run"
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), 120, what="the worker")
        wait_until((run_folder / "coordinator.ready").exists, 60, what="the coordinator")
        assert not (run_folder / "ready").exists()
        command = [*OSTEONODE, "health", "--config", str(config), "--json", "--timeout", "2"]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert run.returncode == 1, run.stderr
        assert json.loads(run.stdout)["processes"]["worker"] == "starting"
    finally:
        node.terminate()
        node.wait(60)


def test_children_die_with_a_killed_supervisor(tmp_path: Path, node_port: int) -> None:
    """kill -9 of the parent leaves no orphan on the port, and the next start works."""
    config = _config(tmp_path, node_port)
    with running_node(config, port=node_port, options=["--no-worker"]) as node:
        family = psutil.Process(node.pid("supervisor")).children(recursive=True)
        assert len(family) >= 3
        node.kill("supervisor")
        assert not still_running(family, timeout_s=10)
    with running_node(config, port=node_port, options=["--no-worker"]):
        wait_until(lambda: echoscu(node_port).returncode == 0, 15, what="the new node")


def test_two_nodes_cannot_share_a_data_folder(tmp_path: Path, node_port: int) -> None:
    """The second prints one line and exits with 2."""
    config = _config(tmp_path, node_port)
    with running_node(config, port=node_port, options=["--no-worker"]) as node:
        run = subprocess.run(
            [*SERVE, str(config)], capture_output=True, text=True, check=False, timeout=30
        )
        assert run.returncode == 2
        assert f"another node (process {node.pid('supervisor')})" in " ".join(run.stderr.split())
        assert "Traceback" not in run.stderr


def test_a_taken_port_is_explained(tmp_path: Path, node_port: int) -> None:
    """Another node's port with a folder of its own."""
    config = _config(tmp_path / "one", node_port)
    other = _config(tmp_path / "two", node_port)
    with running_node(config, port=node_port, options=["--no-worker"]):
        run = subprocess.run(
            [*SERVE, str(other)], capture_output=True, text=True, check=False, timeout=30
        )
    assert run.returncode == 2
    assert "Address already in use" in run.stderr
    assert "set node.bind and node.port" in run.stderr


@pytest.mark.parametrize("server", ["fast", "stock"])
def test_several_listeners_share_port_and_ledger(
    tmp_path: Path, node_port: int, server: str
) -> None:
    """Four associations at once on two processes: every object is stored once."""
    config = _config(tmp_path, node_port, f'[intake]\nserver = "{server}"\n')
    folders = []
    for number in range(4):
        write_series(tmp_path / f"ct{number}", 15, study=f"2.25.80{number}")
        folders.append(tmp_path / f"ct{number}")
    with running_node(config, port=node_port, options=["--no-worker"]) as node:
        command = ["dcmsend", "-aec", "OSTEONODE", "+sd", "127.0.0.1", str(node_port)]
        senders = [subprocess.Popen([*command, str(folder)]) for folder in folders]
        assert [sender.wait(60) for sender in senders] == [0, 0, 0, 0]
        assert node.status()["received"] == 60
        text = node.log.read_text()
        assert dcmsend(folders[0], port=node_port).returncode == 0
        assert node.status()["resent"] == 15
        _check_that_each_listener_accepts_alone(node)
    assert '"process": "listener-2"' in text


def _check_that_each_listener_accepts_alone(node: Node) -> None:
    """While the other process is stopped, and after it has closed its handle of the socket."""
    for stopped in ("listener", "listener-2"):
        os.kill(node.pid(stopped), signal.SIGSTOP)
        try:
            assert echoscu(node.port).returncode == 0
        finally:
            os.kill(node.pid(stopped), signal.SIGCONT)
    for ended in ("listener", "listener-2"):
        before = node.pid(ended)
        os.kill(before, signal.SIGTERM)
        wait_until(lambda n=ended, b=before: _pid_of(node, n) not in {None, b}, 15, what=ended)  # type: ignore[misc]
        assert echoscu(node.port).returncode == 0


def test_interrupt_stops_like_sigterm(tmp_path: Path, node_port: int) -> None:
    """Ctrl-C in a terminal."""
    config = _config(tmp_path, node_port)
    with running_node(config, port=node_port, options=["--no-worker"]) as node:
        os.kill(node.pid("supervisor"), signal.SIGINT)
        wait_until(lambda: not (node.folder / "run" / "ready").exists(), 20, what="the stop")


def test_worker_command_carries_the_settings(tmp_path: Path) -> None:
    """The same command line for ``serve`` and ``worker``."""
    text = "[worker]\nconcurrency = 2\ntime_limit_s = 600\n"
    settings = load_settings(_config(tmp_path, 11112, text))

    command = worker_command(settings)

    assert command[1:3] == ["-m", "pipelines.worker"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options == {
        "--broker": "embedded",
        "--embedded-folder": str(settings.queue_folder),
        "--concurrency": "2",
        "--time-limit-s": "600",
    }

"""The command line: one line for each mistake, and pages that match the commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli_docs import page
from node.ledger.ledger import Ledger
from node.tools.demo_archive import running_archive
from node.version import VERSION
from tests.node.ct_objects import ct_image, write, write_series
from tests.node.listener_process import settings_for
from tests.peers.ports import free_port

ROOT = Path(__file__).parents[2]


def _run(
    *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **environment},  # noqa: TID251
    )


def test_page_of_the_command_line_is_up_to_date() -> None:
    """Written by ``python -m node.cli_docs``."""
    assert (ROOT / "docs" / "cli.md").read_text() == page()


def test_the_command_line_loads_only_what_its_help_needs() -> None:
    """Settings, logging, DICOM and database load with the command that needs them."""
    heavy = {"numpy", "pydantic", "pydicom", "pynetdicom", "sqlalchemy", "structlog", "celery"}
    program = "import sys, node.cli; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert heavy & set(run.stdout.split()) == set()


def test_every_command_is_on_the_page() -> None:
    """None is hidden."""
    for name in (
        "serve",
        "worker",
        "demo",
        "send",
        "status",
        "health",
        "redeliver",
        "process",
        "config check",
    ):
        assert f"## `osteonode {name}`" in page()
    for name in ("config show", "models list"):
        assert f"## `osteonode {name}`" in page()


def test_version_names_release_and_models() -> None:
    """A bug report needs both."""
    run = _run("--version")
    assert run.returncode == 0
    assert run.stdout.startswith(f"osteonode {VERSION} (models ")


def test_models_are_listed_with_their_digests() -> None:
    """From the cards."""
    run = _run("models", "list")
    assert run.returncode == 0
    assert "spine" in run.stdout
    assert "model set" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--config", "nowhere.toml"], "no settings file nowhere.toml"),
        (["send", "nowhere", "--to", "PACS@127.0.0.1:1"], "no such folder: nowhere"),
        (["send", ".", "--to", "PACS"], "expected AET@HOST:PORT"),
        (["send", ".", "--to", "PACS@127.0.0.1:1"], "no DICOM file in ."),
        (["process", "nowhere", "--out", "out"], "no such folder: nowhere"),
        (["demo", "--ct", "nowhere", "--out", "out"], "no such file or folder: nowhere"),
        (["status", "--config", "nowhere.toml"], "no settings file"),
        (["redeliver", "--to", "PACS"], "no destination PACS"),
        (["config", "check", "nowhere.toml"], "no settings file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_of_the_user_are_one_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Red, with the remedy, exit code 2, no traceback."""
    run = _run(*arguments, cwd=tmp_path)
    assert run.returncode == 2, run.stderr
    assert words in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr


def test_send_counts_the_answers(tmp_path: Path) -> None:
    """A table of statuses; 0 when all were taken, 1 when the peer is away."""
    write_series(tmp_path / "ct", 3)
    with running_archive(tmp_path / "archive", free_port()) as archive:
        to = f"{archive.ae_title}@127.0.0.1:{archive.port}"
        run = _run("send", tmp_path / "ct", "--to", to)
        assert run.returncode == 0, run.stderr
        assert "0x0000 Success" in run.stdout
    run = _run("send", tmp_path / "ct", "--to", f"PACS@127.0.0.1:{free_port()}")
    assert run.returncode == 1
    assert "cannot be reached" in run.stderr


def test_status_prints_the_balance(tmp_path: Path) -> None:
    """As a table and as JSON."""
    settings = settings_for(tmp_path)
    Ledger.open(settings.ledger_url).close()
    config = tmp_path / "osteonode.toml"

    table = _run("status", "--config", config)
    balance = json.loads(_run("status", "--config", config, "--json").stdout)

    assert table.returncode == 0
    assert "balanced: received = skipped + waiting + failed + delivered" in table.stdout
    assert balance["is_balanced"] is True
    states = ("received", "skipped", "waiting", "failed", "delivered", "refused")
    assert all(balance[state] == 0 for state in states)


def test_config_check_explains_every_mistake(tmp_path: Path) -> None:
    """All in one run, one line each."""
    (tmp_path / "bad.toml").write_text("[node]\nprot = 1\nport = 0\n[serie]\nx = 1\n")
    run = _run("config", "check", "bad.toml", cwd=tmp_path)
    assert run.returncode == 2
    for words in ("node.prot: no such setting", "node.port = 0", "serie: no such setting"):
        assert words in run.stderr


def test_config_check_looks_beyond_the_file(tmp_path: Path) -> None:
    """Folder, port, environment, peers."""
    with running_archive(tmp_path / "archive", free_port()) as archive:
        text = (
            '[[destinations]]\nname = "there"\n'
            f'ae_title = "X"\nhost = "127.0.0.1"\nport = {archive.port}\n'
            '[[destinations]]\nname = "away"\n'
            f'ae_title = "X"\nhost = "127.0.0.1"\nport = {free_port()}\n'
        )
        settings_for(tmp_path, text)
        config = tmp_path / "osteonode.toml"
        good = _run("config", "check", config)
        bad = _run("config", "check", config, "--peers", OSTEONODE_NOED__PORT="1")

    assert good.returncode == 0, good.stdout
    assert "ok" in good.stdout
    assert "any AE title may send" in good.stdout
    assert bad.returncode == 2
    assert "environment variable OSTEONODE_NOED__PORT is no setting" in bad.stdout
    assert "destinations.away" in bad.stdout
    assert "destinations.there" not in bad.stdout


def test_config_show_hides_passwords(tmp_path: Path) -> None:
    """The current settings, without passwords."""
    settings_for(tmp_path, '[ledger]\nurl = "postgresql+psycopg://bones:secret@db/osteonode"\n')
    run = _run("config", "show", "--config", tmp_path / "osteonode.toml")
    assert "secret" not in run.stdout
    assert "postgresql+psycopg://bones:***@db/osteonode" in run.stdout
    assert json.loads(run.stdout)["node"]["ae_title"] == "OSTEONODE"


def test_process_prints_the_reason_if_a_folder_has_no_result(tmp_path: Path) -> None:
    """Three slices only: result.json with status and reason, exit code 0."""
    write_series(tmp_path / "ct", 3)
    (tmp_path / "ct" / "letter.txt").write_text("no DICOM")

    run = _run("process", tmp_path / "ct", "--out", tmp_path / "out")

    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["status"] == "not_reported"
    assert [reason["code"] for reason in result["reasons"]] == ["too_few_slices"]
    assert "Too few slices" in run.stdout
    assert "RESEARCH USE ONLY" in run.stdout


def test_demo_does_not_empty_other_folders(tmp_path: Path) -> None:
    """It empties only what a demonstration made."""
    (tmp_path / "thesis.txt").write_text("years of work")
    run = _run("demo", "--out", tmp_path)
    assert run.returncode == 2
    assert "not of a demonstration" in run.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_demo_prints_the_reason_of_a_failure(tmp_path: Path) -> None:
    """An examination that cannot be measured: exit code 1, the reason and the log."""
    write(ct_image(), tmp_path / "ct" / "one.dcm")
    run = _run("demo", "--ct", tmp_path / "ct", "--out", tmp_path / "out", "--timeout", "60")
    assert run.returncode == 1, run.stdout
    assert "no report was returned: Too few slices" in run.stdout
    assert "Last lines of" in run.stdout

"""Logs of a worker process: the same rules as in the node, no patient data."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.contract.job import Job
from pipelines.worker.logs import ALLOWED_FIELDS

ROOT = Path(__file__).parents[3]
NAME = "DOE^JANE"
WORKER = f"""
import logging, sys, warnings
from pathlib import Path
import structlog
from pipelines.errors import UnreadablePixels
from pipelines.worker.attempt import attempt, read_job
from pipelines.worker.logs import log_to

log_to(sys.stderr, process="worker", level=sys.argv[2])
log = structlog.get_logger()
NAME = "{NAME[:4]}" + "{NAME[4:]}"

def process(job):
    log.info("header_read", patient_name=NAME, instances=3)
    warnings.warn("invalid value " + NAME)
    try:
        float(NAME)
    except ValueError as error:
        try:
            raise UnreadablePixels("no rescale slope") from error
        except UnreadablePixels:
            log.exception("reading_failed", patient_name=NAME)
            logging.getLogger("pydicom").exception("value_unreadable")
    return float(NAME)

attempt(read_job(Path(sys.argv[1])), process)
"""
"""A worker whose job meets the name in a field, a warning and the messages of errors."""


def run_worker(folder: Path, level: str) -> str:
    job = Job(
        key="k" * 32,
        study_instance_uid="1.2",
        series_instance_uid="1.3",
        instances=(),
        output_folder=str(folder),
        model_set="test",
    )
    (folder / "job.json").write_text(job.model_dump_json())
    command = [sys.executable, "-c", WORKER, str(folder), level]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def by_event(text: str) -> dict[str, dict[str, Any]]:
    return {line["event"]: line for line in map(json.loads, text.splitlines())}


def test_a_worker_process_drops_the_name_of_a_patient(tmp_path):
    """Whether it is a field, a warning, or in the message of an error or of its cause."""
    text = run_worker(tmp_path, "INFO")
    assert NAME not in text
    lines = by_event(text)
    assert lines["header_read"]["dropped_fields"] == ["patient_name"]
    assert (lines["header_read"]["process"], lines["header_read"]["instances"]) == ("worker", 3)
    crash = lines["job_crashed"]["exception"]
    assert crash.endswith("ValueError")
    assert "in process" in crash
    for event in ("reading_failed", "value_unreadable"):
        first, second = lines[event]["exception"].split("which led to:")
        assert first.strip().endswith("ValueError")
        assert second.endswith("UnreadablePixels: no rescale slope")


def test_messages_of_errors_are_shown_at_debug(tmp_path):
    """DEBUG may show patient data; fields stay on the list."""
    text = run_worker(tmp_path, "DEBUG")
    line = json.loads(next(line for line in text.splitlines() if "job_crashed" in line))
    assert line["exception"].endswith(f"ValueError: could not convert string to float: '{NAME}'")


def logged_fields(path: Path) -> set[str]:
    """Names of keyword arguments in calls of ``log`` and of structlog's context."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    calls = [one for one in nodes if isinstance(one, ast.Call) and is_log_call(one)]
    return {one.arg for call in calls for one in call.keywords if one.arg}


def is_log_call(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="log"), attr=level):
            return level in {"debug", "info", "warning", "error", "exception", "log"}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in {"bind_contextvars", "bound_contextvars"}
    return False


@pytest.mark.parametrize("package", ["node", "pipelines", "models"])
def test_every_field_that_the_code_logs_is_allowed(package):
    """No field is dropped by mistake."""
    used = {
        field: path.name
        for path in (ROOT / package).rglob("*.py")
        for field in logged_fields(path)
        if field not in ALLOWED_FIELDS | {"exc_info"}
    }
    assert used == {}

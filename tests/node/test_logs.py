"""The log: one JSON object a line, and no patient data by construction."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from node.config import NodeSection
from node.logs import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a service writes."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    text = io.StringIO()
    configure_logging("listener", NodeSection(), text)
    yield text
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_with_process_and_context(stream: io.StringIO) -> None:
    """Each line names its process, logger and association."""
    with bound_contextvars(association="10.0.0.5:4242"):
        structlog.get_logger("node.x").info("instance_stored", size_bytes=3)

    (line,) = _lines(stream)
    assert line["event"] == "instance_stored"
    assert (line["process"], line["level"], line["size_bytes"]) == ("listener", "info", 3)
    assert line["association"] == "10.0.0.5:4242"
    assert line["timestamp"].endswith("Z")


def test_fields_that_are_not_listed_are_dropped_and_named(stream: io.StringIO) -> None:
    """A field with a patient's name is dropped."""
    structlog.get_logger("node.x").warning("odd", patient_name="DOE^JANE", series="1.2")

    (line,) = _lines(stream)
    assert "DOE" not in stream.getvalue()
    assert line["dropped_fields"] == ["patient_name"]
    assert line["series"] == "1.2"


def test_libraries_go_through_the_same_formatter(stream: io.StringIO) -> None:
    """Warnings of pynetdicom and others are JSON too; their other messages are dropped."""
    logging.getLogger("pynetdicom.assoc").info("Accepting Association")
    logging.getLogger("sqlalchemy.engine").warning("slow")

    (line,) = _lines(stream)
    assert line["event"] == "slow"
    assert line["logger"] == "sqlalchemy.engine"


def test_tracebacks_stay_in_one_line(stream: io.StringIO) -> None:
    """Without the values of local variables, which may be anything."""
    patient = "DOE^JANE"
    try:
        raise ValueError
    except ValueError:
        structlog.get_logger("node.x").exception("intake_failed")

    (line,) = _lines(stream)
    assert "ValueError" in line["exception"]
    assert patient not in stream.getvalue()


def test_debug_is_off_by_default(stream: io.StringIO) -> None:
    """Only DEBUG may show patient data."""
    structlog.get_logger("node.x").debug("header_read")
    assert stream.getvalue() == ""

"""Logging: structlog for our own lines and for those of the libraries, without patient data.

Events are short past-tense constants (``instance_stored``) with fields. A processor drops every
field that is not on the list below, so that patient data cannot slip in; the names of dropped
fields are kept. Libraries speak from WARNING on, pynetdicom and SQLAlchemy included.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from node.config import NodeSection

LIBRARIES: Final = ("pynetdicom", "pydicom", "sqlalchemy", "alembic", "celery", "kombu", "asyncio")

ALLOWED_FIELDS: Final = frozenset(
    {
        # structlog's own
        "event", "level", "timestamp", "logger", "exception", "exc_info", "stack_info", "_record",
        "_from_structlog", "positional_args",
        # the process
        "process", "pid", "version", "exit_code", "signal", "restart_in_s", "address", "host",
        "port", "folder", "path", "url", "listeners",
        # the association
        "association", "peer", "calling_ae_title", "called_ae_title", "ae_title", "destination",
        "sop_classes", "status", "code", "stored", "resent", "refused",
        # what it is about: pseudonymous identifiers
        "study", "series", "instance", "sop_class", "transfer_syntax", "job", "job_key",
        "kind", "model", "model_set", "pipelines",
        # what happened to it
        "reason", "reasons", "detail", "remedy", "state", "old_state", "new_state", "error",
        "found", "expected", "attempt", "attempts", "retry_in_s", "retry_at", "count", "objects",
        "instances", "slices", "missing", "score", "losers", "size_bytes", "free_gb", "seconds",
        "station", "priority", "worker", "queue", "broker",
    }
)  # fmt: skip
"""Fields that may be logged. None of them may ever carry a name, a date of birth or an identifier
that a patient or a hospital gave."""


def keep_allowed_fields(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop fields that are not on the list; say which."""
    dropped = sorted(key for key in event if key not in ALLOWED_FIELDS)
    for key in dropped:
        del event[key]
    if dropped:
        event["dropped_fields"] = dropped
    return event


def configure_logging(
    process: str, node: NodeSection | None = None, stream: TextIO | None = None
) -> None:
    """Send everything to one stream, as JSON in services and as coloured lines on a terminal.

    Parameters
    ----------
    process
        Name of this process, in every line.
    stream
        Standard error by default.
    """
    node = node or NodeSection()
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _NamedProcess(process),
    ]
    structlog.configure(
        processors=[
            *shared,
            keep_allowed_fields,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(node.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(node.log_format, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(node.log_level)
    library_level = logging.DEBUG if node.log_level == "DEBUG" else logging.WARNING
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(library_level)


class _NamedProcess:
    """Adds the name of the process to every line."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("process", self._process)
        return event


def _renderers(log_format: Literal["auto", "json", "console"], stream: TextIO) -> list[Processor]:
    if log_format == "console" or (log_format == "auto" and stream.isatty()):
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]

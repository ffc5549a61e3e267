"""Logs of every process, node and worker: structured lines without patient data.

Events are short past-tense constants (``instance_stored``) with fields. Three rules keep patient
data out, for our own lines and for those of the libraries:

* a field that is not in `ALLOWED_FIELDS` is dropped; the line lists the names of dropped fields;
* a traceback shows the files, lines and types of errors. It shows a message only for our own
  errors and for those of the operating system; others may quote a header value;
* warnings of Python are off, because pydicom and highdicom quote header values in them.

At level DEBUG messages and warnings are shown: it may show patient data.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from models.errors import OsteoNodeError

LIBRARIES: Final = (
    "pynetdicom", "pydicom", "highdicom", "sqlalchemy", "alembic", "celery", "kombu", "asyncio",
)  # fmt: skip
"""Loggers that write from WARNING on."""

ALLOWED_FIELDS: Final = frozenset(
    {
        # structlog's own
        "event", "level", "timestamp", "logger", "exception", "stack_info", "positional_args",
        # the process
        "process", "pid", "version", "exit_code", "signal", "restart_in_s", "address", "host",
        "port", "folder", "path", "url", "listeners",
        # the association
        "association", "peer", "calling_ae_title", "called_ae_title", "ae_title", "destination",
        "sop_classes", "status", "code", "stored", "resent", "refused",
        # what it is about: pseudonymous identifiers
        "study", "series", "instance", "sop_class", "transfer_syntax", "job", "job_key",
        "kind", "model", "model_set", "pipeline",
        # what happened to it
        "reason", "reasons", "detail", "remedy", "state", "old_state", "new_state", "error",
        "found", "expected", "attempt", "attempts", "retry_in_s", "retry_at", "count", "objects",
        "instances", "slices", "missing", "score", "losers", "size_bytes", "free_gb", "seconds",
        "station", "worker", "queue", "broker",
    }
)  # fmt: skip
"""Fields that may be logged. None of them may contain a name, a date of birth or an identifier from
a patient or a hospital."""

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Format = Literal["auto", "json", "console"]


def log_to(
    stream: TextIO, *, process: str, level: Level = "INFO", log_format: Format = "json"
) -> None:
    """Send structlog and the loggers of the libraries to one stream.

    Parameters
    ----------
    process
        Name of this process, in every line.
    log_format
        ``auto``: coloured lines on a terminal, else one JSON object a line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _NamedProcess(process),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Traceback(with_messages=level == "DEBUG"),
                keep_allowed_fields,
                _renderer(log_format, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel("DEBUG" if level == "DEBUG" else "WARNING")
    if level != "DEBUG":
        warnings.simplefilter("ignore")


def keep_allowed_fields(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop fields that are not on the list, and list their names."""
    dropped = sorted(key for key in event if key not in ALLOWED_FIELDS)
    for key in dropped:
        del event[key]
    if dropped:
        event["dropped_fields"] = dropped
    return event


class _NamedProcess:
    """Adds the name of the process to every line."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("process", self._process)
        return event


class _Traceback:
    """Replaces ``exc_info`` by the text of its traceback in ``exception``."""

    def __init__(self, *, with_messages: bool) -> None:
        self._with_messages = with_messages

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        error = _error_of(event.pop("exc_info", None))
        if error is not None:
            event["exception"] = self._text(error)
        return event

    def _text(self, error: BaseException) -> str:
        """Frames of the error and of its causes, the first cause on top."""
        chain: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause not in chain:
            chain.append(cause)
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        return "\n\nwhich led to:\n\n".join(map(self._frames, reversed(chain)))

    def _frames(self, error: BaseException) -> str:
        return "".join(traceback.format_tb(error.__traceback__)) + self._headline(error)

    def _headline(self, error: BaseException) -> str:
        name = type(error).__qualname__
        if self._with_messages or isinstance(error, OsteoNodeError | OSError):
            return f"{name}: {error}"
        return name


def _error_of(exc_info: Any) -> BaseException | None:
    """Error behind each form in which a logger passes it on."""
    match exc_info:
        case True:
            return sys.exc_info()[1]
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
    return None


def _renderer(log_format: Format, stream: TextIO) -> Processor:
    if log_format == "console" or (log_format == "auto" and stream.isatty()):
        return structlog.dev.ConsoleRenderer(colors=stream.isatty())
    return structlog.processors.JSONRenderer()

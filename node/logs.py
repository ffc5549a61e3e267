"""Logging of the node's processes, by the settings; the rules are in ``pipelines.worker.logs``."""

import sys
from typing import TextIO

from node.config import NodeSection
from pipelines.worker.logs import log_to


def configure_logging(
    process: str, node: NodeSection | None = None, stream: TextIO | None = None
) -> None:
    """Send all log lines of this process to one stream.

    Parameters
    ----------
    process
        Name of this process, in every line.
    stream
        Standard error by default.
    """
    node = node or NodeSection()
    log_to(stream or sys.stderr, process=process, level=node.log_level, log_format=node.log_format)

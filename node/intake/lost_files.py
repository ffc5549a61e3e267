"""Check on start that every file of the ledger still holds the acknowledged object.

Takes  FileRow
Gives  FileRow
Next   node.ledger.files

fsync can report success without durability, and files can be moved. The check compares the size
of every file, and the digest of each file that is not yet processed.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

import structlog

from node.ledger.ledger import Ledger
from node.ledger.records import FileRow

log = structlog.get_logger(__name__)

ROWS_AT_ONCE: Final = 1000
PREFIX: Final = slice(128, 132)
GROUP_LENGTH: Final = slice(140, 144)
"""Value of (0002,0000): bytes of file meta information that follow it (PS3.10 7.1)."""


def check_files(ledger: Ledger, stop_event: threading.Event) -> int:
    """Mark objects whose file is lost, and those whose file is found again.

    Returns
    -------
    int
        Number of files that are lost since the last check.
    """
    after, lost = 0, 0
    try:
        while rows := ledger.files.page(after=after, limit=ROWS_AT_ONCE):
            for row in rows:
                lost += _check(ledger, row)
                if stop_event.is_set():
                    return lost
            after = rows[-1].id
    except OSError as error:  # the disk cannot be read: the states stay as they are
        log.error("files_unchecked", error=str(error), remedy="check the disk")  # noqa: TRY400
    return lost


def _check(ledger: Ledger, row: FileRow) -> bool:
    flaw = flaw_of(row)
    if flaw is None:
        if row.is_lost and ledger.files.record_found(row):
            log.info("file_found", instance=row.sop_instance_uid)
        return False
    if row.is_lost or not ledger.files.record_lost(row):
        return False
    log.error(
        "file_lost",
        instance=row.sop_instance_uid,
        series=row.series_instance_uid,
        found=flaw,
        remedy="send the object again",
    )
    return True


def flaw_of(row: FileRow) -> str | None:
    """``missing``, ``size`` or ``content``; ``None`` if the file is as it was acknowledged.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        with Path(row.path).open("rb") as file:
            head = file.read(GROUP_LENGTH.stop)
            start = len(head) + int.from_bytes(head[GROUP_LENGTH], "little")
            is_whole = os.fstat(file.fileno()).st_size == start + row.size_bytes
            if head[PREFIX] != b"DICM" or not is_whole:
                return "size"
            if row.is_needed or row.is_lost:
                file.seek(start)
                if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
                    return "content"
    except FileNotFoundError:
        return "missing"
    return None

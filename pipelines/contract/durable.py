"""Write files so that they are complete or absent, also after a power failure."""

import os
from collections.abc import Callable
from pathlib import Path

from pipelines.contract.job import OUTCOME_FILE, Outcome


def write_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file beside ``path`` and rename it.

    Write, fsync, rename, fsync of the folder: a reader sees the old file or the whole new one.
    """
    temporary = path.with_name(f".{path.name}.part")
    write(temporary)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write ``outcome.json``, which marks the job as done."""
    text = outcome.model_dump_json(indent=2)
    write_durably(folder / OUTCOME_FILE, lambda path: path.write_text(text, "utf-8"))

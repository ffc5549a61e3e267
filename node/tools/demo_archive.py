"""Small archive that replaces the PACS in the demonstration: it stores every object.

A node in service does not use it.
"""

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.intake.acceptance import TRANSFER_SYNTAXES

AE_TITLE: Final = "DEMOPACS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A running archive."""

    ae_title: str
    port: int
    folder: Path

    def find(self, modality: str) -> list[Path]:
        """Files of one modality, in the order of their names."""
        return sorted(self.folder.glob(f"*/{modality}.*.dcm"))


@contextmanager
def running_archive(folder: Path, port: int, *, ae_title: str = AE_TITLE) -> Iterator[Archive]:
    """Archive on the loopback interface, until the end of the context."""
    folder.mkdir(parents=True, exist_ok=True)
    entity = AE(ae_title)
    entity.maximum_pdu_size = 131072
    entity.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:
        if context.abstract_syntax:
            entity.add_supported_context(context.abstract_syntax, list(TRANSFER_SYNTAXES))
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, _store, [folder])]
    )
    try:
        yield Archive(ae_title=ae_title, port=port, folder=folder)
    finally:
        with contextlib.suppress(ValueError):
            server.shutdown() if server else None


def _store(event: Event, folder: Path) -> int:
    """Write to a temporary file, then rename it, so that every visible file is complete."""
    incoming = folder / f"{event.request.AffectedSOPInstanceUID}.part"  # type: ignore[union-attr]
    incoming.write_bytes(event.encoded_dataset())
    header = dcmread(incoming, stop_before_pixels=True)
    study = folder / _safe(header.StudyInstanceUID)
    study.mkdir(exist_ok=True)
    incoming.rename(study / f"{_safe(header.Modality)}.{_safe(header.SOPInstanceUID)}.dcm")
    return 0x0000


def _safe(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z.]", "_", text)

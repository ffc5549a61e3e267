"""The data set of one C-STORE request, written to the spool.

Takes  pieces of an encoded data set
Gives  IncomingFile
Next   node.intake.listener
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from node.errors import SpoolFull
from node.intake.spool import IncomingFile, Spool


class IncomingDataSet(BytesIO):
    """Data set of a C-STORE request; every piece that is written goes to a file in the spool.

    It is a ``BytesIO`` because pynetdicom accepts nothing else as a data set.

    Parameters
    ----------
    spool
        Creates the file.
    meta
        Returns preamble and file meta information. Called at the first piece, when the command
        set of the message is complete.

    Attributes
    ----------
    file : IncomingFile or None
        ``None`` before the first piece.
    error : Exception or None
        Why a piece could not be written. The pieces after it are dropped, so that the sender
        receives a status for this object and the association continues.
    """

    def __init__(self, spool: Spool, meta: Callable[[], bytes]) -> None:
        super().__init__()
        self._spool = spool
        self._meta = meta
        self.file: IncomingFile | None = None
        self.error: OSError | SpoolFull | None = None

    def write(self, piece: Any, /) -> int:
        """Append a piece to the file."""
        if self.error is None:
            try:
                if self.file is None:
                    self.file = self._spool.receive(self._meta())
                self.file.write(piece)
            except (OSError, SpoolFull) as error:
                self.error = error
        return len(piece)

    def discard(self) -> None:
        """Remove the file, unless it was kept."""
        if self.file is not None:
            self.file.discard()

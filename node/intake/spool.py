"""Bytes to disk, for certain: temporary file, flush, rename, flush the folder.

Takes  encoded data set
Gives  StoredInstance
Next   node.ledger.ledger
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """One object that lies durably in the spool.

    Parameters
    ----------
    path
        DICOM file (PS3.10), the data set as it was received.
    size_bytes, sha256
        Of the encoded data set, without the file meta information: equal for equal content.
    received_at
        In UTC.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    path: Path
    size_bytes: int
    sha256: str
    calling_ae_title: str
    called_ae_title: str
    received_at: datetime

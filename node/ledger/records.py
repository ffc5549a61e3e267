"""Records that the ledger takes and returns; no database is needed for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from node.ledger.states import InstanceState, JobState
from pipelines.contract.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """One object that is durable in the spool.

    Parameters
    ----------
    path
        DICOM file (PS3.10), the data set as it was received.
    size_bytes, sha256
        Of the encoded data set, without the file meta information: equal for equal content.
    received_at
        UTC.
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


class Recorded(Enum):
    """Whether an object was new.

    ``RECODED``: known object in another transfer syntax; the ledger keeps the first file.
    ``HEALED``: known object whose first file was lost; the ledger takes the new file.
    """

    NEW = "new"
    RESENT = "resent"
    RECODED = "recoded"
    HEALED = "healed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """One object; ``header`` is ``None`` until the coordinator has read it."""

    sop_instance_uid: str
    series_instance_uid: str
    path: str
    header: Mapping[str, Any] | None
    state: InstanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """Expected content of the file of one object.

    Parameters
    ----------
    size_bytes, sha256
        Of the encoded data set, without the file meta information.
    resent
        Changes when the object is sent again.
    is_needed
        The object is not processed yet.
    is_lost
        An earlier check found the file lost.
    """

    id: int
    sop_instance_uid: str
    series_instance_uid: str
    path: str
    size_bytes: int
    sha256: str
    resent: int
    is_needed: bool
    is_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySnapshot:
    """Objects of a study whose files are not lost; ``last_received_at`` dates the snapshot."""

    study_instance_uid: str
    instances: tuple[InstanceRow, ...]
    open_series: frozenset[str]
    last_received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job."""

    key: str
    folder: str
    state: JobState
    created_at: float
    enqueued_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOutput:
    """One result that is due to a destination."""

    id: int
    job_key: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: str
    destination: str
    attempts: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Decision about a study: one job for the chosen series, reasons for the others.

    Parameters
    ----------
    losers
        Reason by Series Instance UID.
    skipped_instances
        Reason by SOP Instance UID, for objects of the chosen series that are not used.
    replaces
        Path of the delivered report of an older job that the new report replaces.
    """

    study_instance_uid: str
    job_key: str | None
    job_folder: str | None
    chosen_series: str | None
    losers: Mapping[str, Reason]
    skipped_instances: Mapping[str, Reason]
    replaces: str | None = None

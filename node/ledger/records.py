"""What goes into the ledger and what it returns: frozen records, free of the database."""

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


class Recorded(Enum):
    """Whether an object was new.

    ``RECODED`` is a known object in another transfer syntax: the file of the first one stays, the
    new one is not in the books. ``HEALED`` is one whose first file was lost.
    """

    NEW = "new"
    RESENT = "resent"
    RECODED = "recoded"
    HEALED = "healed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """What the ledger knows of one object; ``header`` once it has been read."""

    sop_instance_uid: str
    series_instance_uid: str
    path: str
    header: Mapping[str, Any] | None
    state: InstanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """What the file of one object should hold.

    Parameters
    ----------
    size_bytes, sha256
        Of the encoded data set, without the file meta information.
    resent
        Tells whether the object came again meanwhile.
    is_needed
        Nothing has been made of it yet.
    is_lost
        So it was found at an earlier look.
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
    """All present objects of a study at one moment; ``last_received_at`` dates it."""

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
    """One result that a destination should get now."""

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
    """What becomes of a study: one job for the chosen series, reasons for the others.

    Parameters
    ----------
    losers
        Reason by Series Instance UID.
    skipped_instances
        Reason by SOP Instance UID: single objects of the chosen series that are not used.
    replaces
        Path of the delivered report of an older job that the job's report will name.
    """

    study_instance_uid: str
    job_key: str | None
    job_folder: str | None
    chosen_series: str | None
    losers: Mapping[str, Reason]
    skipped_instances: Mapping[str, Reason]
    replaces: str | None = None

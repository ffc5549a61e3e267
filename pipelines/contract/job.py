"""The contract between node and pipelines: the node writes a Job, a worker writes an Outcome.

Free of torch, sockets and the ledger, so that the listener can import it. Both types are written as
JSON and read from it. The worker writes ``outcome.json`` into ``Job.output_folder`` last (write,
fsync, rename). That file marks the job as done; the message of the broker only starts a worker. A
repeated or lost message therefore does no harm.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from pipelines.contract.density_table import DensityTable
from pipelines.contract.feature_engine import Engine
from pipelines.contract.findings import Status
from pipelines.contract.reasons import Reason

TASK_NAME: Final = "pipelines.process_examination"
OUTCOME_FILE: Final = "outcome.json"
RESULT_FILE: Final = "result.json"
JOB_FILE: Final = "job.json"
LOCK_FILE: Final = "running.lock"
"""Locked with ``flock`` while a worker runs the job; the kernel frees it when the worker ends."""
ATTEMPTS_FILE: Final = "attempts.log"
"""One line per start; more than ``MAX_ATTEMPTS`` starts without an outcome is a failure."""
MAX_ATTEMPTS: Final = 3


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobInstance(_Message):
    """One stored object of the chosen series."""

    sop_instance_uid: str
    path: str


class Predecessor(_Message):
    """The report that this job's report replaces (PS3.3 C.17.2, Predecessor Documents)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    path: str


class Job(_Message):
    """One examination to process: one series.

    A file of an earlier version may hold fields that this one lacks (``flags`` and ``pipelines``
    of 0.1.0, which had one value each); they are ignored, so that an unfinished job continues
    after an upgrade.

    Parameters
    ----------
    key
        Identifies the content (see `job_key`).
    output_folder
        Private to this job.
    radiomics
        Whether a destination is configured to receive the report of radiomic features.
    radiomics_engine
        Computes the features; it is no part of the key, because both engines give the same features.
    density_table
        Of the site; ``None``: the table that is shipped.
    predecessor
        The delivered report that the report of this job replaces.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[JobInstance, ...]
    output_folder: str
    model_set: str
    radiomics: bool = False
    radiomics_engine: Engine = Engine.NATIVE
    density_table: DensityTable | None = None
    predecessor: Predecessor | None = None


class OutputObject(_Message):
    """One DICOM object that a job made, as a file in the job's output folder."""

    kind: Literal["seg", "sr", "radiomics"]
    path: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


class Failure(_Message):
    """Why a job failed: code, and the message of the error without patient data."""

    reason: Reason
    detail: str


class Outcome(_Message):
    """Result of a job; exactly one of ``status`` and ``failure`` is set."""

    job_key: str
    status: Status | None
    reasons: tuple[Reason, ...]
    objects: tuple[OutputObject, ...]
    failure: Failure | None
    seconds: dict[str, float]
    peak_rss_mb: float


def job_key(
    series_instance_uid: str,
    sop_instance_uids: Iterable[str],
    model_set: str,
    *,
    density_table: DensityTable | None = None,
) -> str:
    """Digest of the work: the same content, models and calibrations have the same key.

    Returns
    -------
    str
        32 hexadecimal digits of SHA-256 over the series UID, the sorted SOP Instance UIDs and
        the model set version, and the digest of the site's density table if there is one.
    """
    table = [] if density_table is None else [density_table.digest]
    text = "\n".join([series_instance_uid, *sorted(sop_instance_uids), model_set, *table])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def read_outcome(output_folder: Path) -> Outcome | None:
    """Outcome of a finished job, or ``None`` while there is none."""
    try:
        text = (output_folder / OUTCOME_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Outcome.model_validate_json(text)

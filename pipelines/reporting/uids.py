"""Unique identifiers of the output, derived from the job key.

Takes  Job
Gives  str
Next   pipelines.reporting.seg, pipelines.reporting.sr
"""

import hashlib
import uuid


def derived_uid(job_key: str, role: str) -> str:
    """UID of one object or series of a job.

    Redelivery, re-sending and reprocessing give the same UID, so an archive keeps one result.

    Parameters
    ----------
    role
        What the UID names, e.g. ``"seg.series"``.

    Returns
    -------
    str
        ``2.25.`` and a name-based UUID as an integer (PS3.5 B.2).
    """
    digest = hashlib.sha256(f"{job_key}/{role}".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"

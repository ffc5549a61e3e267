"""Unique identifiers of the output, derived from the job: the same work names the same objects.

Takes  Job
Gives  str
Next   pipelines.reporting.seg, pipelines.reporting.sr
"""

import hashlib
import uuid


def derived_uid(job_key: str, role: str) -> str:
    """UID of one thing that a job makes.

    Redelivery, re-sending and reprocessing give the same UID, so no second result arises.

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

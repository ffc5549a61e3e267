"""Unique identifiers of the output, derived from the job: the same work names the same objects.

Takes  Job
Gives  str
Next   pipelines.reporting.seg, pipelines.reporting.sr
"""

from pipelines.contract.uids import derive_uid


def derived_uid(job_key: str, role: str) -> str:
    """UID of one thing that a job makes.

    Redelivery, re-sending and reprocessing give the same UID, so no second result arises.

    Parameters
    ----------
    role
        What the UID names, e.g. ``"seg.series"``.
    """
    return derive_uid(job_key, role)

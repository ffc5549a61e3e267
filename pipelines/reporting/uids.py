"""Derive the unique identifiers of the output from the job key.

Takes  Job
Gives  str
Next   pipelines.reporting.seg, pipelines.reporting.sr_content
"""

from pipelines.contract.uids import derive_uid


def derived_uid(job_key: str, role: str) -> str:
    """UID of one object or series of a job.

    The UID is the same after redelivery, re-sending and reprocessing, so an archive keeps one result.

    Parameters
    ----------
    role
        What the UID identifies, e.g. ``"seg.series"``.
    """
    return derive_uid(job_key, role)

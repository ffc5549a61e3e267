"""Unique identifiers of the virtual cohort, derived from what they name.

The same seed and role give the same UID on every machine, so that a simulated examination is
the same examination byte for byte wherever it is made.
"""

from typing import Final

from pipelines.contract.uids import derive_uid

NAMESPACE: Final = "virtual cohort"
"""First name of every UID below: no job has such a key."""


def derived_uid(*names: object) -> str:
    """UID of what ``names`` describe, e.g. the key of a subject, ``"instance"`` and a number."""
    return derive_uid(NAMESPACE, *names)

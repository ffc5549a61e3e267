"""Derive the UIDs of the virtual cohort from names.

The same seed and role give the same UID on every machine. A simulated examination is thus
equal byte for byte on all machines.
"""

from typing import Final

from pipelines.contract.uids import derive_uid

NAMESPACE: Final = "virtual cohort"
"""First name of every UID of the cohort; no job has this key."""


def derived_uid(*names: object) -> str:
    """Return the UID of ``names``, e.g. the key of a subject, ``"instance"`` and a number."""
    return derive_uid(NAMESPACE, *names)

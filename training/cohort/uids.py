"""Derive the UIDs of the virtual cohort from names.

The same seed and role give the same UID on every machine. A simulated examination is thus
equal byte for byte on all machines.
"""

from typing import Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("6f2b0c5e-6c0e-5d0b-9a55-0b5e7c0f0de5")
"""Namespace of all UIDs; a constant of this project."""


def derived_uid(*names: object) -> str:
    """Return the UID that belongs to ``names``, for example key, "instance", number.

    Source
    ------
    PS3.5 B.2: ``2.25.`` and the UUID as a decimal integer; RFC 4122 name-based UUID.
    """
    return f"2.25.{uuid5(NAMESPACE, '/'.join(map(str, names))).int}"

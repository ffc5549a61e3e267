"""Unique identifiers of the virtual cohort, derived from what they name.

The same seed and role give the same UID on every machine, so that a simulated examination is
the same examination byte for byte wherever it is made.
"""

from typing import Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("6f2b0c5e-6c0e-5d0b-9a55-0b5e7c0f0de5")
"""Root of every name below; a constant of this project."""


def derived_uid(*names: object) -> str:
    """Give the UID of what ``names`` describe, for example key, "instance", number.

    Source
    ------
    PS3.5 B.2: ``2.25.`` and the UUID as a decimal integer; RFC 4122 name-based UUID.
    """
    return f"2.25.{uuid5(NAMESPACE, '/'.join(map(str, names))).int}"

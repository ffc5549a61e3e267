"""Derive UIDs from names: the same names have the same UID on every machine."""

import hashlib
import uuid


def derive_uid(*names: object) -> str:
    """UID derived from ``names``, e.g. the key of a job and ``"seg.series"``.

    Returns
    -------
    str
        ``2.25.`` and a name-based UUID as a decimal integer: the first half of a SHA-256 digest, with the
        variant and version bits that a UUID has (version 5).

    Source
    ------
    PS3.5 B.2; RFC 9562 section 5.5.
    """
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"

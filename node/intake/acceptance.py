"""Accepted senders and objects, and the DIMSE status of each refusal.

Takes  A-ASSOCIATE-RQ, C-STORE-RQ
Gives  RefusedObject
Next   node.intake.listener
"""

from dataclasses import dataclass
from typing import Final

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.errors import (
    CorruptObject,
    DuplicateContent,
    OsteoNodeError,
    RefusedObject,
    SpoolFull,
    UnsupportedObject,
)

CT_SOP_CLASSES: Final[tuple[UID, ...]] = (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)
ECHO_SOP_CLASS: Final = UID(Verification)
TRANSFER_SYNTAXES: Final[tuple[UID, ...]] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
)
"""All transfer syntaxes of CT that a worker can decode; the order of the sender decides."""

SUCCESS: Final = 0x0000
CANNOT_UNDERSTAND: Final = 0xC000


@dataclass(frozen=True, slots=True, kw_only=True)
class DimseStatus:
    """One row of the table of statuses.

    Parameters
    ----------
    name
        As in PS3.4 Table B.2-1 or PS3.7 Annex C.
    meaning
        When this node returns it.
    """

    code: int
    name: str
    meaning: str
    error: type[OsteoNodeError] | None = None


STATUSES: Final[tuple[DimseStatus, ...]] = (
    # PS3.7 Annex C
    DimseStatus(
        code=SUCCESS,
        name="Success",
        meaning="The object and its ledger row are on disk, now or since an earlier transfer.",
    ),
    DimseStatus(
        code=RefusedObject.status,
        name="Processing failure",
        meaning="The object is refused for a reason without a status of its own.",
        error=RefusedObject,
    ),
    # PS3.4 Table B.2-1
    DimseStatus(
        code=SpoolFull.status,
        name="Refused: Out of resources",
        meaning="Free disk space is below intake.min_free_gb, or the ledger cannot be written. "
        "Send the object again later.",
        error=SpoolFull,
    ),
    DimseStatus(
        code=UnsupportedObject.status,
        name="Error: Data Set does not match SOP Class",
        meaning="The SOP Class UID of the data set differs from that of the request.",
        error=UnsupportedObject,
    ),
    DimseStatus(
        code=CANNOT_UNDERSTAND,
        name="Error: Cannot understand",
        meaning="An internal error; see the log. The association stays open.",
    ),
    DimseStatus(
        code=CorruptObject.status,
        name="Error: Cannot understand",
        meaning="The data set cannot be read, a UID is missing or differs from the request, or "
        "the pixel data are truncated.",
        error=CorruptObject,
    ),
    DimseStatus(
        code=DuplicateContent.status,
        name="Error: Cannot understand",
        meaning="The node has another object with the same SOP Instance UID, and keeps that one.",
        error=DuplicateContent,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Reason for the rejection of an association, and its remedy."""

    reason: str
    remedy: str


REJECTIONS: Final[dict[tuple[int, int], Rejection]] = {
    # (source, reason) of A-ASSOCIATE-RJ, PS3.8 Table 9-21
    (1, 7): Rejection(
        reason="called_ae_title_not_recognized",
        remedy="configure the AE title of this node at the sender, or set "
        "intake.require_called_ae_title = false",
    ),
    (1, 3): Rejection(
        reason="calling_ae_title_not_recognized",
        remedy="add the sender to intake.accepted_calling_ae_titles",
    ),
    (3, 2): Rejection(
        reason="local_limit_exceeded",
        remedy="raise intake.max_associations or node.listener_processes",
    ),
}
UNEXPLAINED: Final = Rejection(reason="rejected", remedy="see the association request")


def rejection(source: int, reason: int) -> Rejection:
    """Explanation of an A-ASSOCIATE-RJ that this node sent."""
    return REJECTIONS.get((source, reason), UNEXPLAINED)

"""Errors of the node layer, and the map of all errors.

    OsteoNodeError
    * ConfigError
    * RefusedObject
      - UnknownPeer
      - UnsupportedObject
      - CorruptObject
      - SpoolFull
      - DuplicateContent
    * LedgerError
      - ForbiddenTransition
      - LeaseLost
    * DeliveryError
      - PeerUnreachable
      - PeerRefused
    * PipelineError
      - GeometryMismatch
      - UnreadablePixels
    * ModelError
      - DigestMismatch
      - UnknownModel
      - OutOfMemory

An error means that something cannot go on; a value that is withheld is data, not an error.
Every class takes three positional arguments (found, expected, remedy), so that it survives
pickling. ``retryable`` is a class attribute: nobody matches strings.
"""

from typing import ClassVar, Final

from models.errors import DigestMismatch, ModelError, OsteoNodeError, OutOfMemory, UnknownModel
from pipelines.errors import GeometryMismatch, PipelineError, UnreadablePixels

__all__ = [
    "ConfigError",
    "CorruptObject",
    "DeliveryError",
    "DigestMismatch",
    "DuplicateContent",
    "ForbiddenTransition",
    "GeometryMismatch",
    "LeaseLost",
    "LedgerError",
    "ModelError",
    "OsteoNodeError",
    "OutOfMemory",
    "PeerRefused",
    "PeerUnreachable",
    "PipelineError",
    "RefusedObject",
    "SpoolFull",
    "UnknownModel",
    "UnknownPeer",
    "UnreadablePixels",
    "UnsupportedObject",
]

PROCESSING_FAILURE: Final = 0x0110


class ConfigError(OsteoNodeError):
    """The settings are wrong; one line per mistake."""


class RefusedObject(OsteoNodeError):
    """An object is not taken; the sender gets ``status`` (table in ``node.intake.acceptance``)."""

    status: ClassVar[int] = PROCESSING_FAILURE


class UnknownPeer(RefusedObject):
    """The sender is not on the list of accepted AE titles, or calls us by another name."""

    status: ClassVar[int] = 0x0124


class UnsupportedObject(RefusedObject):
    """The data set is of another SOP class than the request says."""

    status: ClassVar[int] = 0xA900


class CorruptObject(RefusedObject):
    """The data set cannot be read, is truncated, or contradicts its command."""

    status: ClassVar[int] = 0xC001


class SpoolFull(RefusedObject):
    """Free disk space is under the watermark; send again later."""

    status: ClassVar[int] = 0xA700
    retryable: ClassVar[bool] = True


class DuplicateContent(RefusedObject):
    """Another object with the same SOP Instance UID is already here; the first one stays."""

    status: ClassVar[int] = 0xC002


class LedgerError(OsteoNodeError):
    """The ledger cannot do what was asked."""


class ForbiddenTransition(LedgerError):
    """No arrow leads from the present state to the one asked for."""


class LeaseLost(LedgerError):
    """Somebody else took over the work meanwhile."""


class DeliveryError(OsteoNodeError):
    """A result could not be delivered."""


class PeerUnreachable(DeliveryError):
    """No connection, no association, or it broke; try again later."""

    retryable: ClassVar[bool] = True


class PeerRefused(DeliveryError):
    """The destination answered with a failure; trying again does not help."""

"""Errors of the node layer, and a drawing of the whole error tree.

    OsteoNodeError
    * ConfigError
    * RefusedObject
      - UnsupportedObject
      - CorruptObject
      - SpoolFull
      - DuplicateContent
    * LedgerError
      - ForbiddenTransition
    * DeliveryError
      - PeerUnreachable
      - PeerRefused
    * PipelineError
      - GeometryMismatch
      - UnreadablePixels
      - EngineNotInstalled
    * ModelError
      - DigestMismatch
      - UnknownModel
      - OutOfMemory

An error means that a step cannot continue; a withheld value is data, not an error. Every class
has three positional arguments (found, expected, remedy), so that it survives pickling.
``retryable`` is a class attribute, so that no caller compares strings.
"""

from typing import ClassVar, Final

from models.errors import DigestMismatch, ModelError, OsteoNodeError, OutOfMemory, UnknownModel
from pipelines.errors import EngineNotInstalled, GeometryMismatch, PipelineError, UnreadablePixels

__all__ = [
    "ConfigError",
    "CorruptObject",
    "DeliveryError",
    "DigestMismatch",
    "DuplicateContent",
    "EngineNotInstalled",
    "ForbiddenTransition",
    "GeometryMismatch",
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
    "UnreadablePixels",
    "UnsupportedObject",
]

PROCESSING_FAILURE: Final = 0x0110


class ConfigError(OsteoNodeError):
    """The settings or the call have mistakes; one line per mistake."""


class RefusedObject(OsteoNodeError):
    """The node refuses an object with ``status`` (table in ``node.intake.acceptance``)."""

    status: ClassVar[int] = PROCESSING_FAILURE


class UnsupportedObject(RefusedObject):
    """The SOP class of the data set differs from that of the request."""

    status: ClassVar[int] = 0xA900


class CorruptObject(RefusedObject):
    """The data set cannot be read, is truncated, or contradicts its command."""

    status: ClassVar[int] = 0xC001


class SpoolFull(RefusedObject):
    """Free disk space is below ``intake.min_free_gb``; a later try can succeed."""

    status: ClassVar[int] = 0xA700
    retryable: ClassVar[bool] = True


class DuplicateContent(RefusedObject):
    """The node has another object with the same SOP Instance UID, and keeps that one."""

    status: ClassVar[int] = 0xC002


class LedgerError(OsteoNodeError):
    """The ledger cannot be opened, read or written."""


class ForbiddenTransition(LedgerError):
    """The table of states has no step from the present state to the new one."""


class DeliveryError(OsteoNodeError):
    """A result could not be delivered."""


class PeerUnreachable(DeliveryError):
    """No connection or no association, or it ended early; a later try can succeed."""

    retryable: ClassVar[bool] = True


class PeerRefused(DeliveryError):
    """The destination responded with a failure; another try would fail too."""

"""Send files to one destination by C-STORE; translate the errors of pynetdicom.

Takes  Delivery
Gives  Receipt
Next   node.delivery.outbox
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from node.dicom_peer import Peer
from node.errors import PeerUnreachable

SUCCESS: Final = 0x0000
MAX_PDU: Final = 131072


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One file to send."""

    path: Path
    sop_class_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Response to one C-STORE.

    Parameters
    ----------
    status
        DIMSE status (PS3.4 Annex B.2.3); ``None`` if the object was not sent, because the receiver
        accepts no objects of the class or the file cannot be read.
    """

    delivery: Delivery
    status: int | None

    @property
    def is_delivered(self) -> bool:
        """Success, or stored with a warning (0xBxxx: coercion, elements discarded)."""
        return self.status is not None and (
            self.status == SUCCESS or self.status & 0xF000 == 0xB000
        )

    @property
    def is_retryable(self) -> bool:
        """Out of resources (0xA7xx): a later try may succeed."""
        return self.status is not None and self.status & 0xFF00 == 0xA700


def send(
    peer: Peer,
    deliveries: Sequence[Delivery],
    *,
    connect_timeout_s: float,
    response_timeout_s: float,
) -> Iterator[Receipt]:
    """Send files over one association, one receipt each, in order.

    Raises
    ------
    PeerUnreachable
        No connection or association, or it ended before the response.
    """
    entity = AE(ae_title=peer.calling_ae_title)
    entity.maximum_pdu_size = MAX_PDU
    entity.connection_timeout = connect_timeout_s
    entity.acse_timeout = entity.dimse_timeout = response_timeout_s
    entity.network_timeout = response_timeout_s
    for sop_class in sorted({delivery.sop_class_uid for delivery in deliveries}):
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    with _associated(entity, peer) as association:
        accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
        for delivery in deliveries:
            if delivery.sop_class_uid not in accepted:
                yield Receipt(delivery=delivery, status=None)
                continue
            yield Receipt(delivery=delivery, status=_store(association, peer, delivery))


@contextmanager
def _associated(entity: AE, peer: Peer) -> Iterator[Association]:
    association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title)
    if not association.is_established:
        # pynetdicom reports "all SOP classes refused" like "no association"; both can be temporary.
        raise PeerUnreachable(
            f"no association with {peer}",
            "a PACS that accepts the association",
            "check address and AE titles, and that the PACS accepts SEG and SR objects",
        )
    try:
        yield association
    finally:
        association.release()


def _store(association: Association, peer: Peer, delivery: Delivery) -> int | None:
    try:
        dataset = pydicom.dcmread(delivery.path)
    except (InvalidDicomError, OSError, ValueError):
        return None  # the file is missing or damaged: another try would fail too
    try:
        answer = association.send_c_store(dataset)
    except AttributeError:
        return None  # the file has no identifiers
    except (RuntimeError, ValueError) as error:
        raise PeerUnreachable(f"{peer.ae_title}: {error}", "", "the node tries again") from error
    if "Status" not in answer:
        raise PeerUnreachable(f"{peer.ae_title}: no response", "", "the node tries again")
    return int(answer.Status)

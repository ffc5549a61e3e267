"""Send the results that are due to a destination, and record each receipt.

Takes  DueOutput
Gives  Delivery
Next   node.delivery.cstore

The wait grows with each try (``delivery.retry_factor``). A refusal is final: the balance counts the
objects as failed until an operator runs ``osteonode redeliver``.
"""

import time
from pathlib import Path

import structlog

from node.config import Destination, Settings
from node.delivery.cstore import Delivery, Receipt, send
from node.delivery.retry import is_given_up, retry_wait_s
from node.dicom_peer import Peer
from node.errors import PeerUnreachable
from node.ledger.ledger import Ledger
from node.ledger.records import DueOutput
from pipelines.contract.reasons import Reason

log = structlog.get_logger(__name__)


def deliver_due(ledger: Ledger, settings: Settings, destination: Destination) -> int:
    """Send everything that is due now to one destination.

    Returns
    -------
    int
        Number of delivered objects.
    """
    now = time.time()
    delivered = 0
    while outputs := ledger.outbox.claim_due(destination.name, now):
        delivered += _deliver(ledger, settings, destination, outputs)
    return delivered


def abandon_unknown(ledger: Ledger, settings: Settings) -> None:
    """Close what is due to destinations that are no longer in the settings."""
    names = [destination.name for destination in settings.destinations]
    for name, count in ledger.outbox.abandon_unknown(names).items():
        log.error(
            "destination_removed",
            destination=name,
            count=count,
            remedy="add the destination again and run osteonode redeliver, or leave it",
        )


def _deliver(
    ledger: Ledger, settings: Settings, destination: Destination, outputs: list[DueOutput]
) -> int:
    deliveries = [Delivery(path=Path(one.path), sop_class_uid=one.sop_class_uid) for one in outputs]
    receipts = send(
        destination_peer(settings, destination),
        deliveries,
        connect_timeout_s=settings.delivery.connect_timeout_s,
        response_timeout_s=settings.delivery.response_timeout_s,
    )
    answered, delivered = 0, 0
    try:
        for output, receipt in zip(outputs, receipts, strict=True):
            answered += 1
            delivered += _enter(ledger, settings, output, receipt)
    except PeerUnreachable as error:
        log.warning("destination_unreachable", destination=destination.name, error=str(error))
        for output in outputs[answered:]:  # earlier objects have their receipt
            _try_later(ledger, settings, output, None)
    return delivered


def _enter(ledger: Ledger, settings: Settings, output: DueOutput, receipt: Receipt) -> bool:
    fields = {
        "job": output.job_key,
        "kind": output.kind,
        "destination": output.destination,
        "status": None if receipt.status is None else f"0x{receipt.status:04X}",
    }
    if receipt.is_delivered:
        ledger.outbox.record_delivered(output, receipt.status or 0)
        log.info("output_delivered", **fields)
        return True
    if receipt.is_retryable:
        _try_later(ledger, settings, output, receipt.status)
        log.warning("output_postponed", **fields)
        return False
    ledger.outbox.record_dead(output, receipt.status, Reason.DELIVERY_REFUSED)
    remedy = "configure the destination for this SOP class, then run osteonode redeliver"
    log.error("output_refused", **fields, remedy=remedy)
    return False


def _try_later(ledger: Ledger, settings: Settings, output: DueOutput, status: int | None) -> None:
    rules = settings.delivery
    now = time.time()
    if is_given_up(rules, now - output.created_at):
        remedy = "run osteonode redeliver when the destination is reachable"
        fields = {"job": output.job_key, "destination": output.destination}
        log.error("output_given_up", **fields, remedy=remedy)
        ledger.outbox.record_dead(output, status, Reason.DELIVERY_GIVEN_UP)
        return
    ledger.outbox.record_retry(output, now + retry_wait_s(rules, output.attempts), status)


def destination_peer(settings: Settings, destination: Destination) -> Peer:
    """Application entity of a destination, with the calling AE title of the settings."""
    return Peer(
        ae_title=destination.ae_title,
        host=destination.host,
        port=destination.port,
        calling_ae_title=destination.calling_ae_title or settings.node.ae_title,
    )

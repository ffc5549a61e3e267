"""What is due, to whom, and what becomes of it.

Takes  DueOutput
Gives  Delivery
Next   node.delivery.cstore

Retries wait twice as long each time. A refusal is final: the object waits for a person, and the
balance shows it as failed.
"""

import time
from pathlib import Path

import structlog

from node.config import Destination, Settings
from node.delivery.cstore import Delivery, Receipt, send
from node.dicom_peer import Peer
from node.errors import PeerUnreachable
from node.ledger.ledger import Ledger
from node.ledger.records import DueOutput
from pipelines.contract.reasons import Reason

log = structlog.get_logger(__name__)


def deliver_due(ledger: Ledger, settings: Settings, destination: Destination) -> int:
    """Send everything that is due now to one destination; how many objects arrived."""
    now = time.time()
    delivered = 0
    while outputs := ledger.outbox.claim_due(destination.name, now):
        delivered += _deliver(ledger, settings, destination, outputs)
    return delivered


def abandon_unknown(ledger: Ledger, settings: Settings) -> None:
    """Close what is due to a destination that is no longer in the settings."""
    names = [destination.name for destination in settings.destinations]
    for name, count in ledger.outbox.abandon_unknown(names).items():
        log.error(
            "destination_removed",
            destination=name,
            count=count,
            remedy="put it back and run osteonode redeliver, or accept it",
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
        for output in outputs[answered:]:  # a refused or postponed one has its state already
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
    remedy = "let the destination accept this SOP class, then run osteonode redeliver"
    log.error("output_refused", **fields, remedy=remedy)
    return False


def _try_later(ledger: Ledger, settings: Settings, output: DueOutput, status: int | None) -> None:
    rules = settings.delivery
    now = time.time()
    if now - output.created_at > rules.give_up_after_h * 3600:
        remedy = "when the destination answers again, run osteonode redeliver"
        fields = {"job": output.job_key, "destination": output.destination}
        log.error("output_given_up", **fields, remedy=remedy)
        ledger.outbox.record_dead(output, status, Reason.DELIVERY_GIVEN_UP)
        return
    wait_s = min(rules.first_retry_s * 2.0 ** min(output.attempts, 30), rules.max_retry_s)
    ledger.outbox.record_retry(output, now + wait_s, status)


def destination_peer(settings: Settings, destination: Destination) -> Peer:
    """Application entity of a destination, called under the name that the settings give."""
    return Peer(
        ae_title=destination.ae_title,
        host=destination.host,
        port=destination.port,
        calling_ae_title=destination.calling_ae_title or settings.node.ae_title,
    )

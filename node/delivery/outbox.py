"""What is due, to whom, and what becomes of it.

Takes  DueOutput
Gives  Delivery
Next   node.delivery.cstore

Retries wait twice as long each time. A refusal is final: the object waits for a person, and the
balance shows it as failed.
"""

import time
from collections import defaultdict
from pathlib import Path

import structlog

from node.config import Destination, Settings
from node.delivery.cstore import Delivery, Peer, Receipt, send
from node.errors import PeerUnreachable
from node.ledger.ledger import DueOutput, Ledger

log = structlog.get_logger(__name__)


def deliver_due(ledger: Ledger, settings: Settings) -> int:
    """Send everything that is due now; how many objects arrived."""
    waiting: dict[str, list[DueOutput]] = defaultdict(list)
    for output in ledger.due_outputs(time.time()):
        waiting[output.destination].append(output)
    known = {destination.name: destination for destination in settings.destinations}
    delivered = 0
    for name, outputs in waiting.items():
        if name in known:
            delivered += _deliver(ledger, settings, known[name], outputs)
            continue
        for output in outputs:
            log.error("destination_removed", destination=name, remedy="put it back or accept it")
            ledger.record_dead(output, None)
    return delivered


def _deliver(
    ledger: Ledger, settings: Settings, destination: Destination, outputs: list[DueOutput]
) -> int:
    deliveries = [Delivery(path=Path(one.path), sop_class_uid=one.sop_class_uid) for one in outputs]
    peer = _peer(settings, destination)
    answered, delivered = 0, 0
    try:
        for output, receipt in zip(outputs, send(peer, deliveries), strict=True):
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
        ledger.record_delivered(output, receipt.status or 0)
        log.info("output_delivered", **fields)
        return True
    if receipt.is_retryable:
        _try_later(ledger, settings, output, receipt.status)
        log.warning("output_postponed", **fields)
        return False
    ledger.record_dead(output, receipt.status)
    remedy = "let the destination accept this SOP class, then send the CT again"
    log.error("output_refused", **fields, remedy=remedy)
    return False


def _try_later(ledger: Ledger, settings: Settings, output: DueOutput, status: int | None) -> None:
    rules = settings.delivery
    now = time.time()
    if now - output.created_at > rules.give_up_after_h * 3600:
        log.error("output_given_up", job=output.job_key, destination=output.destination)
        ledger.record_dead(output, status)
        return
    wait_s = min(rules.first_retry_s * 2.0 ** min(output.attempts, 30), rules.max_retry_s)
    ledger.record_retry(output, now + wait_s, status)


def _peer(settings: Settings, destination: Destination) -> Peer:
    return Peer(
        ae_title=destination.ae_title,
        host=destination.host,
        port=destination.port,
        calling_ae_title=destination.calling_ae_title or settings.node.ae_title,
        connect_timeout_s=settings.delivery.connect_timeout_s,
        response_timeout_s=settings.delivery.response_timeout_s,
    )

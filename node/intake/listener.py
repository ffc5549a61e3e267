"""The Application Entity that receives objects: its handlers are plain functions.

Takes  association
Gives  StoredInstance
Next   node.ledger.received

An object gets 0x0000 only after its file and its ledger row are on disk.
"""

import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from structlog.contextvars import bind_contextvars, clear_contextvars

from node.config import Settings
from node.errors import (
    CorruptObject,
    DuplicateContent,
    LedgerError,
    RefusedObject,
    SpoolFull,
    UnsupportedObject,
)
from node.intake import acceptance
from node.intake.data_set import IncomingDataSet
from node.intake.header import read_header
from node.intake.reactor import FastServer
from node.intake.server import SharedSocketServer, StockServer
from node.intake.spool import IncomingFile, Spool, file_meta, remove
from node.ledger.ledger import Ledger
from node.ledger.records import Recorded, StoredInstance
from node.waiting import wait_until

BACKLOG: Final = 128
ACCEPT_POLL_S: Final = 0.5
FINISH_OBJECT_S: Final = 10.0
MAX_NAMES: Final = 5
"""Most SOP classes in one log line; some senders propose a hundred."""
ERROR_COMMENT_LENGTH: Final = 64
"""VR LO of (0000,0902), PS3.5 6.2."""
SERVERS: Final[dict[str, type[SharedSocketServer]]] = {"fast": FastServer, "stock": StockServer}
"""By ``intake.server``."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What the handlers share.

    Parameters
    ----------
    tallies
        Outcomes per association, for its closing log line.
    storing
        Associations that store an object right now.
    """

    spool: Spool
    ledger: Ledger
    tallies: WeakKeyDictionary[Any, Counter[str]] = field(default_factory=WeakKeyDictionary)
    storing: set[Any] = field(default_factory=set)


def listening_socket(settings: Settings) -> socket.socket:
    """Open the DICOM port; listener processes share the socket."""
    address = (settings.node.bind, settings.node.port)
    family = socket.AF_INET6 if ":" in settings.node.bind else socket.AF_INET
    return socket.create_server(address, family=family, backlog=BACKLOG)


def listen(
    settings: Settings, listening: socket.socket, stop_event: threading.Event, *, writer: str
) -> None:
    """Receive until the stop event, then finish the objects in hand.

    Parameters
    ----------
    writer
        Name of this process among the listeners.
    """
    spool = Spool(settings.spool_folder, writer=writer, min_free_gb=settings.intake.min_free_gb)
    intake = Intake(spool=spool, ledger=Ledger.open(settings.ledger_url))
    entity = application_entity(settings)
    _config.LOG_HANDLER_LEVEL = "none"  # else it formats every message and copies its data set
    server = SERVERS[settings.intake.server](
        listening,
        spool,
        ae=entity,
        ae_title=settings.node.ae_title,
        contexts=entity.supported_contexts,
        evt_handlers=handlers(intake),
    )
    thread = threading.Thread(target=server.serve_forever, args=(ACCEPT_POLL_S,), daemon=True)
    thread.start()
    log.info(
        "listening",
        ae_title=settings.node.ae_title,
        port=settings.node.port,
        kind=settings.intake.server,
    )
    stop_event.wait()
    server.shutdown()
    for association in server.active_associations:
        wait_until(lambda one=association: one not in intake.storing, FINISH_OBJECT_S)  # type: ignore[misc]
        server.end(association)


def application_entity(settings: Settings) -> AE:
    """Application Entity that takes CT images and C-ECHO."""
    entity = AE(settings.node.ae_title)
    entity.maximum_pdu_size = settings.intake.max_pdu_bytes
    entity.maximum_associations = settings.intake.max_associations
    entity.network_timeout = settings.intake.idle_timeout_s
    entity.require_called_aet = settings.intake.require_called_ae_title
    entity.require_calling_aet = list(settings.intake.accepted_calling_ae_titles)
    entity.add_supported_context(acceptance.ECHO_SOP_CLASS)
    for sop_class in acceptance.CT_SOP_CLASSES:
        entity.add_supported_context(sop_class, list(acceptance.TRANSFER_SYNTAXES))
    return entity


def handlers(intake: Intake) -> list[Any]:
    """One function per event."""
    return [
        (evt.EVT_REQUESTED, handle_requested, [intake]),
        (evt.EVT_REJECTED, handle_rejected, [intake]),
        (evt.EVT_ACCEPTED, handle_accepted, [intake]),
        (evt.EVT_C_ECHO, handle_echo),
        (evt.EVT_C_STORE, handle_store, [intake]),
        (evt.EVT_RELEASED, handle_closed, [intake]),
        (evt.EVT_ABORTED, handle_closed, [intake]),
    ]


def handle_requested(event: Event, intake: Intake) -> None:
    """Bind the association to every log line of its thread."""
    request = _request(event)
    sender = event.assoc.requestor
    clear_contextvars()
    bind_contextvars(
        association=f"{sender.address}:{sender.port}",
        calling_ae_title=request.calling_ae_title,
    )
    intake.tallies[event.assoc] = Counter()


def handle_rejected(event: Event, intake: Intake) -> None:
    """Log the rejected sender, the reason and the remedy in one line."""
    request = _request(event)
    answer = event.assoc.acceptor.primitive
    source, diagnostic = (answer.result_source, answer.diagnostic) if answer else (0, 0)
    explained = acceptance.rejection(int(source or 0), int(diagnostic or 0))
    log.warning(
        "association_rejected",
        called_ae_title=request.called_ae_title,
        reason=explained.reason,
        remedy=explained.remedy,
    )
    _record_refusal(intake, event, status=0, reason=explained.reason)


def handle_accepted(event: Event, intake: Intake) -> None:
    """Log the SOP classes that were proposed and not accepted."""
    refused = sorted(
        {
            context.abstract_syntax.name
            for context in event.assoc.rejected_contexts
            if context.abstract_syntax
        }
    )
    if not refused:
        return
    is_useless = not event.assoc.accepted_contexts
    log.log(
        logging.WARNING if is_useless else logging.INFO,
        "sop_classes_refused",
        sop_classes=refused[:MAX_NAMES],
        count=len(refused),
        reason="not_ct",
        remedy="route only CT to this node, in a standard image transfer syntax",
    )
    if is_useless:
        _record_refusal(intake, event, status=0, reason="not_ct")


def handle_echo(_event: Event) -> int:
    """C-ECHO."""
    return acceptance.SUCCESS


def handle_store(event: Event, intake: Intake) -> int | Dataset:
    """C-STORE: durable, then 0x0000; else the status of the refusal with a comment.

    Returns
    -------
    status
        See `node.intake.acceptance.STATUSES`.
    """
    tally = intake.tallies.setdefault(event.assoc, Counter())
    try:
        with _marked(event, intake), _arrived(event, intake.spool) as data_set:
            recorded = _store(event, intake, _file_of(data_set))
    except RefusedObject as refusal:
        tally["refused"] += 1
        return _refuse(event, intake, refusal)
    except (LedgerError, OSError) as error:
        tally["refused"] += 1
        log.exception("storing_failed", remedy="check disk and ledger")
        return _refuse(event, intake, SpoolFull(f"cannot store now ({type(error).__name__})"))
    except Exception:
        tally["refused"] += 1
        log.exception("intake_failed")
        return _failure(acceptance.CANNOT_UNDERSTAND, "internal error, see the log of the node")
    tally["stored" if recorded is Recorded.NEW else "resent"] += 1
    return acceptance.SUCCESS


def handle_closed(event: Event, intake: Intake) -> None:
    """Log the number of objects by outcome."""
    tally = intake.tallies.pop(event.assoc, None)
    if tally:
        log.info(
            "association_closed",
            stored=tally["stored"],
            resent=tally["resent"],
            refused=tally["refused"],
        )


def _store(event: Event, intake: Intake, incoming: IncomingFile) -> Recorded:
    request = event.request
    assert isinstance(request, C_STORE)
    sop_class = str(request.AffectedSOPClassUID)
    transfer_syntax = event.context.transfer_syntax
    with incoming.encoded() as encoded:
        header = read_header(encoded, transfer_syntax)
    if header.sop_instance_uid != request.AffectedSOPInstanceUID:
        raise CorruptObject("SOP Instance UID differs between request and data set", "", "")
    if header.sop_class_uid != sop_class:
        raise UnsupportedObject("SOP Class UID differs between request and data set", "", "")

    path = intake.spool.place(
        header.study_instance_uid,
        header.series_instance_uid,
        header.sop_instance_uid,
        incoming.sha256,
    )
    flush = intake.spool.keep(incoming, path)
    instance = StoredInstance(
        sop_class_uid=sop_class,
        sop_instance_uid=header.sop_instance_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        transfer_syntax_uid=str(transfer_syntax),
        path=path,
        size_bytes=incoming.size_bytes,
        sha256=incoming.sha256,
        calling_ae_title=_request(event).calling_ae_title,
        called_ae_title=_request(event).called_ae_title,
        received_at=datetime.now(UTC),
    )
    try:
        recorded = intake.ledger.received.record(instance)
    except DuplicateContent:
        remove(path)
        raise
    finally:
        flush.wait()  # file, folder and ledger row are flushed in parallel
    if recorded is Recorded.RECODED:
        remove(path)  # the ledger row has the path of the first file
    elif recorded is Recorded.HEALED:
        log.info("file_healed", instance=instance.sop_instance_uid)
    return recorded


@contextmanager
def _marked(event: Event, intake: Intake) -> Iterator[None]:
    """Mark the association as storing."""
    intake.storing.add(event.assoc)
    try:
        yield
    finally:
        intake.storing.discard(event.assoc)


@contextmanager
def _arrived(event: Event, spool: Spool) -> Iterator[IncomingDataSet]:
    """Data set of a request, in the spool; at the end the file is removed, unless it was kept."""
    data_set = _data_set(event, spool)
    try:
        yield data_set
    finally:
        data_set.discard()


def _data_set(event: Event, spool: Spool) -> IncomingDataSet:
    """The fast server has written the data set already; the stock server has it in memory."""
    request = event.request
    assert isinstance(request, C_STORE)
    received = request.DataSet
    if isinstance(received, IncomingDataSet):
        return received
    data_set = IncomingDataSet(
        spool,
        lambda: file_meta(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
        ),
    )
    if received is not None:
        data_set.write(received.getbuffer())
    return data_set


def _file_of(data_set: IncomingDataSet) -> IncomingFile:
    """File in which the data set has arrived."""
    if data_set.error is not None:
        raise data_set.error
    if data_set.file is None:
        raise CorruptObject("empty data set", "", "send it again")
    return data_set.file


def _refuse(event: Event, intake: Intake, refusal: RefusedObject) -> Dataset:
    request = event.request
    assert isinstance(request, C_STORE)
    log.warning(
        "instance_refused",
        status=f"0x{refusal.status:04X}",
        reason=_reason(refusal),
        found=refusal.found,
        expected=refusal.expected,
        remedy=refusal.remedy,
        instance=str(request.AffectedSOPInstanceUID),
    )
    _record_refusal(
        intake,
        event,
        status=refusal.status,
        reason=_reason(refusal),
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
    )
    return _failure(refusal.status, refusal.found)


def _reason(refusal: RefusedObject) -> str:
    """``CorruptObject`` -> ``corrupt_object``."""
    name = type(refusal).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _failure(status: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment[:ERROR_COMMENT_LENGTH].replace("\\", "/")
    return answer


def _record_refusal(
    intake: Intake,
    event: Event,
    *,
    status: int,
    reason: str,
    sop_class_uid: str = "",
    sop_instance_uid: str = "",
) -> None:
    """Count a refusal; an error while counting must not change the response."""
    request = _request(event)
    try:
        intake.ledger.received.record_refusal(
            calling_ae=request.calling_ae_title,
            called_ae=request.called_ae_title,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            status=status,
            reason=reason,
        )
    except Exception:
        log.exception("refusal_not_recorded")


def _request(event: Event) -> A_ASSOCIATE:
    request = event.assoc.requestor.primitive
    assert request is not None
    return request

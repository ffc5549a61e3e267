"""Delivery to a real receiver, DCMTK's storescp: running, stopped, and refusing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, SegmentationStorage

from node.config import Settings
from node.delivery.cstore import Delivery, Receipt, send
from node.delivery.outbox import abandon_unknown, deliver_due
from node.dicom_peer import Peer
from node.errors import PeerUnreachable
from node.ledger.ledger import Ledger
from node.ledger.records import Decision
from pipelines.contract.job import OutputObject
from tests.node.series_objects import ct_image, stored
from tests.peers.dcmtk import running_storescp
from tests.peers.ports import free_port

pytestmark = pytest.mark.peer("dcmtk")


def result_file(folder: Path, kind: Literal["seg", "sr"], number: int) -> OutputObject:
    """A small object of the right class; delivery does not read its content."""
    image = ct_image(number=number)
    image.SOPClassUID = SegmentationStorage if kind == "seg" else ComprehensiveSRStorage
    image.Modality = kind.upper()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{kind}.dcm"
    pydicom.dcmwrite(path, image, enforce_file_format=True)
    return OutputObject(
        kind=kind,
        path=str(path),
        sop_class_uid=str(image.SOPClassUID),
        sop_instance_uid=str(image.SOPInstanceUID),
        series_instance_uid=str(image.SeriesInstanceUID),
    )


def settings_for(folder, port: int) -> Settings:
    return Settings.model_validate(
        {
            "node": {"data_folder": folder},
            "delivery": {"first_retry_s": 0.0, "connect_timeout_s": 2},
            "destinations": [
                {"name": "pacs", "ae_title": "STORESCP", "host": "127.0.0.1", "port": port}
            ],
        }
    )


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one finished job: SEG and SR are due."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    ledger.received.record(stored(ct_image(), tmp_path / "in"))
    decision = Decision(
        study_instance_uid="2.25.1",
        job_key="k1",
        job_folder="/k1",
        chosen_series="2.25.2",
        losers={},
        skipped_instances={},
    )
    ledger.studies.decide(decision, seen=ledger.studies.snapshot("2.25.1"))
    made = [result_file(tmp_path, "sr", 101), result_file(tmp_path, "seg", 102)]
    ledger.jobs.finish("k1", made, ["pacs"])
    yield ledger
    ledger.close()


def deliver(ledger: Ledger, settings: Settings) -> int:
    return deliver_due(ledger, settings, settings.destinations[0])


def test_results_arrive_and_the_ledger_records_them(finished, tmp_path):
    """SEG and SR, each once."""
    with running_storescp(tmp_path / "pacs") as pacs:
        settings = settings_for(tmp_path, pacs.port)
        assert deliver(finished, settings) == 2
        assert deliver(finished, settings) == 0
        assert len(list(pacs.folder.iterdir())) == 2
    assert finished.balance().delivered == 1


def test_a_pacs_that_is_down_gets_everything_when_it_is_up_again(finished, tmp_path):
    """Nothing is lost, nothing is sent twice."""
    port = free_port()
    settings = settings_for(tmp_path, port)
    assert deliver(finished, settings) == 0
    assert finished.balance().waiting == 1
    with running_storescp(tmp_path / "pacs", port) as pacs:
        assert deliver(finished, settings) == 2
        assert len(list(pacs.folder.iterdir())) == 2
    assert finished.balance().delivered == 1


def test_waits_grow_between_tries(finished, tmp_path):
    """First one wait, then twice as long."""
    settings = settings_for(tmp_path, free_port())
    slow = settings.model_copy(
        update={"delivery": settings.delivery.model_copy(update={"first_retry_s": 30.0})}
    )
    deliver(finished, slow)
    assert finished.outbox.claim_due("pacs", time.time() + 29) == []
    assert [one.attempts for one in finished.outbox.claim_due("pacs", time.time() + 31)] == [1]


def test_a_postponed_result_counts_one_try_when_the_peer_then_breaks_off(
    finished, tmp_path, monkeypatch
):
    """Only results without a response count as unreachable."""

    def answers_once(_peer, deliveries, **_timeouts):
        yield Receipt(delivery=deliveries[0], status=0xA700)
        raise PeerUnreachable("gone", "", "")

    monkeypatch.setattr("node.delivery.outbox.send", answers_once)
    deliver(finished, settings_for(tmp_path, free_port()))
    assert [one.attempts for one in finished.outbox.claim_due("pacs", time.time() + 1)] == [1]


def test_results_for_a_removed_destination_fail_with_a_reason(finished, tmp_path):
    """The balance has the reason ``destination_removed``."""
    settings = settings_for(tmp_path, free_port())
    abandon_unknown(finished, settings.model_copy(update={"destinations": ()}))
    assert finished.balance().reasons == {"destination_removed": 1}


def test_a_destination_that_stays_away_is_given_up(finished, tmp_path):
    """The reason is not a refusal: redelivery may succeed later."""
    port = free_port()
    settings = settings_for(tmp_path, port)
    impatient = settings.model_copy(
        update={"delivery": settings.delivery.model_copy(update={"give_up_after_h": 1e-9})}
    )
    assert deliver(finished, impatient) == 0
    assert finished.balance().reasons == {"delivery_given_up": 1}
    assert finished.outbox.redeliver(["pacs"]) == 2
    with running_storescp(tmp_path / "pacs", port):
        assert deliver(finished, settings) == 2
    assert finished.balance().delivered == 1


def test_an_object_without_identifiers_is_not_sent(finished, tmp_path):
    """No destination can store it; the report is still sent."""
    segmentation = pydicom.dcmread(tmp_path / "seg.dcm")
    del segmentation.SOPInstanceUID
    segmentation.save_as(tmp_path / "seg.dcm")
    with running_storescp(tmp_path / "pacs") as pacs:
        assert deliver(finished, settings_for(tmp_path, pacs.port)) == 1
    assert finished.balance().reasons == {"delivery_refused": 1}


def test_no_listener_is_unreachable(tmp_path):
    """A typed error that may be retried."""
    peer = Peer(ae_title="X", host="127.0.0.1", port=free_port(), calling_ae_title="OSTEONODE")
    delivery = Delivery(path=tmp_path / "none.dcm", sop_class_uid=str(SegmentationStorage))
    with pytest.raises(PeerUnreachable) as error:
        list(send(peer, [delivery], connect_timeout_s=1, response_timeout_s=1))
    assert error.value.retryable


@pytest.mark.parametrize(
    ("status", "delivered", "retryable"),
    [
        (0x0000, True, False),
        (0xB000, True, False),
        (0xB007, True, False),
        (0xA700, False, True),
        (0xA701, False, True),
        (0xA900, False, False),
        (0xC000, False, False),
        (0x0122, False, False),
        (None, False, False),
    ],
)
def test_receipts_are_classified_by_dimse_status(tmp_path, status, delivered, retryable):
    """PS3.4 Annex B.2.3: success, warnings, out of resources, failures."""
    delivery = Delivery(path=tmp_path / "x.dcm", sop_class_uid="1.2")
    receipt = Receipt(delivery=delivery, status=status)
    assert (receipt.is_delivered, receipt.is_retryable) == (delivered, retryable)

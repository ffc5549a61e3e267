"""Write ``ledger.sqlite3`` and ``expected.json`` with the code of version 0.1.0; see README.md.

usage: python write_ledger.py FOLDER    (PYTHONPATH names a checkout of commit 1df98a8)
"""

import hashlib
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.intake.spool import StoredInstance
from node.ledger.ledger import Decision, Ledger
from node.series.index import header_of
from pipelines.job import OutputObject
from pipelines.reasons import Reason
from tests.node.series_objects import ct_image

DATA = "/var/lib/osteonode"
DELIVERED, WAITING, FAILED, QUEUED = "2.25.1", "2.25.2", "2.25.3", "2.25.4"
CT_IMAGE, EXPLICIT_LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
SEG, REPORT = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"
RECEIVED_AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


def stored(study: str, series: str, number: int) -> StoredInstance:
    """An object as the listener describes it; its file does not exist."""
    uid = f"{series}.{number}"
    digest = hashlib.sha256(uid.encode()).hexdigest()
    return StoredInstance(
        sop_class_uid=CT_IMAGE,
        sop_instance_uid=uid,
        series_instance_uid=series,
        study_instance_uid=study,
        transfer_syntax_uid=EXPLICIT_LITTLE,
        path=Path(f"{DATA}/spool/{study}/{series}/{uid}.{digest[:12]}.dcm"),
        size_bytes=1024,
        sha256=digest,
        calling_ae_title="PACS",
        called_ae_title="OSTEONODE",
        received_at=RECEIVED_AT + timedelta(seconds=number),
    )


def receive(ledger: Ledger, study: str, series: str, count: int, *, with_headers: bool) -> None:
    """A series of the study arrives, and its headers are read."""
    for number in range(1, count + 1):
        ledger.record_instance(stored(study, series, number))
    if with_headers:
        images = [ct_image(study=study, series=series, number=n + 1) for n in range(count)]
        ledger.record_headers({str(one.SOPInstanceUID): header_of(one) for one in images})


def decide(ledger: Ledger, study: str, losers: dict[str, Reason] | None = None) -> str:
    """The first series of the study is chosen; key of its job."""
    key = hashlib.sha256(study.encode()).hexdigest()[:32]
    decision = Decision(
        study_instance_uid=study,
        job_key=key,
        job_folder=f"{DATA}/jobs/{key}",
        chosen_series=f"{study}.1",
        losers=losers or {},
        skipped_instances={},
    )
    assert ledger.decide(decision, seen=ledger.study(study))
    ledger.mark_enqueued(key)
    return key


def results(key: str) -> tuple[OutputObject, ...]:
    """Segmentation and report of a job."""
    return tuple(
        OutputObject(
            kind=kind,
            path=f"{DATA}/jobs/{key}/{kind}.dcm",
            sop_class_uid=sop_class,
            sop_instance_uid=f"{DELIVERED}.9{number}.1",
            series_instance_uid=f"{DELIVERED}.9{number}",
        )
        for number, (kind, sop_class) in enumerate((("seg", SEG), ("sr", REPORT)))
    )


def fill(ledger: Ledger) -> None:
    """One study delivered, one waiting for its quiet time, one failed, one in the queue."""
    receive(ledger, DELIVERED, f"{DELIVERED}.1", 3, with_headers=True)
    receive(ledger, DELIVERED, f"{DELIVERED}.2", 2, with_headers=True)
    ledger.record_instance(stored(DELIVERED, f"{DELIVERED}.1", 1))
    key = decide(ledger, DELIVERED, {f"{DELIVERED}.2": Reason.BETTER_SERIES_CHOSEN})
    ledger.finish_job(key, results(key), ["pacs"])
    while due := ledger.claim_due("pacs", time.time()):
        ledger.record_delivered(due[0], 0)

    receive(ledger, WAITING, f"{WAITING}.1", 4, with_headers=False)

    receive(ledger, FAILED, f"{FAILED}.1", 2, with_headers=True)
    ledger.fail_job(decide(ledger, FAILED), Reason.WORKER_DIED)

    receive(ledger, QUEUED, f"{QUEUED}.1", 1, with_headers=True)
    decide(ledger, QUEUED)

    ledger.record_refusal(
        calling_ae="UNKNOWN",
        called_ae="OSTEONODE",
        sop_class_uid=None,
        sop_instance_uid=None,
        status=0,
        reason="calling AE title not accepted",
    )


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.sqlite3'}")
    fill(ledger)
    text = json.dumps(asdict(ledger.balance()), indent=2) + "\n"
    (folder / "expected.json").write_text(text, encoding="utf-8")
    ledger.close()


main()

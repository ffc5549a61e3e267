"""Radiomic features go to the destinations with the option, and to no other."""

import time
from pathlib import Path

import pytest

from node.config import Destination, Settings
from node.jobs.dispatch import make_job
from node.ledger.ledger import Ledger
from node.series.routing import destinations_for, radiomics_destinations
from node.series.selection import select_series
from tests.node.ledger.test_ledger import SR, choose, fill
from tests.node.series_objects import ct_series, record


def destination(name: str, *, radiomics: bool = False) -> Destination:
    return Destination(
        name=name,
        ae_title=name.upper(),
        host="127.0.0.1",
        port=4242,
        calling_ae_title=None,
        radiomics=radiomics,
    )


def settings(*destinations: Destination) -> Settings:
    return Settings(destinations=destinations)


def test_nobody_gets_features_unless_asked_for() -> None:
    """Off by default."""
    assert radiomics_destinations(settings(destination("pacs"))) == ()


def test_a_destination_asks_for_itself() -> None:
    """The option stands with the destination."""
    both = settings(destination("pacs"), destination("research", radiomics=True))

    assert destinations_for(both) == ("pacs", "research")
    assert radiomics_destinations(both) == ("research",)


@pytest.mark.parametrize("radiomics", [True, False])
def test_the_job_carries_the_wish_and_keeps_its_key(radiomics: bool, tmp_path: Path) -> None:
    """The other results stay the same, so their name does too."""
    selection, _ = select_series([record(ct_series(20))])
    assert selection is not None

    job = make_job(selection, tmp_path, radiomics=radiomics)

    assert job.radiomics is radiomics
    assert job.key == make_job(selection, tmp_path).key


def test_only_who_asked_gets_the_report(tmp_path: Path) -> None:
    """SEG and SR go to both destinations, the features to one."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    fill(ledger, tmp_path)
    assert choose(ledger, "k1")
    features = SR.model_copy(update={"kind": "radiomics", "sop_instance_uid": "2.25.99"})

    ledger.jobs.finish("k1", [SR, features], ["pacs", "research"], radiomics_for=("research",))

    sent = []
    for name in ("pacs", "research"):
        while due := ledger.outbox.claim_due(name, time.time()):
            sent += [(one.destination, one.kind) for one in due]
            for one in due:
                ledger.outbox.record_delivered(one, 0)
    assert sent == [("pacs", "sr"), ("research", "sr"), ("research", "radiomics")]
    ledger.close()

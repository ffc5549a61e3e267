"""The present code takes over the ledger of every earlier version."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from node.ledger.database import open_engine
from node.ledger.ledger import Ledger
from node.ledger.records import Decision
from node.ledger.tables import METADATA
from pipelines.contract.reasons import Reason

DATA = Path(__file__).parents[2] / "data"
VERSIONS = ["0.1.0"]
GONE = {"committed": 0}
"""Counts that the balance no longer has; the version always counted none."""


@pytest.fixture(params=VERSIONS)
def version(request) -> str:
    """A version whose ledger is kept."""
    return str(request.param)


@pytest.fixture
def url(version, tmp_path) -> str:
    """A copy of its ledger."""
    copy = tmp_path / "ledger.sqlite3"
    shutil.copyfile(DATA / f"ledger_{version}" / "ledger.sqlite3", copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def ledger(url) -> Iterator[Ledger]:
    """The copy, opened and migrated by the present code."""
    opened = Ledger.open(url)
    yield opened
    opened.close()


def test_the_balance_closes_and_is_that_of_the_old_version(ledger, version):
    """Every object is still there, in the same state and for the same reason."""
    expected = json.loads((DATA / f"ledger_{version}" / "expected.json").read_text("utf-8"))
    balance = ledger.balance()
    assert balance.is_balanced
    assert asdict(balance) | GONE == expected


def test_the_tables_are_those_of_the_present_code(ledger, url):
    """The migrations lead to what the code describes."""
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_the_reasons_of_the_old_version_are_known(ledger):
    """The present code has a sentence for each reason in the ledger."""
    assert {Reason(code) for code in ledger.balance().reasons} == {
        Reason.WORKER_DIED,
        Reason.BETTER_SERIES_CHOSEN,
    }


def test_jobs_and_studies_of_the_old_version_are_finished(ledger):
    """The job in the queue ends, the waiting study is decided, and the old report is found."""
    (queued,) = ledger.jobs.unfinished()
    ledger.jobs.fail(queued.key, Reason.INTERNAL_ERROR)
    assert ledger.studies.quiet(time.time()) == ["2.25.2"]
    assert len(ledger.received.without_header(10)) == 4
    assert ledger.studies.decide(
        Decision(
            study_instance_uid="2.25.2",
            job_key=None,
            job_folder=None,
            chosen_series=None,
            losers={"2.25.2.1": Reason.INTERNAL_ERROR},
            skipped_instances={},
        ),
        seen=ledger.studies.snapshot("2.25.2"),
    )
    report = ledger.studies.delivered_report("2.25.1", other_than="new")
    assert report is not None
    assert report.endswith("/sr.dcm")
    balance = ledger.balance()
    assert balance.is_balanced
    assert (balance.waiting, balance.failed, balance.skipped) == (0, 3, 6)

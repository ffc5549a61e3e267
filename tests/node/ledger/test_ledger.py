"""The ledger: durable, balanced, and only along the steps of the table of states."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from node.errors import DuplicateContent, ForbiddenTransition, LedgerError
from node.ledger.database import downgrade, open_engine, upgrade
from node.ledger.ledger import Ledger
from node.ledger.records import Decision, Recorded
from node.ledger.states import ALLOWED, InstanceState, JobState, OutputState, sources_of
from node.ledger.tables import METADATA
from pipelines.contract.job import OutputObject
from pipelines.contract.reasons import Reason
from tests.node.series_objects import ct_image, stored
from tests.peers.ports import free_port
from tests.peers.processes import running

SR = OutputObject(
    kind="sr",
    path="/sr.dcm",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
    sop_instance_uid="2.25.70",
    series_instance_uid="2.25.71",
)
SEG = SR.model_copy(update={"kind": "seg", "path": "/seg.dcm", "sop_instance_uid": "2.25.72"})


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster of the tests alone; URL of its server."""
    # Not below tmp_path, whose parents are closed to other users.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        yield from _served(Path(folder))


def _served(folder: Path) -> Iterator[str]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    as_user: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres")
    cluster = folder / "cluster"
    start = [*as_user, str(programs / "initdb"), "-D", str(cluster), "-U", "node", "-A", "trust"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    command = [*as_user, str(programs / "postgres"), "-D", str(cluster), "-p", str(port)]
    options = ["-k", "", "-h", "127.0.0.1"]
    with running([*command, *options], port=port, log=folder / "log"):
        yield f"postgresql+psycopg://node@127.0.0.1:{port}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.peer("postgres"))])
def url(request, tmp_path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    server = request.getfixturevalue("postgres_server")
    name = f"test{time.monotonic_ns()}"
    import psycopg

    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
def ledger(url) -> Iterator[Ledger]:
    """An open ledger."""
    opened = Ledger.open(url)
    yield opened
    opened.close()


def fill(ledger: Ledger, folder: Path, *, series: str = "2.25.2", count: int = 3) -> None:
    for number in range(count):
        ledger.received.record(stored(ct_image(series=series, number=number + 1), folder))


def choose(
    ledger: Ledger,
    key: str,
    *,
    losers: dict[str, Reason] | None = None,
    replaces: str | None = None,
) -> bool:
    return ledger.studies.decide(
        Decision(
            study_instance_uid="2.25.1",
            job_key=key,
            job_folder=f"/work/{key}",
            chosen_series="2.25.2",
            losers=losers or {},
            skipped_instances={},
            replaces=replaces,
        ),
        seen=ledger.studies.snapshot("2.25.1"),
    )


def deliver_all(ledger: Ledger) -> None:
    while due := ledger.outbox.claim_due("pacs", time.time()):
        ledger.outbox.record_delivered(due[0], 0)


def refuse(ledger: Ledger, reason: Reason) -> None:
    (due,) = ledger.outbox.claim_due("pacs", time.time())
    ledger.outbox.record_dead(due, None, reason)


def test_an_object_is_recorded_once_and_recognised_again(ledger, tmp_path):
    """The same content again changes nothing but the count of re-sends."""
    instance = stored(ct_image(), tmp_path)
    assert ledger.received.record(instance) is Recorded.NEW
    assert ledger.received.record(instance) is Recorded.RESENT
    balance = ledger.balance()
    assert (balance.received, balance.resent, balance.waiting) == (1, 1, 1)


def test_other_content_under_a_known_uid_is_refused(ledger, tmp_path):
    """The first object stays."""
    ledger.received.record(stored(ct_image(), tmp_path, sha256="a" * 64))
    with pytest.raises(DuplicateContent):
        ledger.received.record(stored(ct_image(), tmp_path, sha256="b" * 64))
    assert ledger.balance().received == 1


def test_an_examination_balances_at_every_step(ledger, tmp_path):
    """received = skipped + waiting + failed + delivered, from arrival to delivery."""
    fill(ledger, tmp_path, count=3)
    fill(ledger, tmp_path, series="2.25.3", count=2)
    assert choose(ledger, "k1", losers={"2.25.3": Reason.BETTER_SERIES_CHOSEN})
    balance = ledger.balance()
    assert (balance.waiting, balance.skipped) == (3, 2)
    assert balance.reasons == {"better_series_chosen": 2}
    ledger.jobs.finish("k1", [SR, SEG], ["pacs"])
    for kind in ("seg", "sr"):  # the report waits for the segmentation
        assert ledger.balance().waiting == 3
        due = ledger.outbox.claim_due("pacs", time.time())
        assert [one.kind for one in due] == [kind]
        ledger.outbox.record_delivered(due[0], 0)
    balance = ledger.balance()
    assert (balance.delivered, balance.waiting, balance.is_balanced) == (3, 0, True)


@pytest.mark.parametrize("reason", ["delivery_refused", "delivery_given_up"])
def test_an_undelivered_result_counts_its_objects_as_failed(ledger, tmp_path, reason):
    """The balance has a reason for a refusal and one for an unreachable destination."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    refuse(ledger, Reason(reason))
    balance = ledger.balance()
    assert (balance.failed, balance.reasons) == (3, {reason: 3})


def test_a_result_for_a_removed_destination_has_a_reason_of_its_own(ledger, tmp_path):
    """Also one that was on its way when the node stopped; other destinations still get theirs."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR, SEG], ["pacs", "old"])
    ledger.outbox.claim_due("old", time.time())
    assert ledger.outbox.abandon_unknown(["pacs"]) == {"old": 2}
    assert ledger.outbox.abandon_unknown(["pacs"]) == {}
    deliver_all(ledger)
    assert ledger.balance().reasons == {"destination_removed": 3}


def test_what_was_not_delivered_can_be_sent_again(ledger, tmp_path):
    """Redelivery takes only current results, and their time limit starts again."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    refuse(ledger, Reason.DELIVERY_GIVEN_UP)
    assert ledger.outbox.redeliver(["other"]) == 0
    before = time.time()
    assert ledger.outbox.redeliver(["pacs"]) == 1
    assert ledger.balance().waiting == 3
    (due,) = ledger.outbox.claim_due("pacs", time.time())
    assert (due.attempts, due.created_at >= before) == (0, True)
    ledger.outbox.record_delivered(due, 0)
    assert ledger.balance().delivered == 3

    ledger.received.record(stored(ct_image(number=4), tmp_path))
    choose(ledger, "k2", replaces="/sr.dcm")
    assert ledger.outbox.redeliver(["pacs"]) == 0


def test_a_failed_job_counts_its_objects_as_failed(ledger, tmp_path):
    """With the reason of the job."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.fail("k1", Reason.WORKER_DIED)
    assert ledger.balance().reasons == {"worker_died": 3}
    with pytest.raises(ForbiddenTransition):
        ledger.jobs.finish("k1", [SR], ["pacs"])


def test_without_a_destination_a_finished_job_is_done(ledger, tmp_path):
    """Results stay in the data folder."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], [])
    assert ledger.balance().delivered == 3


def test_a_decision_is_void_when_the_study_grew_meanwhile(ledger, tmp_path):
    """A slice that arrived between snapshot and decision is not lost."""
    fill(ledger, tmp_path, count=2)
    seen = ledger.studies.snapshot("2.25.1")
    ledger.received.record(stored(ct_image(number=9), tmp_path))
    decision = Decision(
        study_instance_uid="2.25.1",
        job_key="k1",
        job_folder="/k1",
        chosen_series="2.25.2",
        losers={},
        skipped_instances={},
    )
    assert not ledger.studies.decide(decision, seen=seen)
    assert ledger.jobs.unfinished() == []


def test_a_late_slice_supersedes_the_first_result(ledger, tmp_path):
    """Undelivered results of the older job are dropped; everything waits for the new one."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    ledger.received.record(stored(ct_image(number=4), tmp_path))
    assert ledger.studies.quiet(time.time()) == ["2.25.1"]
    assert choose(ledger, "k2")
    assert ledger.outbox.claim_due("pacs", time.time()) == []
    assert [job.key for job in ledger.jobs.unfinished()] == ["k2"]
    assert ledger.balance().waiting == 4


@pytest.mark.parametrize("is_delivered", [False, True])
def test_a_study_that_becomes_unsuitable_drops_undelivered_results(ledger, tmp_path, is_delivered):
    """Late objects made the series unusable: results that are not delivered yet are not sent."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    if is_delivered:
        deliver_all(ledger)
    ledger.received.record(stored(ct_image(number=4), tmp_path))
    nothing = Decision(
        study_instance_uid="2.25.1",
        job_key=None,
        job_folder=None,
        chosen_series=None,
        losers={"2.25.2": Reason.DUPLICATE_POSITION},
        skipped_instances={},
    )
    assert ledger.studies.decide(nothing, seen=ledger.studies.snapshot("2.25.1"))
    assert ledger.outbox.claim_due("pacs", time.time()) == []
    assert ledger.balance().reasons == {"duplicate_position": 4}


def test_the_same_decision_twice_makes_one_job(ledger, tmp_path):
    """A coordinator that died after deciding decides again."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    deliver_all(ledger)
    assert choose(ledger, "k1")
    assert ledger.jobs.unfinished() == []
    assert ledger.balance().delivered == 3
    assert ledger.outbox.claim_due("pacs", time.time()) == []


def test_a_postponed_result_comes_back_at_its_time(ledger, tmp_path):
    """Not before."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    now = time.time()
    ledger.outbox.record_retry(ledger.outbox.claim_due("pacs", now)[0], now + 60, 0xA700)
    assert ledger.outbox.claim_due("pacs", now) == []
    again = ledger.outbox.claim_due("pacs", now + 61)
    assert [one.attempts for one in again] == [1]


def test_a_delivered_report_is_the_predecessor_of_the_next(ledger, tmp_path):
    """Only a report that was delivered to a destination."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR, SEG], ["pacs"])
    assert ledger.studies.delivered_report("2.25.1", other_than="k2") is None
    deliver_all(ledger)
    assert ledger.studies.delivered_report("2.25.1", other_than="k2") == "/sr.dcm"
    assert ledger.studies.delivered_report("2.25.1", other_than="k1") is None


def test_a_decision_waits_for_a_result_that_is_on_its_way(ledger, tmp_path):
    """Otherwise the PACS would get a report that the ledger drops and that no later one replaces."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    on_its_way = ledger.outbox.claim_due("pacs", time.time())[0]
    ledger.received.record(stored(ct_image(number=4), tmp_path))
    assert not choose(ledger, "k2")
    ledger.outbox.record_delivered(on_its_way, 0)
    assert not choose(ledger, "k2")  # the decision does not name the report that it replaces
    assert choose(ledger, "k2", replaces="/sr.dcm")
    assert ledger.balance().waiting == 4


def test_an_unfinished_claim_is_returned_again(ledger, tmp_path):
    """The coordinator was killed between sending and recording."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR], ["pacs"])
    first = ledger.outbox.claim_due("pacs", time.time())
    assert ledger.outbox.claim_due("pacs", time.time()) == first
    ledger.outbox.record_delivered(first[0], 0)
    with pytest.raises(ForbiddenTransition):
        ledger.outbox.record_dead(first[0], 0xA900, Reason.DELIVERY_REFUSED)


def test_a_report_is_sent_after_its_segmentation_was_refused(ledger, tmp_path):
    """Only studies that may still receive objects wait."""
    fill(ledger, tmp_path)
    choose(ledger, "k1")
    ledger.jobs.finish("k1", [SR, SEG], ["pacs", "other"])
    now = time.time()
    (seg,) = ledger.outbox.claim_due("pacs", now)
    ledger.outbox.record_retry(seg, now + 60, 0xA700)
    assert ledger.outbox.claim_due("pacs", now) == []
    (seg,) = ledger.outbox.claim_due("pacs", now + 61)
    ledger.outbox.record_dead(seg, 0xA900, Reason.DELIVERY_REFUSED)
    assert [one.kind for one in ledger.outbox.claim_due("pacs", now)] == ["sr"]


def test_only_quiet_undecided_studies_are_looked_at(ledger, tmp_path):
    """Only these are read, because a study can have a thousand headers."""
    before = time.time() - 1
    fill(ledger, tmp_path)
    assert ledger.studies.quiet(before) == []
    assert ledger.studies.quiet(time.time() + 1) == ["2.25.1"]
    choose(ledger, "k1")
    assert ledger.studies.quiet(time.time() + 1) == []


def test_reading_waits_for_no_writer(tmp_path):
    """Queries of status and coordinator do not wait for a listener, and it does not wait for them."""
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(f"sqlite:///{path}")
    fill(ledger, tmp_path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        reader = threading.Thread(target=ledger.balance, daemon=True)
        reader.start()
        reader.join(5)
        assert not reader.is_alive()
        writer.execute("ROLLBACK")
    ledger.close()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT path FROM instances WHERE header IS NULL AND lost_at IS NULL ORDER BY id LIMIT 500",
        "SELECT state, reason, count(*), sum(resent) FROM instances GROUP BY state, reason",
        "SELECT key FROM jobs WHERE state = 'queued' ORDER BY created_at",
    ],
    ids=["unread headers", "balance", "unfinished jobs"],
)
def test_frequent_queries_use_an_index(tmp_path, query):
    """The plans of the queries that run several times a second use an index."""
    path = tmp_path / "ledger.sqlite3"
    Ledger.open(f"sqlite:///{path}").close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        plans = database.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert "INDEX ix_" in plans[0][3]


def test_many_writers_at_once_lose_nothing(url, tmp_path):
    """Several listeners on one ledger."""

    def write(series: int) -> None:
        own = Ledger.open(url)
        fill(own, tmp_path / str(series), series=f"2.25.5{series}", count=25)
        own.close()

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Ledger.open(url)
    assert ledger.balance().received == 100
    ledger.close()


def test_migrations_lead_up_and_down(url):
    """Down to no table and up again, to the tables of the program."""
    engine = open_engine(url)
    upgrade(engine)
    downgrade(engine, "base")
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    ledger = Ledger.open(url)
    assert ledger.balance().received == 0
    ledger.close()


def test_an_unusable_database_is_a_ledger_error(tmp_path):
    """Errors of SQLAlchemy become a `LedgerError`."""
    (tmp_path / "file.sqlite3").write_bytes(b"this is no database, but long enough to look at" * 9)
    with pytest.raises(LedgerError):
        Ledger.open(f"sqlite:///{tmp_path / 'file.sqlite3'}")


def test_every_state_has_its_row_in_the_table_of_its_kind():
    """Every state has its steps, and no step leads to a state of another kind."""
    for kind, steps in ALLOWED.items():
        assert list(steps) == list(kind)
        assert {type(target) for targets in steps.values() for target in targets} == {kind}


def test_states_with_the_same_word_keep_their_own_steps():
    """A delivered object may be waiting again; a delivered result is final."""
    assert InstanceState.DELIVERED in sources_of(InstanceState.WAITING)
    assert OutputState.DELIVERED not in sources_of(OutputState.DUE)
    assert sources_of(InstanceState.FAILED) == [InstanceState.WAITING]
    assert sources_of(JobState.FAILED) == [JobState.QUEUED]

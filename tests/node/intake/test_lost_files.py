"""Files that a power failure damaged: found on start, logged, restored by sending them again."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.intake.listener import listening_socket
from node.intake.lost_files import check_files
from node.ledger.ledger import Ledger
from node.ledger.records import Decision, Recorded
from pipelines.contract.reasons import Reason
from tests.node.ct_objects import stored_files, write_series
from tests.node.listener_process import settings_for, start_listener
from tests.node.series_objects import ct_series, stored
from tests.node.serve import test_coordinator as coordinator
from tests.peers.waiting import wait_until

NEVER = threading.Event()


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    yield opened
    opened.close()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def change_a_pixel(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, empty, zero, change_a_pixel, Path.unlink])
def test_a_damaged_file_is_found_counted_and_healed(
    ledger, tmp_path, damage: Callable[[Path], None]
):
    """The others stay; the same object sent again is waiting like a new one."""
    images = ct_series(3)
    instances = [ledger_entry(ledger, image, tmp_path) for image in images]
    assert check_files(ledger, NEVER) == 0

    damage(instances[1].path)
    assert check_files(ledger, NEVER) == 1
    assert check_files(ledger, NEVER) == 0, "it is counted once"
    balance = ledger.balance()
    assert (balance.waiting, balance.failed, balance.lost) == (2, 1, 1)
    assert (balance.is_balanced, balance.reasons) == (True, {"file_lost": 1})
    assert len(ledger.studies.snapshot("2.25.1").instances) == 2
    assert len(ledger.received.without_header(10)) == 2

    assert ledger.received.record(stored(images[1], tmp_path)) is Recorded.HEALED
    assert check_files(ledger, NEVER) == 0
    balance = ledger.balance()
    assert (balance.waiting, balance.lost, balance.reasons) == (3, 0, {})


def ledger_entry(ledger: Ledger, image, folder: Path):
    instance = stored(image, folder)
    ledger.received.record(instance)
    return instance


def test_a_file_that_is_back_counts_again(ledger, tmp_path):
    """Its disk was not mounted at the last start."""
    instance = ledger_entry(ledger, ct_series(1)[0], tmp_path)
    instance.path.rename(tmp_path / "away")
    check_files(ledger, NEVER)
    (tmp_path / "away").rename(instance.path)
    check_files(ledger, NEVER)
    balance = ledger.balance()
    assert (balance.waiting, balance.lost, balance.reasons) == (1, 0, {})


def test_what_was_delivered_stays_delivered(ledger, tmp_path):
    """Its file is lost, but its result stays delivered."""
    instance = ledger_entry(ledger, ct_series(1)[0], tmp_path)
    decision = Decision(
        study_instance_uid="2.25.1",
        job_key="k1",
        job_folder="/k1",
        chosen_series="2.25.2",
        losers={},
        skipped_instances={},
    )
    ledger.studies.decide(decision, seen=ledger.studies.snapshot("2.25.1"))
    ledger.jobs.finish("k1", [], [])
    change_a_pixel(instance.path)
    assert check_files(ledger, NEVER) == 0, "a file that is used up is not read"
    instance.path.unlink()
    assert check_files(ledger, NEVER) == 1
    balance = ledger.balance()
    assert (balance.delivered, balance.failed, balance.lost) == (1, 0, 1)


def test_an_object_that_came_again_meanwhile_is_not_lost(ledger, tmp_path):
    """The listener recorded the object again before the check."""
    instance = ledger_entry(ledger, ct_series(1)[0], tmp_path)
    (row,) = ledger.files.page(after=0, limit=10)
    ledger.received.record(instance)
    assert not ledger.files.record_lost(row)
    assert ledger.balance().waiting == 1


def test_a_lost_slice_leaves_the_job_that_was_to_use_it(ledger, tmp_path):
    """The study is decided again, without it."""
    instances = [ledger_entry(ledger, image, tmp_path) for image in ct_series(3)]
    decision = Decision(
        study_instance_uid="2.25.1",
        job_key="k1",
        job_folder="/k1",
        chosen_series="2.25.2",
        losers={},
        skipped_instances={},
    )
    ledger.studies.decide(decision, seen=ledger.studies.snapshot("2.25.1"))
    change_a_pixel(instances[0].path)
    assert check_files(ledger, NEVER) == 1
    assert ledger.studies.snapshot("2.25.1").open_series == {"2.25.2"}
    skip = Decision(
        study_instance_uid="2.25.1",
        job_key=None,
        job_folder=None,
        chosen_series=None,
        losers={"2.25.2": Reason.TOO_FEW_SLICES},
        skipped_instances={},
    )
    assert ledger.studies.decide(skip, seen=ledger.studies.snapshot("2.25.1"))
    assert ledger.balance().reasons == {"file_lost": 1, "too_few_slices": 2}


@pytest.mark.peer("dcmtk")
def test_a_torn_file_after_kill_9_is_logged_and_healed_by_a_re_send(tmp_path):
    """Real processes: the listener is killed, a file is cut, the next start finds it."""
    rules = "quiet_time_s = 0.5\nstudy_quiet_time_s = 0.5\nincomplete_wait_s = 600\n"
    settings = settings_for(tmp_path / "node", f"[series]\n{rules}")
    for part in (settings.spool_folder, settings.run_folder):
        part.mkdir(parents=True)
    write_series(tmp_path / "ct", 20)
    with listening_socket(settings) as listening:
        first = start_listener(settings, listening.fileno(), tmp_path / "listener.log")
        assert first.send(tmp_path / "ct").failed == 0
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        truncate(sorted(stored_files(settings.data_folder))[7])

        node = coordinator.start(settings)
        wait_until(lambda: first.balance().lost == 1, 20, what="the lost file")
        assert first.balance().reasons == {"file_lost": 1}

        again = start_listener(settings, listening.fileno(), tmp_path / "listener.log")
        assert again.send(tmp_path / "ct").failed == 0
        assert len(again.lines("file_healed")) == 1
        (job,) = wait_until(lambda: coordinator.jobs(settings), 20, what="the job")
        assert len(job.instances) == 20
        balance = again.balance()
        assert (balance.received, balance.waiting, balance.lost) == (20, 20, 0)
        coordinator.stop(node)
        again.process.terminate()
        again.process.wait(20)

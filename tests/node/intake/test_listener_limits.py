"""The listener at its limits: disk full, too many peers, killed, stopped, with stopped peers."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_context

from node.intake.listener import listening_socket
from tests.node.ct_objects import ct_image, stored_files, write, write_series
from tests.node.listener_process import (
    intake_section,
    running_listener,
    settings_for,
    start_listener,
)
from tests.peers.dcmtk import dcmsend, echoscu
from tests.peers.waiting import wait_until

pytestmark = pytest.mark.peer("dcmtk")


@pytest.fixture(scope="module", params=["fast", "stock"])
def server(request: pytest.FixtureRequest) -> str:
    """Both values of ``intake.server``; every test of a listener runs with each."""
    return str(request.param)


def test_only_listed_senders_may_call(tmp_path: Path, server: str) -> None:
    """``intake.accepted_calling_ae_titles``."""
    text = intake_section(server, 'accepted_calling_ae_titles = ["PACS"]')
    with running_listener(tmp_path / "node", text) as listener:
        path = write(ct_image(), tmp_path / "one.dcm")

        assert dcmsend(path, port=listener.port, calling="STRANGER").returncode != 0
        line = listener.await_line("association_rejected")
        assert line["reason"] == "calling_ae_title_not_recognized"
        assert "accepted_calling_ae_titles" in line["remedy"]
        assert dcmsend(path, port=listener.port, calling="PACS").returncode == 0


def test_full_disk_is_out_of_resources(tmp_path: Path, server: str) -> None:
    """Under the watermark: 0xA700, nothing stored, nothing deleted."""
    text = intake_section(server, "min_free_gb = 1e9")
    with running_listener(tmp_path / "node", text) as listener:
        path = write(ct_image(), tmp_path / "one.dcm")

        report = listener.send(path)

        assert next(iter(report.statuses)).startswith("0xA700 Failure")
        assert "intake.min_free_gb" in listener.await_line("instance_refused")["remedy"]
        assert list(stored_files(listener.folder)) == []


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path, server: str) -> None:
    """After repeated kills every acknowledged object is a file and a row."""
    source = tmp_path / "ct"
    write_series(source, 60)
    settings = settings_for(tmp_path / "node", intake_section(server))
    for part in (settings.spool_folder, settings.run_folder):
        part.mkdir(parents=True)
    log = tmp_path / "listener.log"
    acknowledged: set[str] = set()
    with listening_socket(settings) as listening:
        for kill_after in (7, 20, 33):
            listener = start_listener(settings, listening.fileno(), log)
            output = (tmp_path / f"sender{kill_after}.log").open("w+")
            sender = subprocess.Popen(
                [
                    "dcmsend",
                    "-v",
                    "-d",
                    "-aec",
                    "OSTEONODE",
                    "+sd",
                    "127.0.0.1",
                    str(listener.port),
                    str(source),
                ],
                stdout=output,
                stderr=output,
            )
            _await_files(settings.data_folder, kill_after)
            listener.process.send_signal(signal.SIGKILL)
            listener.process.wait()
            sender.wait(60)
            with output:
                output.seek(0)
                acknowledged |= _acknowledged(output.read())
        listener = start_listener(settings, listening.fileno(), log)
        assert acknowledged <= {_uid(path) for path in stored_files(settings.data_folder)}
        assert listener.balance().received >= len(acknowledged) > 0
        assert dcmsend(source, port=listener.port).returncode == 0
        assert listener.balance().received == 60
        assert len(list(stored_files(settings.data_folder))) == 60
        listener.process.terminate()
        listener.process.wait(20)


def _await_files(data_folder: Path, count: int) -> None:
    wait_until(
        lambda: len(list(stored_files(data_folder))) >= count,
        20,
        what="objects in the spool",
        poll_s=0.001,
    )


def _acknowledged(output: str) -> set[str]:
    """SOP Instance UIDs that DCMTK got 0x0000 for."""
    found = set()
    for part in output.split("C-STORE RSP")[1:]:
        uid = re.search(r"Affected SOP Instance UID\s*: ([0-9.]+)", part)
        if uid and re.search(r"DIMSE Status\s*: 0x0000", part):
            found.add(uid[1])
    return found


def _uid(path: Path) -> str:
    header: Dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return str(header.SOPInstanceUID)


def test_broken_association_leaves_no_half_object(tmp_path: Path, server: str) -> None:
    """The sender dies in the middle of a large object; the next one is taken."""
    image = ct_image(Rows=4096, Columns=4096, PixelData=bytes(2 * 4096 * 4096))
    large = write(image, tmp_path / "large.dcm")
    with running_listener(tmp_path / "node", intake_section(server)) as listener:
        assert echoscu(listener.port).returncode == 0
        process = psutil.Process(listener.process.pid)
        at_rest = process.memory_info().rss
        incoming = listener.folder / "spool" / "incoming"

        def is_arriving() -> bool:
            """On disk, or with the stock server in memory: a quarter of the object."""
            if server == "fast":
                return bool(list(incoming.iterdir()))
            return process.memory_info().rss > at_rest + (1 << 23)

        sender = subprocess.Popen(
            [
                *("storescu", "-aec", "OSTEONODE", "-pdu", "4096"),
                *("127.0.0.1", str(listener.port), str(large)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(is_arriving, 20, what="a large object", poll_s=0.001)
        sender.kill()
        assert sender.wait() == -signal.SIGKILL, "the whole object was sent"
        wait_until(lambda: not list(incoming.iterdir()), 20, what="an empty folder")
        assert list(stored_files(listener.folder)) == []
        assert listener.send(large).failed == 0
        assert listener.balance().received == 1


def test_a_peer_that_stops_within_a_message_is_aborted(tmp_path: Path, server: str) -> None:
    """After ``intake.idle_timeout_s``, and at once when the node stops."""
    text = intake_section(server, "idle_timeout_s = 1")
    with running_listener(tmp_path / "node", text) as listener:
        entity = AE("TEST")
        association = entity.associate(
            "127.0.0.1", listener.port, [build_context(CTImageStorage)], ae_title="OSTEONODE"
        )
        assert association.is_established
        connection = association.dul.socket
        assert connection is not None
        assert connection.socket is not None
        connection.socket.sendall(b"\x04\x00\x00\x00\x10\x00" + bytes(100))
        wait_until(lambda: association.is_aborted, 20, what="an abort")

        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as half_open:
            half_open.sendall(b"\x01\x00\x00\x00\x10\x00" + bytes(100))
            assert echoscu(listener.port).returncode == 0
            listener.process.terminate()
            assert listener.process.wait(10) == 0


def test_stop_does_not_wait_for_a_stopped_peer(tmp_path: Path, server: str) -> None:
    """The idle timeout is 60 s; peers stopped within the request and within a message."""
    with running_listener(tmp_path / "node", intake_section(server)) as listener:
        association = AE("TEST").associate(
            "127.0.0.1", listener.port, [build_context(CTImageStorage)], ae_title="OSTEONODE"
        )
        connection = association.dul.socket
        assert connection is not None
        assert connection.socket is not None
        connection.socket.sendall(b"\x04\x00\x00\x00\x10\x00" + bytes(100))
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as half_open:
            half_open.sendall(b"\x01\x00\x00\x00\x10\x00" + bytes(100))
            assert echoscu(listener.port).returncode == 0
            listener.process.terminate()
            assert listener.process.wait(10) == 0
        wait_until(lambda: not association.is_alive(), 20, what="the end of the association")


def test_more_associations_than_allowed_are_rejected(tmp_path: Path, server: str) -> None:
    """``intake.max_associations``; the reason names the setting."""
    text = intake_section(server, "max_associations = 1")
    with running_listener(tmp_path / "node", text) as listener:
        first = AE("TEST").associate(
            "127.0.0.1", listener.port, [build_context(CTImageStorage)], ae_title="OSTEONODE"
        )
        assert first.is_established

        assert "Local Limit Exceeded" in echoscu(listener.port).stdout

        line = listener.await_line("association_rejected")
        assert "intake.max_associations" in line["remedy"]
        first.release()


def test_stop_finishes_and_leaves_no_partial_file(tmp_path: Path, server: str) -> None:
    """SIGTERM in mid-association ends the process with 0 and an empty incoming folder."""
    write_series(tmp_path / "ct", 80)
    with running_listener(tmp_path / "node", intake_section(server)) as listener:
        sender = subprocess.Popen(
            [
                "dcmsend",
                "-aec",
                "OSTEONODE",
                "+sd",
                "127.0.0.1",
                str(listener.port),
                str(tmp_path / "ct"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: list(stored_files(listener.folder)), 20, poll_s=0.001)
        listener.process.terminate()
        assert listener.process.wait(20) == 0
        sender.wait(30)
        assert list((listener.folder / "spool" / "incoming").iterdir()) == []
        assert listener.balance().received == len(list(stored_files(listener.folder)))

"""The listener with real senders: DCMTK, and damaged files."""

import os
import re
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

from tests.node.ct_objects import ct_image, encoded, stored_files, write, write_raw, write_series
from tests.node.listener_process import Listener, intake_section, running_listener
from tests.peers.dcmtk import dcmsend, echoscu, storescu
from tests.peers.waiting import wait_until

pytestmark = pytest.mark.peer("dcmtk")


@pytest.fixture(scope="module", params=["fast", "stock"])
def server(request: pytest.FixtureRequest) -> str:
    """Both values of ``intake.server``; every test of a listener runs with each."""
    return str(request.param)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Listener]:
    """One listener for the tests that do not change it; each uses a study of its own."""
    with running_listener(tmp_path_factory.mktemp("node"), intake_section(server)) as listener:
        yield listener


@pytest.fixture(autouse=True)
def _still_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the listener answers a C-ECHO."""
    yield
    if "shared" in request.fixturenames:
        listener: Listener = request.getfixturevalue("shared")
        assert echoscu(listener.port).returncode == 0


def _spooled(listener: Listener, study: str) -> list[Path]:
    return [path for path in stored_files(listener.folder) if study in path.parts]


def test_the_setting_chooses_the_server(shared: Listener, server: str) -> None:
    """The log states the chosen server."""
    assert shared.await_line("listening")["kind"] == server


def test_echo_is_answered(shared: Listener) -> None:
    """C-ECHO by DCMTK."""
    assert echoscu(shared.port).returncode == 0


def test_objects_are_stored_byte_for_byte(shared: Listener, tmp_path: Path) -> None:
    """Objects from DCMTK are DICOM files in the spool and rows in the ledger."""
    sources = write_series(tmp_path / "ct", 5, study="2.25.1")
    before = shared.balance().received

    run = dcmsend(tmp_path / "ct", port=shared.port)

    assert run.returncode == 0, run.stdout
    files = _spooled(shared, "2.25.1")
    assert sorted(encoded(path) for path in files) == sorted(encoded(path) for path in sources)
    assert all(pydicom.dcmread(path).PatientName == "VIRTUAL^TEST" for path in files)
    assert shared.balance().received == before + 5


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
    ids=lambda syntax: syntax.name,
)
def test_every_transfer_syntax_is_kept(shared: Listener, tmp_path: Path, syntax: UID) -> None:
    """Received objects are neither decoded nor converted."""
    study = f"2.25.2{zlib.crc32(syntax.encode())}"
    image = ct_image(study=study)
    if syntax.is_encapsulated and syntax != JPEGLSLossless:
        image.compress(syntax, generate_instance_uid=False)
        image.file_meta.TransferSyntaxUID = syntax
        path = write(image, tmp_path / "one.dcm")
    elif syntax == JPEGLSLossless:
        plain = write(image, tmp_path / "plain.dcm")
        path = tmp_path / "one.dcm"
        subprocess.run(["dcmcjpls", "+un", plain, path], check=True)
    else:
        if syntax == ExplicitVRBigEndian:
            image["PixelData"].VR = "OW"
        image.file_meta.TransferSyntaxUID = syntax
        path = write(image, tmp_path / "one.dcm")

    report = shared.send(path)

    assert report.failed == 0, report
    (stored,) = _spooled(shared, study)
    assert encoded(stored) == encoded(path)
    assert pydicom.filereader.read_file_meta_info(stored).TransferSyntaxUID == syntax


def test_unknown_called_ae_is_rejected_with_the_reason(shared: Listener) -> None:
    """A-ASSOCIATE-RJ "called AE title not recognized", and one log line with the remedy."""
    run = echoscu(shared.port, called="WRONG")

    assert "Called AE Title Not Recognized" in run.stdout
    line = shared.await_line("association_rejected")
    assert line["called_ae_title"] == "WRONG"
    assert "intake.require_called_ae_title" in line["remedy"]


def test_other_kinds_of_objects_are_not_negotiated(shared: Listener, tmp_path: Path) -> None:
    """An MR image gets no presentation context; one log line states that only CT is accepted."""
    image = ct_image(study="2.25.3", sop_class=MRImageStorage, Modality="MR")
    path = write(image, tmp_path / "mr.dcm")

    run = dcmsend(path, port=shared.port)

    assert "no acceptable pres." in run.stdout
    line = shared.await_line("sop_classes_refused")
    assert line["level"] == "warning"
    assert line["sop_classes"] == ["MR Image Storage"]
    assert line["remedy"].startswith("route only CT")
    assert not _spooled(shared, "2.25.3")


def test_file_that_is_no_dicom_is_not_sent(shared: Listener, tmp_path: Path) -> None:
    """DCMTK refuses to send it."""
    text = tmp_path / "letter.txt"
    text.write_text("not DICOM")
    run = storescu(text, port=shared.port)
    assert run.returncode != 0


@pytest.mark.parametrize("content", [b"not a data set " * 90, b"", bytes(3000)])
def test_unreadable_data_set_is_corrupt(shared: Listener, tmp_path: Path, content: bytes) -> None:
    """0xC001; the association and the listener stay up."""
    broken = write_raw(tmp_path / "a.dcm", content, sop_instance="2.25.4.1.1")
    write(ct_image(study=f"2.25.40{len(content)}"), tmp_path / "b.dcm")

    report = shared.send(tmp_path)

    assert report.failed == 1
    assert any(words.startswith("0xC001 Failure") for words in report.statuses), report
    assert report.statuses["0x0000 Success"] == 1, "the next object of the association"
    assert broken.exists()


def test_truncated_object_is_corrupt(shared: Listener, tmp_path: Path) -> None:
    """Pixel data shorter than the header states."""
    whole = write(ct_image(study="2.25.5"), tmp_path / "whole.dcm")
    cut = write_raw(tmp_path / "cut" / "cut.dcm", encoded(whole)[:-100], sop_instance="2.25.5.1.1")

    report = shared.send(cut.parent)

    assert report.failed == 1
    assert "truncated" in next(iter(report.statuses))
    line = shared.await_line("instance_refused")
    assert (line["status"], line["reason"]) == ("0xC001", "corrupt_object")
    assert not _spooled(shared, "2.25.5")


def test_object_that_contradicts_its_request_is_refused(shared: Listener, tmp_path: Path) -> None:
    """Another SOP Instance UID (0xC001) or SOP Class UID (0xA900) than announced."""
    content = encoded(write(ct_image(study="2.25.6"), tmp_path / "source" / "a.dcm"))
    write_raw(tmp_path / "uid" / "a.dcm", content, sop_instance="2.25.6.1.77")
    other = encoded(
        write(ct_image(study="2.25.6", sop_class=MRImageStorage), tmp_path / "source" / "b.dcm")
    )
    write_raw(tmp_path / "class" / "b.dcm", other, sop_instance="2.25.6.1.1")

    first, second = shared.send(tmp_path / "uid"), shared.send(tmp_path / "class")

    assert next(iter(first.statuses)).startswith("0xC001 Failure")
    assert next(iter(second.statuses)).startswith("0xA900 Failure")


def test_same_object_again_is_acknowledged_without_a_second_row(
    shared: Listener, tmp_path: Path
) -> None:
    """A PACS that sends twice gets 0x0000 twice."""
    path = write(ct_image(study="2.25.7"), tmp_path / "one.dcm")
    assert shared.send(path).failed == 0
    before = shared.balance().received

    assert shared.send(path).failed == 0

    assert shared.balance().received == before
    assert len(_spooled(shared, "2.25.7")) == 1
    assert wait_until(lambda: shared.lines("association_closed")[-1]["resent"], 5)


def test_same_object_in_another_transfer_syntax_leaves_one_file(
    shared: Listener, tmp_path: Path
) -> None:
    """The first file stays, as in the ledger; the second is acknowledged and not kept."""
    image = ct_image(study="2.25.71")
    first = write(image, tmp_path / "one.dcm")
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    second = write(image, tmp_path / "two.dcm")
    before = shared.balance()

    assert shared.send(first).failed == 0
    assert shared.send(second).failed == 0

    (stored,) = _spooled(shared, "2.25.71")
    assert encoded(stored) == encoded(first)
    after = shared.balance()
    assert (after.received, after.resent) == (before.received + 1, before.resent + 1)


def test_other_content_under_a_known_uid_is_refused(shared: Listener, tmp_path: Path) -> None:
    """0xC002 with a comment; the first object stays as it is."""
    first = write(ct_image(study="2.25.8"), tmp_path / "a.dcm")
    second = write(ct_image(study="2.25.8", value=99), tmp_path / "b.dcm")
    assert shared.send(first).failed == 0

    run = storescu(second, port=shared.port, options=("-d",))

    assert re.search(r"DIMSE Status\s*: 0xc002", run.stdout), run.stdout
    assert "ErrorComment" in run.stdout
    (stored,) = _spooled(shared, "2.25.8")
    assert encoded(stored) == encoded(first)


def test_refusals_are_counted_beside_the_balance(shared: Listener, tmp_path: Path) -> None:
    """A refused object does not count as received, but as refused."""
    before = shared.balance()
    path = write_raw(tmp_path / "a.dcm", b"nothing", sop_instance="2.25.9.1.1")

    shared.send(path)

    after = shared.balance()
    assert after.refused == before.refused + 1
    assert after.received == before.received
    assert after.is_balanced


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(2000),
        b"\x01\x00",
        b"",
        b"\x01\x00\xff\xff\xff\xff" + bytes(200),
    ],
)
def test_invalid_connections_do_not_disturb_the_listener(shared: Listener, noise: bytes) -> None:
    """Port scanners, browsers and half-open connections."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=5) as connection:
        connection.sendall(noise)


def test_no_patient_data_in_the_log(shared: Listener) -> None:
    """No log line of this module contains a name, an identifier or a birth date."""
    text = shared.log.read_text()
    for secret in ("VIRTUAL", "19500101", "PatientName"):
        assert secret not in text

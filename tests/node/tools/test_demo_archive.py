"""The small archive of the demonstration, with DCMTK and our own sender."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import MRImageStorage

from node.dicom_peer import Peer
from node.errors import ConfigError, PeerRefused, PeerUnreachable
from node.tools.demo_archive import Archive, running_archive
from node.tools.send_folder import NO_CONTEXT, echo, find_dicom_files, send_folder
from tests.node.ct_objects import STUDY, ct_image, encoded, write, write_series
from tests.peers.dcmtk import dcmsend, echoscu
from tests.peers.ports import free_port


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """A running archive."""
    with running_archive(tmp_path / "archive", free_port()) as running:
        yield running


def _peer(archive: Archive) -> Peer:
    return Peer(ae_title=archive.ae_title, host="127.0.0.1", port=archive.port)


@pytest.mark.peer("dcmtk")
def test_archive_stores_what_dcmtk_sends(archive: Archive, tmp_path: Path) -> None:
    """In a folder for each study, unchanged."""
    sources = write_series(tmp_path / "ct", 3)

    assert echoscu(archive.port, called=archive.ae_title).returncode == 0
    assert dcmsend(tmp_path / "ct", port=archive.port, called=archive.ae_title).returncode == 0

    files = archive.find("CT")
    assert {path.parent.name for path in files} == {STUDY}
    assert sorted(map(encoded, files)) == sorted(map(encoded, sources))


def test_sender_sends_every_kind_as_it_is(archive: Archive, tmp_path: Path) -> None:
    """Deep folders, several SOP classes and transfer syntaxes, other files between them."""
    write_series(tmp_path / "study" / "deep" / "ct", 2)
    compressed = ct_image(5)
    compressed.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    write(compressed, tmp_path / "study" / "rle")
    write(ct_image(6, sop_class=MRImageStorage, Modality="MR"), tmp_path / "study" / "mr.dcm")
    (tmp_path / "study" / "notes.txt").write_text("nothing")
    seen: list[tuple[int, int]] = []

    report = send_folder(
        tmp_path / "study", _peer(archive), on_file=lambda done, total: seen.append((done, total))
    )

    assert report.statuses == {"0x0000 Success": 4}
    assert (report.sent, report.failed, report.not_dicom) == (4, 0, 1)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(archive.find("CT")) == 3
    assert len(archive.find("MR")) == 1


def test_sender_reports_sop_classes_that_the_peer_does_not_accept(
    archive: Archive, tmp_path: Path
) -> None:
    """A SOP class that the archive does not accept."""
    image = ct_image(sop_class="1.2.826.0.1.3680043.8.498.1")
    path = write(image, tmp_path / "odd.dcm")
    write_series(tmp_path, 1)

    report = send_folder(tmp_path, _peer(archive))

    assert report.failed == 1
    assert report.statuses[NO_CONTEXT] == 1
    assert report.sent == 1
    assert path.exists()


def test_unreachable_peer_and_refusal_are_different_errors(archive: Archive) -> None:
    """Only the first may be tried again."""
    absent = Peer(ae_title="X", host="127.0.0.1", port=free_port())
    with pytest.raises(PeerUnreachable):
        echo(absent)
    echo(_peer(archive))
    assert PeerUnreachable.retryable
    assert not PeerRefused.retryable


@pytest.mark.parametrize("text", ["PACS", "PACS@host", "@host:104", "PACS@host:port", "A" * 17])
def test_peers_are_written_in_one_way(text: str) -> None:
    """``AET@HOST:PORT``."""
    with pytest.raises(ConfigError, match="AET@HOST:PORT"):
        Peer.parse(text)
    assert str(Peer.parse("PACS@10.0.0.5:104")) == "PACS@10.0.0.5:104"
    assert Peer.parse("PACS@[::1]:104").host == "::1"


def test_dicomdir_is_not_sent(tmp_path: Path) -> None:
    """A media directory is no object of the study."""
    write(ct_image(), tmp_path / "DICOMDIR")
    files, others = find_dicom_files(tmp_path)
    assert (files, others) == ([], 0)

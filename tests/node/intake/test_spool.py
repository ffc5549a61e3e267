"""Files in the spool: complete or absent, and never overwritten by another object."""

import hashlib
from pathlib import Path

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from node.errors import SpoolFull
from node.intake.spool import Spool, file_meta
from tests.node.ct_objects import ct_image, encoded, write


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool")


def _store(spool: Spool, content: bytes, meta: bytes = b"meta") -> Path:
    """One object in pieces, as it arrives."""
    incoming = spool.receive(meta)
    for start in range(0, len(content), 100):
        incoming.write(content[start : start + 100])
    assert incoming.size_bytes == len(content)
    assert incoming.sha256 == hashlib.sha256(content).hexdigest()
    with incoming.encoded() as encoded:
        assert encoded.read() == content
    path = spool.place("1.2", "1.2.3", "1.2.3.4", incoming.sha256)
    spool.keep(incoming, path).wait()
    incoming.discard()
    return path


def test_written_file_is_the_object_as_it_came(tmp_path: Path, spool: Spool) -> None:
    """Byte for byte, behind file meta information that pydicom reads."""
    content = encoded(write(ct_image(), tmp_path / "source.dcm"))

    path = _store(spool, content, file_meta(CTImageStorage, "1.2.3.4", ExplicitVRLittleEndian))

    assert encoded(path) == content
    assert pydicom.dcmread(path).file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"


def test_discarded_object_leaves_nothing(tmp_path: Path, spool: Spool) -> None:
    """The connection broke."""
    incoming = spool.receive(b"meta")
    incoming.write(b"half of it")

    incoming.discard()
    incoming.discard()

    assert list((tmp_path / "spool" / "incoming").iterdir()) == []


def test_same_object_again_heals_a_torn_file(spool: Spool) -> None:
    """A power failure may leave a damaged file that was not acknowledged."""
    path = _store(spool, b"abcd")
    path.write_bytes(b"me")

    assert _store(spool, b"abcd") == path
    assert path.read_bytes() == b"metaabcd"


def test_other_content_has_another_place(spool: Spool) -> None:
    """The first object of a UID cannot be overwritten."""
    assert _store(spool, b"abcd") != _store(spool, b"abce")


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", "", "a/b", "1.2/3", "1." * 40, "\0"])
def test_no_identifier_leads_out_of_the_spool(tmp_path: Path, spool: Spool, uid: str) -> None:
    """A UID from the network cannot contain a path."""
    path = spool.place(uid, uid, uid, hashlib.sha256().hexdigest())

    assert path.resolve().is_relative_to((tmp_path / "spool").resolve())
    assert len(path.relative_to(tmp_path / "spool").parts) == 3


def test_unfinished_files_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    """Only its own files: other listeners may be writing."""
    incoming = tmp_path / "spool" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "listener.7.part").touch()
    (incoming / "listener-2.7.part").touch()

    Spool(tmp_path / "spool", writer="listener")

    assert [path.name for path in incoming.iterdir()] == ["listener-2.7.part"]


def test_watermark_refuses_before_the_disk_is_full(tmp_path: Path) -> None:
    """At every object, until there is space again."""
    spool = Spool(tmp_path, min_free_gb=1e9)
    for _ in range(3):
        with pytest.raises(SpoolFull, match="GB free"):
            spool.check_space()


def test_file_meta_is_what_pydicom_writes(tmp_path: Path) -> None:
    """Group length, padding and order as PS3.10 requires."""
    ours = file_meta(CTImageStorage, "1.2.345", ExplicitVRLittleEndian)
    path = tmp_path / "meta.dcm"
    path.write_bytes(ours)

    buffer = DicomBytesIO()
    meta = pydicom.filereader.read_file_meta_info(path)
    pydicom.filewriter.write_file_meta_info(buffer, meta)

    assert ours == bytes(128) + b"DICM" + buffer.getvalue()

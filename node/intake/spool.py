"""Store objects durably: temporary file, rename, flush of the file and of its folder.

Takes  encoded data set
Gives  StoredInstance
Next   node.ledger.received

The file name contains the digest of the content: the same object sent again replaces its own file,
and another object with the same SOP Instance UID cannot overwrite the first.
"""

import errno
import hashlib
import itertools
import os
import re
import shutil
import struct
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from node.errors import SpoolFull
from pipelines.contract.durable import sync_folder

INCOMING: Final = "incoming"
GIGABYTE: Final = 10**9
CHECK_SPACE_EVERY: Final = 16
"""Objects between two checks of the free space."""
FLUSHERS: Final = 16
IMPLEMENTATION_CLASS_UID: Final = "2.25.318260457113904163118127826034985172063"
IMPLEMENTATION_VERSION_NAME: Final = "OSTEONODE"


class Spool:
    """The folder of received objects, as one listener process sees it.

    Parameters
    ----------
    folder
        On one file system with its subfolders.
    writer
        Name of this process among the listeners; part of the name of its unfinished files.
    min_free_gb
        Free space below which objects are refused.
    """

    def __init__(self, folder: Path, *, writer: str = "listener", min_free_gb: float = 0) -> None:
        self._folder = folder
        self._incoming = folder / INCOMING
        self._writer = writer
        self._min_free_bytes = min_free_gb * GIGABYTE
        self._numbers = itertools.count()
        self._known_folders: set[Path] = set()
        self._flushers = ThreadPoolExecutor(FLUSHERS, thread_name_prefix="flush")
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.glob(f"{writer}.*.part"):
            leftover.unlink()

    def check_space(self) -> None:
        """Check the free space, once for several objects.

        Raises
        ------
        SpoolFull
            Less than ``min_free_gb`` is free.
        """
        if next(self._numbers) % CHECK_SPACE_EVERY:
            return
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < self._min_free_bytes:
            self._numbers = itertools.count()  # check again at the next object
            raise SpoolFull(
                f"{free_bytes / GIGABYTE:.1f} GB free for the spool",
                f"{self._min_free_bytes / GIGABYTE:.1f} GB",
                "free disk space or lower intake.min_free_gb",
            )

    def place(self, study: str, series: str, instance: str, sha256: str) -> Path:
        """Final path of an object."""
        name = f"{_safe(instance)}.{sha256[:12]}.dcm"
        return self._folder / _safe(study) / _safe(series) / name

    def receive(self, meta: bytes) -> "IncomingFile":
        """Open a file for an object that is arriving.

        Raises
        ------
        SpoolFull
            The file system is full, or less than ``min_free_gb`` is free.
        """
        self.check_space()
        name = f"{self._writer}.{next(self._numbers)}.part"
        with _full_disk_explained():
            return IncomingFile(self._incoming / name, meta)

    def keep(self, incoming: "IncomingFile", path: Path) -> "Flush":
        """Rename a complete object to its final name, and start to flush it.

        The file is complete under its name when this returns, also if the process is killed. It is
        durable after `Flush.wait`: a power failure before that can leave a damaged file, but the
        sender has not received 0x0000, and its next try replaces the file (same name).

        Raises
        ------
        SpoolFull
            The file system is full.
        """
        with _full_disk_explained():
            self._make_folder(path.parent)
            try:
                descriptor = incoming.keep(path)
            except OSError:
                self._known_folders.discard(path.parent)
                raise
        return Flush(
            self._flushers.submit(_flush_and_close, descriptor),
            self._flushers.submit(sync_folder, path.parent),
        )

    def _make_folder(self, folder: Path) -> None:
        if folder in self._known_folders:
            return
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
        sync_folder(self._folder)
        self._known_folders.add(folder)


class IncomingFile:
    """File of an object that is arriving: written and digested piece by piece.

    Parameters
    ----------
    meta
        Preamble and file meta information, written first; the encoded data set follows.
    """

    def __init__(self, path: Path, meta: bytes) -> None:
        self._path = path
        self._meta_bytes = len(meta)
        self._digest = hashlib.sha256()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        self.size_bytes = 0
        with _full_disk_explained():
            _write_all(self._descriptor, meta)

    def write(self, piece: bytes) -> None:
        """Append a piece of the encoded data set."""
        with _full_disk_explained():
            _write_all(self._descriptor, piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)

    @property
    def sha256(self) -> str:
        """Digest of the encoded data set."""
        return self._digest.hexdigest()

    @contextmanager
    def encoded(self) -> Iterator[BinaryIO]:
        """Read the encoded data set from its start."""
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            stream.seek(self._meta_bytes)
            yield stream

    def keep(self, path: Path) -> int:
        """Rename to the final name. Returns the open descriptor, which the caller must close."""
        self._path.rename(path)
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def discard(self) -> None:
        """Remove the file, unless `keep` was called."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.unlink(missing_ok=True)


class Flush:
    """Running flushes of a file and of its folder, in parallel because each waits for the disk."""

    def __init__(self, *parts: "Future[None]") -> None:
        self._parts = parts

    def wait(self) -> None:
        """Wait until file and folder are on disk.

        Raises
        ------
        SpoolFull
            The file system is full.
        """
        wait(self._parts)
        with _full_disk_explained():
            for part in self._parts:
                part.result()


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble and file meta information (PS3.10 7.1), always explicit VR little endian."""
    elements = b"".join(
        (
            b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01",
            _meta_element(0x02, b"UI", sop_class_uid),
            _meta_element(0x03, b"UI", sop_instance_uid),
            _meta_element(0x10, b"UI", transfer_syntax_uid),
            _meta_element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
            _meta_element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
        )
    )
    length = struct.pack("<HH2sHL", 0x02, 0x00, b"UL", 4, len(elements))
    return b"".join((bytes(128), b"DICM", length, elements))


def _flush_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _meta_element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 0x02, element, vr, len(value)) + value


def _safe(uid: str) -> str:
    """File name of a UID; for other text its digest, so that no path points outside the folder."""
    if re.fullmatch(r"[0-9][0-9.]{0,63}", uid):
        return uid
    return "x" + hashlib.sha256(uid.encode()).hexdigest()[:32]


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _full_disk_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SpoolFull("no space left for the spool", "", "free disk space") from error
        raise


def remove(path: Path) -> None:
    """Remove a file whose object is not in the ledger."""
    with suppress(FileNotFoundError):
        path.unlink()

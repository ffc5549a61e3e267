"""Send a folder of DICOM files by C-STORE, unchanged.

Each file is sent in its own transfer syntax; no file is decoded or converted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.status import code_to_category

from node.dicom_peer import Peer
from node.errors import ConfigError, PeerRefused, PeerUnreachable

MAX_CONTEXTS: Final = 128
MAX_PDU_BYTES: Final = 131072
NO_CONTEXT: Final = "not sent: the receiver does not accept this kind of object"
NO_ANSWER: Final = "no response: the association ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomFile:
    """A DICOM file to send."""

    path: Path
    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(slots=True)
class SendReport:
    """Number of files by the response of the receiver."""

    statuses: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    not_dicom: int = 0

    @property
    def sent(self) -> int:
        """Number of files that the receiver accepted."""
        return self.statuses.total() - self.failed


def find_dicom_files(folder: Path) -> tuple[list[DicomFile], int]:
    """DICOM files below a folder (or the one file), and the number of other files."""
    found, others = [], 0
    for path in _walk(folder):
        try:
            meta = read_file_meta_info(path)
            entry = DicomFile(
                path=path,
                sop_class_uid=str(meta.MediaStorageSOPClassUID),
                transfer_syntax_uid=str(meta.TransferSyntaxUID),
            )
        except (InvalidDicomError, AttributeError, OSError, ValueError):
            others += 1
            continue
        if path.name != "DICOMDIR":
            found.append(entry)
    return found, others


def send_folder(
    folder: Path,
    peer: Peer,
    *,
    on_file: Callable[[int, int], None] = lambda _done, _total: None,
) -> SendReport:
    """Send every DICOM file below a folder.

    Parameters
    ----------
    on_file
        Called after each file with the number of files done and of all files.

    Raises
    ------
    ConfigError
        The folder has no DICOM file.
    PeerUnreachable, PeerRefused
        No association.
    """
    files, others = find_dicom_files(folder)
    if not files:
        raise ConfigError(f"no DICOM file in {folder}", "", "choose a folder with DICOM files")
    report = SendReport(not_dicom=others)
    done = 0
    for batch in _batches(files):
        association = _associate(batch, peer)
        try:
            for one in batch:
                _send(association, one, report)
                done += 1
                on_file(done, len(files))
        finally:
            if association.is_established:
                association.release()
    return report


def echo(peer: Peer) -> None:
    """C-ECHO.

    Raises
    ------
    PeerUnreachable, PeerRefused
        No association, or no success.
    """
    context = build_context("1.2.840.10008.1.1")
    association = _request([context], peer)
    try:
        status = association.send_c_echo()
        if getattr(status, "Status", None) != 0:
            raise PeerRefused(f"{peer} responds to C-ECHO without success", "", "see its log")
    finally:
        if association.is_established:
            association.release()


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _batches(files: Iterable[DicomFile]) -> Iterator[list[DicomFile]]:
    """Split files so that each association has at most `MAX_CONTEXTS` presentation contexts."""
    kinds: dict[tuple[str, str], list[DicomFile]] = {}
    for one in files:
        kinds.setdefault((one.sop_class_uid, one.transfer_syntax_uid), []).append(one)
    groups = list(kinds.values())
    for start in range(0, len(groups), MAX_CONTEXTS):
        yield [one for group in groups[start : start + MAX_CONTEXTS] for one in group]


def _associate(batch: list[DicomFile], peer: Peer) -> Association:
    kinds = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in batch})
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in kinds]
    return _request(contexts, peer)


def _request(contexts: list[PresentationContext], peer: Peer) -> Association:
    entity = AE(peer.calling_ae_title)
    association = entity.associate(
        peer.host, peer.port, contexts, ae_title=peer.ae_title, max_pdu=MAX_PDU_BYTES
    )
    if association.is_established:
        return association
    if association.is_rejected:
        answer = association.acceptor.primitive
        why = answer.reason_str if answer else "no reason given"
        raise PeerRefused(f"{peer} rejects the association: {why}", "", "check the AE titles")
    raise PeerUnreachable(f"{peer} cannot be reached", "", "check address, port and firewall")


def _send(association: Association, one: DicomFile, report: SendReport) -> None:
    if not association.is_established:
        report.statuses[NO_ANSWER] += 1
        report.failed += 1
        return
    _config.STORE_SEND_CHUNKED_DATASET = True  # send the bytes of the file unchanged
    try:
        answer = association.send_c_store(one.path)
    except ValueError:
        report.statuses[NO_CONTEXT] += 1
        report.failed += 1
        return
    if "Status" not in answer:
        report.statuses[NO_ANSWER] += 1
        report.failed += 1
        return
    category = code_to_category(answer.Status)
    comment = f": {answer.ErrorComment}" if answer.get("ErrorComment") else ""
    report.statuses[f"0x{answer.Status:04X} {category}{comment}"] += 1
    if category not in {"Success", "Warning"}:
        report.failed += 1

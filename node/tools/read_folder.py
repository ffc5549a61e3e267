"""Select the series of a folder of DICOM files, by the rules of the node."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from node.series.index import header_of, series_record
from node.series.selection import Loser, Selection, select_series
from node.tools.identity import identify


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSelection:
    """Series and other files of a folder.

    Parameters
    ----------
    losers
        Every series that is not measured, with its reason.
    not_dicom
        Files that are not DICOM.
    """

    selection: Selection | None
    losers: tuple[Loser, ...]
    not_dicom: tuple[Path, ...]


def select_folder(folder: Path) -> FolderSelection:
    """Select the best series of a folder and its subfolders (or of one file)."""
    files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    found: dict[tuple[str, str], list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    not_dicom = []
    for path in (one for one in files if one.is_file()):
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError, ValueError):
            not_dicom.append(path)
            continue
        identity = identify(dataset, path)
        key = identity.study_instance_uid, identity.series_instance_uid
        found[key].append((identity.sop_instance_uid, str(path), header_of(dataset)))
    records = [series_record(series, study, objects) for (study, series), objects in found.items()]
    selection, losers = select_series(records)
    return FolderSelection(selection=selection, losers=losers, not_dicom=tuple(not_dicom))

"""Real CTs through the whole loop: sender -> Orthanc -> node -> Orthanc, on deploy/orthanc as it is."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest

from pipelines.reporting.radiomics import REPORT_SERIES as RADIOMICS_SERIES
from pipelines.reporting.seg import SERIES_NUMBER as SEG_SERIES
from pipelines.reporting.sr_content import REPORT_SERIES as SR_SERIES
from tests.e2e.node_process import Node, running_node, write_config
from tests.e2e.segmentations import decode
from tests.peers.dcmtk import dcmsend
from tests.peers.orthanc import Orthanc, running_orthanc
from tests.peers.ports import free_port
from tests.peers.validator import dciodvfy_errors
from tests.peers.waiting import wait_until

pytestmark = [pytest.mark.peer("dcmtk", "orthanc", "dciodvfy"), pytest.mark.data]

LUMBAR = ("L1", "L2", "L3", "L4")
MEASURED = 2
"""Of the three CTs; those get a report of radiomic features, too."""
BODY_LABEL = {"T12": 19, "L1": 20, "L2": 21, "L3": 22, "L4": 23, "L5": 24}


@dataclass(frozen=True)
class Loop:
    """Results in the PACS: objects and ``result.json`` by series UID of the CT."""

    node: Node
    orthanc: Orthanc
    series: dict[str, str]
    results: dict[str, dict[str, Any]]
    segmentations: dict[str, Path]
    reports: dict[str, Path]
    features: dict[str, Path]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Loop]:
    """Three real CTs sent to Orthanc; all returned results."""
    folder = tmp_path_factory.mktemp("loop")
    node_port = free_port()
    sources = {
        "abdomen_pelvis": _as_dicom(data / "ct" / "abdomen_pelvis_3mm.nii.gz", folder / "pelvis"),
        "abdomen_5mm": data / "ct" / "abdomen_5mm_dicom",
        "slab": _with_identifiers(data / "ct" / "pet_ct_slab_dicom", folder / "slab"),
    }
    (folder / "pacs").mkdir()
    with running_orthanc(folder / "pacs", node_port=node_port) as orthanc:
        config = write_config(
            folder / "node",
            port=node_port,
            destination=(orthanc.ae_title, orthanc.dicom_port),
            extra="radiomics = true",
        )
        with running_node(config, port=node_port) as node:
            for source in sources.values():
                sent = dcmsend(source, port=orthanc.dicom_port, called=orthanc.ae_title)
                assert sent.returncode == 0, sent.stdout
            wait_until(
                lambda: len(orthanc.instances("SR")) == len(sources) + MEASURED,
                240,
                what=f"all reports in the PACS; {node.tail()}",
            )
            wait_until(lambda: node.status()["waiting"] == 0, 30, what="an idle node")
            yield Loop(
                node=node,
                orthanc=orthanc,
                series={name: _series_uid(source) for name, source in sources.items()},
                results=node.results(),
                segmentations=_download(orthanc, "SEG", SEG_SERIES, folder / "seg"),
                reports=_download(orthanc, "SR", SR_SERIES.number, folder / "sr"),
                features=_download(orthanc, "SR", RADIOMICS_SERIES.number, folder / "radiomics"),
            )


def _as_dicom(nifti: Path, folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "training.cohort",
        "to-dicom",
        str(nifti),
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def _with_identifiers(source: Path, folder: Path) -> Path:
    """The slab was de-identified down to empty UIDs, which no sender can send: complete them."""
    folder.mkdir()
    for path in sorted(source.iterdir()):
        image = pydicom.dcmread(path)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID = "2.25.7001"
        image.SeriesInstanceUID = "2.25.7001.1"
        image.save_as(folder / f"{path.suffix}.dcm")
    return folder


def _series_uid(folder: Path) -> str:
    path = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    return str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)


def _download(orthanc: Orthanc, modality: str, series_number: int, folder: Path) -> dict[str, Path]:
    """Files of one kind by the series UID of the CT they were made from."""
    folder.mkdir()
    found = {}
    for identifier in orthanc.instances(modality):
        path = folder / f"{identifier}.dcm"
        path.write_bytes(orthanc.file(identifier))
        dataset = pydicom.dcmread(path)
        if dataset.SeriesNumber == series_number:
            found[_source_series(dataset)] = path
    return found


def _source_series(derived: pydicom.Dataset) -> str:
    if derived.Modality == "SEG":
        return str(derived.ReferencedSeriesSequence[0].SeriesInstanceUID)
    references = derived.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    for item in references:
        if item.ReferencedSOPSequence[0].ReferencedSOPClassUID == pydicom.uid.CTImageStorage:
            return str(item.SeriesInstanceUID)
    raise AssertionError("the report names no CT")


def test_every_ct_gets_one_report_and_every_measured_one_a_segmentation(loop: Loop) -> None:
    """SEG and SR per reported examination, SR alone where nothing can be reported."""
    assert set(loop.reports) == set(loop.series.values())
    measured = {loop.series["abdomen_pelvis"], loop.series["abdomen_5mm"]}
    assert set(loop.segmentations) == measured


def test_the_archive_with_the_option_gets_the_report_of_radiomic_features(loop: Loop) -> None:
    """One more SR per measured CT: IBSI features of a level, or the code of the reason."""
    assert set(loop.features) == set(loop.segmentations)
    report = pydicom.dcmread(loop.features[loop.series["abdomen_pelvis"]])
    schemes = {one.CodingSchemeDesignator for one in _names(report)}
    assert "IBSI" in schemes
    thick = pydicom.dcmread(loop.features[loop.series["abdomen_5mm"]])
    assert "IBSI" not in {one.CodingSchemeDesignator for one in _names(thick)}


def _names(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """Concept names of all measurements of a report."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            yield child.ConceptNameCodeSequence[0]
        yield from _names(child)


def test_returned_objects_conform_to_their_iods(loop: Loop) -> None:
    """dciodvfy finds no error in any SEG or SR that the PACS holds."""
    made = [loop.segmentations, loop.reports, loop.features]
    for path in [path for one in made for path in one.values()]:
        assert dciodvfy_errors(path) == [], path


def test_real_abdomen_has_l1_to_l4_found_and_named_rightly(loop: Loop, data: Path) -> None:
    """Centroids of L1-L4 lie within 6 mm of the reference labels of the same name."""
    result = loop.results[loop.series["abdomen_pelvis"]]
    reference = _reference_centroids(data)
    measured = {one["level"]: one["centroid_lps_mm"] for one in result["vertebrae"]}
    for level in LUMBAR:
        distance = np.linalg.norm(np.array(measured[level]) - reference[level])
        assert distance <= 6, f"{level} is {distance:.1f} mm off"


def test_real_abdomen_reports_trabecular_values_near_the_reference_medians(loop: Loop) -> None:
    """The spine report of the labelling tool has medians of 129..120 HU for L1-L4."""
    result = loop.results[loop.series["abdomen_pelvis"]]
    assert result["status"] in {"result", "caution"}
    used = [one for one in result["vertebrae"] if one["used"]]
    assert len(used) >= 3
    for one in used:
        assert 80 < one["trabecular_hu_mean"] < 170
        assert one["roi_volume_mm3"] > 1000


def test_segmentation_lies_on_the_reference_bodies_in_patient_space(loop: Loop, data: Path) -> None:
    """A SEG decoded by pydicom alone overlaps the reference bodies: Dice of each lumbar body."""
    series = loop.series["abdomen_pelvis"]
    segments = decode(pydicom.dcmread(loop.segmentations[series]))
    reference = _reference_voxels(data)
    for level in LUMBAR:
        mine = segments[_body_label(segments, level)].voxels()
        dice = 2 * len(mine & reference[level]) / (len(mine) + len(reference[level]))
        assert dice >= 0.85, f"{level}: {dice:.3f}"


def test_two_readers_decode_the_segmentation_alike(loop: Loop) -> None:
    """pydicom alone and highdicom decode the same voxels in patient coordinates."""
    for path in loop.segmentations.values():
        segments = decode(pydicom.dcmread(path))
        other = hd.seg.segread(path)
        for number in other.segment_numbers:
            label = other.get_segment_description(number).segment_label
            volume = other.get_volume(segment_numbers=[number], combine_segments=True)
            indices = np.argwhere(volume.array > 0)
            points = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
            theirs = {tuple(point) for point in np.round(points, 2) + 0.0}
            assert segments[label].voxels() == theirs


def test_vertebrae_without_sacrum_and_clear_ribs_are_presumed(loop: Loop) -> None:
    """5 mm slices, no sacrum, stumps for last ribs: measured, every name marked (docs/results)."""
    result = loop.results[loop.series["abdomen_5mm"]]
    assert result["status"] == "caution"
    assert "naming_presumed" in {reason["code"] for reason in result["reasons"]}
    assert [one["level"] for one in result["vertebrae"]] == ["L1", "L2", "L3"]
    assert all(one["presumed"] for one in result["vertebrae"])


def test_thoracic_slab_is_not_reported_and_has_a_reason(loop: Loop) -> None:
    """No lumbar vertebra in the scan: SR only, with the coded reason."""
    result = loop.results[loop.series["slab"]]
    assert result["status"] == "not_reported"
    assert "levels_not_covered" in {reason["code"] for reason in result["reasons"]}
    assert not [one for one in result["vertebrae"] if one["used"]]


def test_the_ledger_balances_after_the_loop(loop: Loop) -> None:
    """Every received object is accounted for, none waits or failed."""
    balance = loop.node.status()
    assert balance["received"] == balance["delivered"] + balance["skipped"]
    assert balance["waiting"] == balance["failed"] == 0


def _reference_labels(data: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nib.Nifti1Image.from_filename(
        data / "ct" / "abdomen_pelvis_3mm_vertebral_bodies.nii.gz"
    )
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    return np.asarray(image.dataobj), to_lps


def _reference_points(data: Path) -> dict[str, np.ndarray]:
    labels, to_lps = _reference_labels(data)
    found = {}
    for level, value in BODY_LABEL.items():
        indices = np.argwhere(labels == value)
        found[level] = indices @ to_lps[:3, :3].T + to_lps[:3, 3]
    return found


def _reference_centroids(data: Path) -> dict[str, np.ndarray]:
    return {level: points.mean(axis=0) for level, points in _reference_points(data).items()}


def _reference_voxels(data: Path) -> dict[str, set[tuple[float, ...]]]:
    return {
        level: {tuple(point) for point in np.round(points, 2) + 0.0}
        for level, points in _reference_points(data).items()
    }


def _body_label(segments: dict[str, Any], level: str) -> str:
    return next(label for label in segments if level in label and "body" in label.lower())

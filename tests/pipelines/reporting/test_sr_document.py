"""The document around the groups: every report has the same equipment, patient and character set."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pipelines.contract.findings import Abstained
from pipelines.contract.reasons import Reason
from pipelines.lumbar.vertebral_features import LevelFeatures
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.reporting.test_radiomics import report_of as radiomics_of
from tests.pipelines.reporting.test_seg import Measured, measured
from tests.pipelines.reporting.test_sr_content import report_of
from tests.pipelines.stacks import LEVELS, Stack, read

NAMES = [
    pytest.param("ISO_IR 100", "Müller^Jürgen", id="latin-1"),
    pytest.param(["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", id="japanese"),
    pytest.param("ISO_IR 192", "王^小东", id="utf-8"),
]
WITHHELD = tuple(
    LevelFeatures(level=level, features=Abstained(reason=Reason.SHARP_KERNEL)) for level in LEVELS
)
"""The values of the features do not matter for the document."""
EQUIPMENT = (
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
    "VerificationFlag",
    "CompletionFlag",
)


def both(case: Measured) -> dict[str, Dataset]:
    """The measurement report and the report of radiomic features, as written."""
    return {"sr": report_of(case), "radiomics": read(radiomics_of(case, WITHHELD))}


@pytest.mark.parametrize(("character_set", "name"), NAMES)
def test_patient_name_and_character_set_are_those_of_the_source(
    character_set: str | list[str], name: str, tmp_path: Path
) -> None:
    """Each object decodes to the name of the CT, and dciodvfy accepts its encoding."""
    header: dict[str, object] = {"SpecificCharacterSet": character_set, "PatientName": name}
    case = measured(Stack(header=header), tmp_path)

    objects = both(case) | {"seg": read(case.write_segmentation())}
    for kind, made in objects.items():
        assert made.SpecificCharacterSet == character_set
        assert made.PatientName == name
        assert dciodvfy_errors(Path(case.job.output_folder) / f"{kind}.dcm") == []


def test_reports_share_equipment_and_observer(tmp_path: Path) -> None:
    """They differ in series and content alone."""
    sr, radiomics = both(measured(Stack(), tmp_path)).values()

    assert [sr.get(name) for name in EQUIPMENT] == [radiomics.get(name) for name in EQUIPMENT]
    observer = [
        [item for item in one.ContentSequence if item.RelationshipType == "HAS OBS CONTEXT"]
        for one in (sr, radiomics)
    ]
    assert observer[0] == observer[1] != []
    assert sr.SeriesInstanceUID != radiomics.SeriesInstanceUID
    assert (sr.SeriesNumber, radiomics.SeriesNumber) == (9102, 9104)

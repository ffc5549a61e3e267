"""Hips of simulated patients through the shipped networks: one report with vertebrae and femora.

One simulated abdomen; its lower part again with a prosthesis, and cut to one hip.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from pipelines.contract.job import Job, JobInstance, job_key
from pipelines.run import process
from tests.e2e.segmentations import decode
from tests.peers.validator import dciodvfy_errors
from training.cohort.body.anatomy import LABEL_FEMUR
from training.cohort.body.plan import plan_body
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject
from training.cohort.scan.crops import simulate_crop
from training.cohort.scan.image import CtImage
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import Examination, ExaminationPlan, simulate
from training.cohort.write.dicom import write_series

pytestmark = pytest.mark.peer("dciodvfy")

SUBJECT = draw_subject(11, study="femur")
SCANNER = Scanner(slice_thickness_mm=2.0)
PLAN = ExaminationPlan(
    subject=SUBJECT,
    scanner=SCANNER,
    size=200,
    field_of_view_mm=400.0,
    slice_spacing_mm=2.0,
    slices=240,
)
PELVIC_SLICES = 100


@dataclass(frozen=True)
class Processed:
    """Results of one job."""

    result: dict[str, Any]
    objects: dict[str, Path]

    @property
    def femur(self) -> dict[str, Any]:
        (found,) = [one for one in self.result["secondary"] if one["pipeline"] == "hip"]
        return dict(found)

    def side(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.femur["groups"] if one["site"] == name]
        return {one["name"]: one for one in (*found["quantities"], *found["statements"])}


@pytest.fixture(scope="module")
def abdomen() -> Examination:
    """From T10 to below the lesser trochanters."""
    return simulate(PLAN)


def run(image: CtImage, abdomen: Examination, folder: Path) -> Processed:
    write_series(image, abdomen.header, folder / "ct")
    files = sorted((folder / "ct").rglob("*.dcm")) or sorted((folder / "ct").iterdir())
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    instances = tuple(
        JobInstance(sop_instance_uid=str(one.SOPInstanceUID), path=str(file))
        for one, file in zip(headers, files, strict=True)
    )
    series = str(headers[0].SeriesInstanceUID)
    (folder / "out").mkdir()
    job = Job(
        key=job_key(series, [one.sop_instance_uid for one in instances], "test"),
        study_instance_uid=str(headers[0].StudyInstanceUID),
        series_instance_uid=series,
        instances=instances,
        output_folder=str(folder / "out"),
        model_set="test",
    )
    outcome = process(job)
    return Processed(
        result=json.loads((folder / "out" / "result.json").read_text("utf-8")),
        objects={one.kind: Path(one.path) for one in outcome.objects},
    )


@pytest.fixture(scope="module")
def both(abdomen: Examination, tmp_path_factory: pytest.TempPathFactory) -> Processed:
    """The whole examination."""
    return run(abdomen.image, abdomen, tmp_path_factory.mktemp("both"))


def test_one_report_and_one_segmentation_hold_vertebrae_and_femora(both: Processed) -> None:
    assert set(both.objects) == {"seg", "sr"}
    for path in both.objects.values():
        assert dciodvfy_errors(path) == [], path
    levels = {one["level"] for one in both.result["vertebrae"] if one["used"]}
    assert levels == {"L1", "L2", "L3", "L4"}
    labels = {one.SegmentLabel for one in pydicom.dcmread(both.objects["seg"]).SegmentSequence}
    assert {"L1 vertebral body", "left proximal femur", "right proximal femur"} <= labels
    for name in ("left", "right"):
        side = both.side(name)
        assert 60_000 < side["hip_volume"]["value"] < 190_000
        assert -50 < side["hip_attenuation"]["value"] < 600
        shares = [side[f"hip_{one}"] for one in ("normal", "osteopenia", "osteoporosis")]
        if side["hip_class"]["value"] is not None:
            assert sum(one["value"] for one in shares) == pytest.approx(1, abs=0.02)
        else:
            assert {one["withheld_reason"] for one in shares} == {
                side["hip_class"]["withheld_reason"]
            }


def test_femora_lie_on_the_simulated_bones_of_their_own_side(
    both: Processed, abdomen: Examination
) -> None:
    """Decoded by pydicom alone, in patient space; the side is a modifier of the type."""
    dataset = pydicom.dcmread(both.objects["seg"])
    segments = decode(dataset)
    index = np.argwhere(np.isin(abdomen.labels, list(LABEL_FEMUR.values())))
    affine = abdomen.image.affine_lps
    for side, word in ((1, "Left"), (-1, "Right")):
        label = f"{word.lower()} proximal femur"
        (item,) = [one for one in dataset.SegmentSequence if one.SegmentLabel == label]
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        assert kind.CodeMeaning == "Proximal Femur"
        assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == word
        mine = segments[label].voxels()
        bone = index[abdomen.labels[tuple(index.T)] == LABEL_FEMUR[side]]
        places = bone @ affine[:3, :3].T + affine[:3, 3]
        truth = {tuple(place) for place in np.round(places, 2) + 0.0}
        within = len(mine & truth) / len(mine)
        assert within > 0.85, f"{word}: {within:.3f} of the segment lies in that bone"


def test_a_prosthesis_withholds_its_side_alone(abdomen: Examination, tmp_path: Path) -> None:
    """Left: the code of the metal and no number. Right: unchanged."""
    fitted = replace(SUBJECT, findings=replace(SUBJECT.findings, hip_prosthesis="left"))
    lowest = abdomen.image.affine_lps[:3, 3]
    grid = Grid(
        origin_lps_mm=(float(lowest[0]), float(lowest[1]), float(lowest[2])),
        spacing_mm=(2.0, 2.0, 2.0),
        shape=(PELVIC_SLICES, PLAN.size, PLAN.size),
    )
    found = run(simulate_crop(fitted, grid, SCANNER).image, abdomen, tmp_path)
    assert {one["withheld_reason"] for one in found.side("left").values()} == {"hip_metal"}
    assert {one["value"] for one in found.side("left").values()} == {None}
    assert found.side("right")["hip_volume"]["value"] > 60_000
    assert "hip_metal" in {one["code"] for one in found.femur["reasons"]}
    assert dciodvfy_errors(found.objects["sr"]) == []


def test_a_hip_outside_the_field_of_view_is_withheld(abdomen: Examination, tmp_path: Path) -> None:
    """The image ends right of the sacrum: the left hip is measured, the right one is not covered."""
    image = abdomen.image
    middle = float(plan_body(SUBJECT).spine_x(0.0))
    first = int((middle - 50 - image.affine_lps[0, 3]) / image.affine_lps[0, 2])
    affine = image.affine_lps.copy()
    affine[:3, 3] += first * affine[:3, 2]
    half = CtImage(hu=np.ascontiguousarray(image.hu[:PELVIC_SLICES, :, first:]), affine_lps=affine)
    found = run(half, abdomen, tmp_path)
    assert {one["withheld_reason"] for one in found.side("right").values()} == {"hip_not_covered"}
    assert {one["value"] for one in found.side("right").values()} == {None}
    assert found.side("left")["hip_volume"]["value"] > 60_000
    labels = {one.SegmentLabel for one in pydicom.dcmread(found.objects["seg"]).SegmentSequence}
    assert "right proximal femur" not in labels
    assert "left proximal femur" in labels

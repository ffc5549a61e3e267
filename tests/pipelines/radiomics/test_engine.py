"""Both engines of feature extraction make the same report, and refuse the same regions."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.forest import forest_model
from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.contract.findings import Abstained
from pipelines.contract.reasons import Reason
from pipelines.errors import EngineNotInstalled
from pipelines.lumbar.vertebral_features import LevelFeatures
from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.reporting import codes
from pipelines.reporting.radiomics import make_radiomics_report
from pipelines.reporting.seg import make_segmentation, segment_numbers
from pipelines.run import Networks, process
from pipelines.secondary.hip import FOREST, settings_for
from tests.pipelines.radiomics.regions import Case, ellipsoid
from tests.pipelines.reporting.test_seg import Measured, measured
from tests.pipelines.reporting.test_sr_content import meaning
from tests.pipelines.stacks import (
    Stack,
    known_localization,
    known_segmentation,
    read,
    write_stack,
)

RELATIVE = 1e-9
STACK = Stack(spacing_mm=(2.5, 1.2, 1.2), shape=(64, 64, 72), noise_hu=30.0)


def by_engine(case: Case, engine: Engine) -> RadiomicFeatures:
    settings = feature_settings("study2_product")
    (found,) = extract_features(case.image, [case.mask], settings, engine=engine)
    assert isinstance(found, RadiomicFeatures), found
    assert found.engine is engine
    return found


def real_vertebra(data: Path) -> Case:
    """L3 of a clinical CT."""
    hu: Any = nibabel.load(data / "ct" / "l3_crop_ct.nii.gz")
    labels: Any = nibabel.load(data / "ct" / "l3_crop_vertebrae.nii.gz")
    return Case(
        image=ScalarImage(
            values=np.asarray(hu.dataobj, np.float32),
            spacing_mm=np.asarray(hu.header.get_zooms(), np.float64),
        ),
        mask=np.asarray(labels.dataobj) == 22,
    )


def assert_same_numbers(found: RadiomicFeatures, other: RadiomicFeatures) -> None:
    assert list(found.values) == list(other.values)
    for name, value in found.values.items():
        assert other.values[name] == pytest.approx(value, rel=RELATIVE), name


def flat(dataset: Dataset) -> list[tuple[str, Any]]:
    """Every element of a document in order; without the items that name the engine."""
    found: list[tuple[str, Any]] = []
    for element in dataset:
        if element.VR != "SQ":
            found.append((element.keyword, element.value))
            continue
        for item in element.value:
            if "ConceptNameCodeSequence" in item and (
                meaning(item) == codes.RADIOMICS_ENGINE.meaning
            ):
                continue
            found.extend((f"{element.keyword}.{name}", value) for name, value in flat(item))
    return found


def assert_same_document(one: Dataset, other: Dataset) -> None:
    """Numbers to the tolerance, all other elements exactly; when it was made does not count."""
    clock = ("Date", "Time", "DateTime")
    left = [pair for pair in flat(one) if not pair[0].endswith(clock)]
    right = [pair for pair in flat(other) if not pair[0].endswith(clock)]
    assert [name for name, _ in left] == [name for name, _ in right]
    for (name, value), (_, again) in zip(left, right, strict=True):
        if name.endswith(".NumericValue"):
            assert float(again) == pytest.approx(float(value), rel=2e-8)
        else:
            assert again == value, name


def document(case: Measured, found: RadiomicFeatures) -> Dataset:
    """Report of one vertebra of the stack with the given features."""
    segmentation = make_segmentation(case.job, case.series, case.result.regions, ())
    numbers = segment_numbers(case.result.regions)
    level = case.result.regions[0].level
    features = (LevelFeatures(level=level, features=found),)
    made = make_radiomics_report(case.job, case.series, features, segmentation, numbers, ())
    path = Path(case.job.output_folder) / f"{found.engine}.dcm"
    made.save_as(path, enforce_file_format=True)
    return read(path)


@pytest.mark.data
def test_both_engines_make_the_same_report_of_a_real_vertebra(data: Path, tmp_path: Path) -> None:
    """Every feature, and every element of the document but the name of the engine."""
    vertebra, case = real_vertebra(data), measured(STACK, tmp_path)
    native, pyradiomics = (by_engine(vertebra, engine) for engine in Engine)
    assert len(native.values) == 107
    assert_same_numbers(native, pyradiomics)

    written = document(case, pyradiomics)

    assert_same_document(document(case, native), written)
    assert any(
        item.ConceptCodeSequence[0].CodeValue == "pyradiomics"
        for group in written.ContentSequence[-1].ContentSequence
        for item in group.ContentSequence
        if item.ValueType == "CODE" and meaning(item) == codes.RADIOMICS_ENGINE.meaning
    )


def test_a_job_makes_the_same_objects_with_either_engine(tmp_path: Path) -> None:
    """From the slices to the files; only the engine of the job differs."""
    networks = Networks(localize=known_localization, segment=known_segmentation, secondary={})
    job = write_stack(STACK, tmp_path / "ct").model_copy(update={"radiomics": True})
    reports = []
    for engine in Engine:
        folder = tmp_path / engine
        folder.mkdir()
        changed = {"output_folder": str(folder), "radiomics_engine": engine}
        outcome = process(job.model_copy(update=changed), networks=networks)
        assert [made.kind for made in outcome.objects] == ["seg", "sr", "radiomics"]
        reports.append(read(Path(outcome.objects[2].path)))

    assert_same_document(*reports)


def test_the_few_features_of_the_femur_are_the_same() -> None:
    """Settings that leave out images and classes; with Laplacians of Gaussians or wavelets."""
    case = ellipsoid(spacing_mm=(1.25, 0.7, 0.7), seed=2)
    settings = settings_for(forest_model(FOREST).features)
    native, pyradiomics = (
        extract_features(case.image, [case.mask], settings, engine=engine)[0] for engine in Engine
    )
    assert isinstance(native, RadiomicFeatures)
    assert isinstance(pyradiomics, RadiomicFeatures)
    assert_same_numbers(native, pyradiomics)


def test_diagnostics_describe_the_whole_image() -> None:
    """Mean and range of the CT, not of the surroundings of the region."""
    case = ellipsoid(seed=11)
    values = np.pad(case.image.values, ((0, 90), (0, 80), (0, 70)), constant_values=-1000)
    image, mask = replace(case.image, values=values), np.zeros(values.shape, bool)
    mask[tuple(slice(size) for size in case.mask.shape)] = case.mask
    settings = feature_settings("study2_faithful")
    native, pyradiomics = (
        extract_features(image, [mask], settings, engine=engine)[0] for engine in Engine
    )
    assert isinstance(native, RadiomicFeatures)
    assert isinstance(pyradiomics, RadiomicFeatures)
    assert_same_numbers(native, pyradiomics)


def uniform() -> Case:
    case = ellipsoid()
    return replace(
        case, image=replace(case.image, values=np.full(case.mask.shape, 100, np.float32))
    )


def with_metal() -> Case:
    """More grey levels than a matrix can hold."""
    case = ellipsoid()
    values = case.image.values.copy()
    values[tuple(np.argwhere(case.mask)[100])] = 30_000
    return replace(case, image=replace(case.image, values=values))


def empty() -> Case:
    case = ellipsoid()
    return replace(case, mask=np.zeros_like(case.mask))


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (empty, Reason.ROI_TOO_SMALL),
        (uniform, Reason.ROI_UNIFORM),
        (with_metal, Reason.IMPLAUSIBLE_ATTENUATION),
    ],
)
def test_both_engines_refuse_the_same_regions(make: Any, reason: Reason, engine: Engine) -> None:
    """With the same reason."""
    case = make()
    settings = feature_settings("study2_faithful")
    found = extract_features(case.image, [case.mask], settings, engine=engine)
    assert found == (Abstained(reason=reason),)


def test_an_engine_that_is_not_installed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any network runs; the native engine needs nothing."""
    monkeypatch.setitem(sys.modules, "radiomics", None)
    job = write_stack(STACK, tmp_path / "ct")
    require_engine(Engine.NATIVE)
    with pytest.raises(EngineNotInstalled, match=r"not installed; expected .*radiomics.*pip"):
        process(job.model_copy(update={"radiomics_engine": Engine.PYRADIOMICS}))

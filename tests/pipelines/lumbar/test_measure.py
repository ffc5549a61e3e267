"""From masks to findings: means, abstentions, levels left out, density, status."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from pipelines.contract.calibration import GENERIC
from pipelines.contract.findings import Abstained, LumbarFindings, Measured, Status
from pipelines.contract.reasons import Reason
from pipelines.density.attenuation_to_density import DensityPath
from pipelines.gates.all_gates import Quality
from pipelines.locate.localize import Localization
from pipelines.lumbar.attenuation import has_focal_lesion, measure_level
from pipelines.lumbar.examination import ExaminationResult
from pipelines.lumbar.measure import LumbarResult, measure_lumbar
from pipelines.lumbar.outliers import levels_disagree, outlying_levels
from pipelines.outline.trabecular_core import LevelRegion, trabecular_region
from pipelines.read.sources import open_job
from pipelines.read.volume import CtVolume, read_volume
from tests.pipelines.stacks import (
    BONE_HU,
    LEVELS,
    Stack,
    known_localization,
    known_segmentation,
    located,
    write_stack,
)

CLEAN = Quality(concerns=())


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> CtVolume:
    """Clean stack with four bodies."""
    folder = tmp_path_factory.mktemp("measurement")
    return read_volume(open_job(write_stack(Stack(), folder / "ct")))


def with_hu(ct: CtVolume, level: Level, hu: float) -> CtVolume:
    """The same CT with another attenuation of one body."""
    labels = known_segmentation(ct, known_localization(ct)).labels
    changed = ct.hu.copy()
    changed[labels == level] = hu
    return replace(ct, hu=changed)


def lumbar(
    ct: CtVolume,
    quality: Quality = CLEAN,
    found: Localization | None = None,
    withheld: Reason | None = None,
) -> LumbarResult:
    localization = found or known_localization(ct)
    path = DensityPath(
        calibration=GENERIC, withheld_because=withheld or quality.density_withheld_because
    )
    return measure_lumbar(
        ct, localization, known_segmentation(ct, localization), quality, (), density=path
    )


def region(ct: CtVolume, level: Level = Level.L2) -> LevelRegion:
    found = trabecular_region(known_segmentation(ct, known_localization(ct)), located(level))
    assert found is not None
    return found


def status_of(findings: LumbarFindings) -> Status:
    """Of an examination without any secondary result."""
    return ExaminationResult(lumbar=LumbarResult(findings=findings, regions=())).status


def reason_of(value: Measured | Abstained) -> Reason | None:
    return value.reason if isinstance(value, Abstained) else None


def test_mean_is_that_of_the_bone(ct: CtVolume) -> None:
    """Each level has its own attenuation; the mean is over the four."""
    findings = lumbar(ct).findings

    for row in findings.vertebrae:
        assert isinstance(row.trabecular_attenuation, Measured)
        assert row.trabecular_attenuation.value == pytest.approx(BONE_HU[row.level], abs=0.01)
    assert isinstance(findings.mean_attenuation, Measured)
    assert findings.mean_attenuation.value == pytest.approx(np.mean(list(BONE_HU.values())))


def test_uncalibrated_density_makes_caution(ct: CtVolume) -> None:
    """A density that is only a generic estimate is never a plain result."""
    findings = lumbar(ct).findings

    assert (status_of(findings), findings.reasons) == (Status.CAUTION, (Reason.UNCALIBRATED,))
    assert findings.calibration == GENERIC


def test_withheld_density_leaves_attenuation(ct: CtVolume) -> None:
    """Unknown voltage: attenuation is shown, density is not, and the reason is given."""
    findings = lumbar(ct, withheld=Reason.KVP_MISSING).findings

    assert isinstance(findings.mean_attenuation, Measured)
    assert reason_of(findings.mean_vbmd) == Reason.KVP_MISSING
    assert all(reason_of(row.vbmd) == Reason.KVP_MISSING for row in findings.vertebrae)
    assert findings.reasons == (Reason.KVP_MISSING,)


def test_outlying_level_is_shown_but_does_not_count(ct: CtVolume) -> None:
    """A fractured or sclerotic level keeps its attenuation and is excluded from the mean."""
    findings = lumbar(with_hu(ct, Level.L3, 260)).findings
    row = findings.vertebrae[2]

    assert (row.used, row.excluded_reason) == (False, Reason.OUTLIER_LEVEL)
    assert isinstance(row.trabecular_attenuation, Measured)
    assert reason_of(row.vbmd) == Reason.OUTLIER_LEVEL
    assert Reason.OUTLIER_LEVEL in findings.reasons
    assert isinstance(findings.mean_attenuation, Measured)
    assert findings.mean_attenuation.value == pytest.approx((150 + 140 + 145) / 3)


def test_bone_island_is_shown_but_does_not_count(ct: CtVolume) -> None:
    """With a dense spot of 5 % of the core the level is excluded from the mean."""
    target = region(ct)
    where = np.argwhere(target.core)
    spot = where[np.argsort(np.linalg.norm(where - where.mean(axis=0), axis=1))[: len(where) // 20]]
    hu = ct.hu.copy()
    corner = np.array([part.start for part in target.box])
    hu[tuple((spot + corner).T)] = 700.0
    findings = lumbar(replace(ct, hu=hu)).findings
    row = next(one for one in findings.vertebrae if one.level == target.level)

    assert row.excluded_reason == Reason.FOCAL_LESION
    assert isinstance(row.trabecular_attenuation, Measured)
    assert not row.used
    assert Reason.FOCAL_LESION in findings.reasons


@pytest.mark.parametrize("noise_hu", [10, 30, 60, 120])
def test_noise_is_no_lesion(noise_hu: float) -> None:
    """Also at four times the noise of a routine scan."""
    values = np.random.default_rng(4).normal(120, noise_hu, 2000)

    assert not has_focal_lesion(values)


def test_metal_withholds_the_level(ct: CtVolume) -> None:
    """Cement or a screw in the body: the level has no number."""
    hu = ct.hu.copy()
    one = region(ct)
    centre = tuple((part.start + part.stop) // 2 for part in one.box)
    hu[
        centre[0] - 1 : centre[0] + 2, centre[1] - 1 : centre[1] + 2, centre[2] - 1 : centre[2] + 2
    ] = 2800

    assert reason_of(measure_level(replace(ct, hu=hu), one, complete=True).attenuation) == (
        Reason.METAL
    )


def test_level_cut_by_the_scan_is_withheld(ct: CtVolume) -> None:
    """The localisation marks the body as incomplete."""
    assert reason_of(measure_level(ct, region(ct), complete=False).attenuation) == (
        Reason.LEVEL_INCOMPLETE
    )


def test_small_core_is_withheld(ct: CtVolume) -> None:
    """Under 1 cm3 the core is not the middle of a vertebra."""
    one = region(ct)
    core = np.zeros_like(one.core)
    core[tuple(np.argwhere(one.core)[:100].T)] = True

    assert reason_of(measure_level(ct, replace(one, core=core), complete=True).attenuation) == (
        Reason.ROI_TOO_SMALL
    )


def test_flat_body_is_withheld(ct: CtVolume) -> None:
    """A body under 15 mm high is crushed or badly segmented."""
    one = replace(region(ct), extent_mm=(12.0, 32.0, 42.0))

    assert reason_of(measure_level(ct, one, complete=True).attenuation) == (
        Reason.IMPLAUSIBLE_SHAPE
    )


def test_sclerotic_mean_is_withheld(ct: CtVolume) -> None:
    """Above 350 HU the mean is no measure of density."""
    dense = with_hu(ct, Level.L2, 420)

    assert reason_of(measure_level(dense, region(dense), complete=True).attenuation) == (
        Reason.IMPLAUSIBLE_ATTENUATION
    )


def test_one_level_has_no_mean(ct: CtVolume) -> None:
    """A mean needs two levels; the one level is still shown."""
    found = known_localization(ct)
    alone = replace(
        found, vertebrae=tuple(located(level, complete=level == Level.L1) for level in LEVELS)
    )
    findings = lumbar(ct, found=alone).findings

    assert status_of(findings) == Status.CAUTION
    assert reason_of(findings.mean_attenuation) == Reason.TOO_FEW_VALID_LEVELS
    assert isinstance(findings.vertebrae[0].trabecular_attenuation, Measured)


def test_no_level_reports_nothing(ct: CtVolume) -> None:
    """All bodies cut: not reported, no number anywhere, no region to draw."""
    found = known_localization(ct)
    cut = replace(found, vertebrae=tuple(located(level, complete=False) for level in LEVELS))
    result = lumbar(ct, found=cut)

    assert status_of(result.findings) == Status.NOT_REPORTED
    assert result.findings.reasons[0] == Reason.LEVELS_NOT_COVERED
    assert result.regions == ()
    for row in result.findings.vertebrae:
        assert isinstance(row.trabecular_attenuation, Abstained)
        assert isinstance(row.vbmd, Abstained)


@pytest.mark.parametrize(
    ("levels", "reason"),
    [((), Reason.NO_SPINE_FOUND), ((Level.T11, Level.T12), Reason.LEVELS_NOT_COVERED)],
)
def test_scan_without_lumbar_levels_has_a_reason(
    ct: CtVolume, levels: tuple[Level, ...], reason: Reason
) -> None:
    """No spine at all, or only levels that are not measured."""
    found = known_localization(ct)
    other = tuple(replace(located(Level.L1), level=level) for level in levels)
    findings = lumbar(ct, found=replace(found, vertebrae=other)).findings

    assert (status_of(findings), findings.reasons) == (Status.NOT_REPORTED, (reason,))


def test_an_unusual_count_of_lumbar_vertebrae_has_its_own_reason(ct: CtVolume) -> None:
    """Sacrum and last rib with six bodies between them: reported with the presumed names."""
    found = replace(known_localization(ct), presumed=True, lumbar_count=6)

    reasons = lumbar(ct, found=found).findings.reasons

    assert Reason.NAMING_PRESUMED in reasons
    assert Reason.TRANSITIONAL_COUNT in reasons


def test_presumed_names_are_flagged(ct: CtVolume) -> None:
    """Every row and the examination mark the names as presumed."""
    findings = lumbar(ct, found=replace(known_localization(ct), presumed=True)).findings

    assert Reason.NAMING_PRESUMED in findings.reasons
    assert all(row.presumed for row in findings.vertebrae)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((150, 140, 135, 145), ()),
        ((150, 140, 135, 90), (Level.L4,)),
        ((60, 45, 50, 40), ()),
        ((150, 240, 150, 30), (Level.L4, Level.L2)),
        ((100, 200), ()),
    ],
)
def test_outliers(values: tuple[float, ...], expected: tuple[Level, ...]) -> None:
    """25 % of the others' median, between 30 and 63 HU; two levels exclude none."""
    assert outlying_levels(dict(zip(LEVELS, values, strict=False))) == expected


def test_two_levels_that_differ_disagree() -> None:
    """Neither can be identified as wrong, but the difference is flagged."""
    assert levels_disagree({Level.L1: 100.0, Level.L2: 200.0})
    assert not levels_disagree({Level.L1: 100.0, Level.L2: 110.0})


def test_generic_density_follows_the_documented_slope() -> None:
    """130.9 HU are 100 mg/cm3, with the uncertainty of scanners and of missing calibration."""
    density = DensityPath(calibration=GENERIC).density(Measured(value=130.9, unit="[hnsf'U]"))

    assert isinstance(density, Measured)
    assert density.value == pytest.approx(100)
    assert density.standard_uncertainty == pytest.approx(np.hypot(14, 13.2))


def test_noise_averages_out(tmp_path: Path) -> None:
    """30 HU of noise leave the mean within 1 HU and the spread at 30 HU."""
    noisy = read_volume(open_job(write_stack(Stack(noise_hu=30), tmp_path / "ct")))
    row = lumbar(noisy).findings.vertebrae[0]

    assert isinstance(row.trabecular_attenuation, Measured)
    assert row.trabecular_attenuation.value == pytest.approx(150, abs=3)
    assert row.trabecular_attenuation.standard_deviation == pytest.approx(30, abs=3)

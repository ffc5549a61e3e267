"""The chest pipeline on stacks with known bodies: routing, completeness, withheld classes."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from pipelines.contract.secondary_findings import Pipeline
from pipelines.density.categories import range_number
from pipelines.locate.localize import Localization, LocatedBody
from pipelines.read.volume import CtVolume
from pipelines.run import Networks, process
from pipelines.secondary.chest.report import (
    FUSION_MODEL,
    SINGLE_MODEL,
    ChestNetworks,
    report_chest,
    shows_chest,
)
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.stacks import (
    Stack,
    known_localization,
    known_segmentation,
    located,
    write_stack,
)

CHEST = Stack(spacing_mm=(2.0, 0.8, 0.8), shape=(84, 90, 100))
NORMAL, LOW, VERY_LOW = range(3)


def with_thorax(
    ct: CtVolume, *, bodies: int = 7, change: Callable[[Localization], Localization] | None = None
) -> Localization:
    """Return the four bodies of the stack, and some above them."""
    found = known_localization(ct)
    first = found.vertebrae[0]
    x, y, z = first.centre_lps_mm
    above = tuple(
        replace(first, level=Level(Level.L1 - n), centre_lps_mm=(x, y, z + 30.0 * n))
        for n in range(bodies, 0, -1)
    )
    found = replace(found, vertebrae=above + found.vertebrae)
    return change(found) if change else found


def without(found: Localization, *levels: Level) -> Localization:
    return replace(found, vertebrae=tuple(v for v in found.vertebrae if v.level not in levels))


def cut(found: Localization, level: Level) -> Localization:
    """One level reaches the edge of the scan."""
    kept = without(found, level).vertebrae
    whole = (*kept, located(level, complete=False))
    return replace(found, vertebrae=tuple(sorted(whole, key=lambda one: one.level)))


class Known:
    """Networks that outline all pixels brighter than tissue, and predict one class."""

    def __init__(self, predicts: int = NORMAL, share: float = 0.8) -> None:
        self.predicts, self.share = predicts, share
        self.runs: list[tuple[str, tuple[int, ...]]] = []

    def outline(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return (image > 0.39).astype(np.float32)

    def classify(self, name: str, image: NDArray[np.float32]) -> NDArray[np.float64]:
        self.runs.append((name, image.shape))
        shares = np.full(3, (1 - self.share) / 2)
        shares[self.predicts] = self.share
        return shares


def run(
    folder: Path,
    known: Known | None = None,
    stack: Stack = CHEST,
    change: Callable[[Localization], Localization] | None = None,
    bodies: int = 7,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """result.json, and the chest's part of it; the report is checked."""
    known = known or Known()
    networks = ChestNetworks(outline=known.outline, classify=known.classify)
    job = write_stack(stack, folder / "ct")
    outcome = process(
        job,
        networks=Networks(
            localize=partial(with_thorax, bodies=bodies, change=change),
            segment=known_segmentation,
            secondary={Pipeline.CHEST: partial(report_chest, networks=networks)},
        ),
    )
    for made in outcome.objects:
        assert dciodvfy_errors(Path(made.path)) == []
    result = json.loads((Path(job.output_folder) / "result.json").read_text("utf-8"))
    return result, result["secondary"][0]


def numbers(entry: dict[str, Any], name: str) -> list[Any]:
    return [
        one["value"] if one["value"] is not None else one["withheld_reason"]
        for group in entry["groups"]
        for one in group["quantities"]
        if one["name"] == name
    ]


def statement(entry: dict[str, Any], name: str) -> Any:
    for one in entry["groups"][-1]["statements"]:
        if one["name"] == name:
            return one["value"] if one["value"] is not None else one["withheld_reason"]
    raise AssertionError(entry)


def test_both_levels_go_to_the_fused_network(tmp_path: Path) -> None:
    """Attenuation, area, density, class and range of both levels arrive in result and report."""
    known = Known()
    result, chest = run(tmp_path, known)

    assert known.runs == [(FUSION_MODEL, (2, 96, 96))]
    assert numbers(chest, "chest_attenuation") == pytest.approx([150, 140], abs=0.5)
    area = np.pi * 16 * 21
    assert numbers(chest, "chest_area") == pytest.approx([area, area], rel=0.03)
    rows = {row["level"]: row for row in result["vertebrae"]}
    mean = (rows["L1"]["vbmd_mg_cm3"] + rows["L2"]["vbmd_mg_cm3"]) / 2
    assert numbers(chest, "chest_vbmd") == pytest.approx([mean], abs=0.11)
    assert statement(chest, "chest_class") == "like_not_low"
    assert chest["reasons"] == []
    names = {model["name"] for model in result["model_set"]["models"]}
    assert {"chest_dcnn", "chest_fusion"} <= names


@pytest.mark.parametrize("leave", ["out", "cut"])
def test_a_scan_that_ends_in_l2_is_classified_by_l1(leave: str, tmp_path: Path) -> None:
    """Model 2 takes L1 alone; L2 has its reason, and a sentence states that one level was used."""
    levels = (Level.L2, Level.L3, Level.L4)

    def ends(found: Localization) -> Localization:
        return without(found, *levels) if leave == "out" else cut(without(found, *levels), Level.L2)

    known = Known()
    _, chest = run(tmp_path, known, change=ends)

    assert known.runs == [(SINGLE_MODEL, (1, 96, 96))]
    why = "levels_not_covered" if leave == "out" else "level_incomplete"
    assert numbers(chest, "chest_attenuation") == [pytest.approx(150, abs=0.5), why]
    assert statement(chest, "chest_class") == "like_not_low"
    assert any("Only L1" in sentence for sentence in chest["groups"][-1]["sentences"])


def test_a_scan_that_ends_in_t12_reports_nothing(tmp_path: Path) -> None:
    """Neither density nor class: ``not_reported``, because the levels are not covered."""
    known = Known()
    lumbar = (Level.L1, Level.L2, Level.L3, Level.L4)
    result, chest = run(tmp_path, known, change=lambda found: without(found, *lumbar))

    assert result["status"] == "not_reported"
    assert "levels_not_covered" in [one["code"] for one in result["reasons"]]
    assert not chest["reported"]
    assert [one["code"] for one in chest["reasons"]] == ["levels_not_covered"]
    assert known.runs == []


def test_the_networks_do_not_run_on_an_abdomen(tmp_path: Path) -> None:
    """T9 to L4: only the lumbar pipeline reports; the header has no effect."""
    known = Known()
    stack = replace(CHEST, header={"BodyPartExamined": "CHEST"})
    result, chest = run(tmp_path, known, stack, bodies=4)

    assert [one["code"] for one in chest["reasons"]] == ["chest_not_covered"]
    assert known.runs == []
    assert result["mean"]["trabecular_hu_mean"] is not None


def test_a_chest_is_recognised_without_its_header(tmp_path: Path) -> None:
    """A chest-abdomen CT called an abdomen has both: L1 to L4 and the networks' class."""
    stack = replace(CHEST, header={"BodyPartExamined": "ABDOMEN"})
    result, chest = run(tmp_path, stack=stack)

    assert len(result["vertebrae"]) == 4
    assert chest["reported"]


def test_unnamed_bodies_above_count_as_chest(tmp_path: Path) -> None:
    def found(named: int, unnamed: int) -> Localization:
        vertebrae = tuple(located(level) for level in (Level.L1, Level.L2))
        x, y, z = vertebrae[0].centre_lps_mm
        body = LocatedBody(
            centre_lps_mm=(x, y, z + 200),
            **{
                name: getattr(vertebrae[0], name)
                for name in (
                    "up_lps", "lower_lps_mm", "upper_lps_mm", "lower_normal_lps",
                    "upper_normal_lps", "complete",
                )
            },
        )  # fmt: skip
        thorax = tuple(replace(vertebrae[0], level=Level(19 - n)) for n in range(named))
        return Localization(
            vertebrae=(*thorax, *vertebrae),
            presumed=False,
            unnamed=(body,) * unnamed,
            grid=None,  # type: ignore[arg-type]
            body_probability=np.zeros((0, 0, 0), np.float32),
        )

    assert shows_chest(found(2, 4))
    assert not shows_chest(found(2, 3))


def test_a_class_two_steps_from_the_density_is_withheld(tmp_path: Path) -> None:
    """230 HU is not low; the class very low is withheld, and the density is reported."""
    bright = dict.fromkeys((Level.L1, Level.L2, Level.L3, Level.L4), 230.0)
    _, chest = run(tmp_path, Known(predicts=VERY_LOW), replace(CHEST, bone_hu=bright))

    assert statement(chest, "chest_class") == "class_disagrees"
    assert numbers(chest, "chest_osteoporosis") == ["class_disagrees"]
    assert isinstance(numbers(chest, "chest_vbmd")[0], float)
    assert statement(chest, "chest_range") in {"not_low", "low", "indeterminate"}


def test_a_neighbouring_class_is_shown_beside_the_density(tmp_path: Path) -> None:
    _, chest = run(tmp_path, Known(predicts=LOW))

    assert statement(chest, "chest_class") == "like_low"


def test_no_majority_is_no_class(tmp_path: Path) -> None:
    _, chest = run(tmp_path, Known(share=0.45))

    assert statement(chest, "chest_class") == "like_no_range"


def test_metal_in_l2_leaves_that_level_out(tmp_path: Path) -> None:
    """The level has its code; L1 alone goes to model 2."""
    known = Known()
    bright = {Level.L1: 150.0, Level.L2: 2600.0, Level.L3: 135.0, Level.L4: 145.0}
    _, chest = run(tmp_path, known, replace(CHEST, bone_hu=bright))

    assert numbers(chest, "chest_attenuation")[1] == "metal"
    assert [name for name, _ in known.runs] == [SINGLE_MODEL]


def test_metal_in_l1_leaves_no_class(tmp_path: Path) -> None:
    """There is no model of L2 alone; its attenuation and density are reported."""
    known = Known()
    bright = {Level.L1: 2600.0, Level.L2: 140.0, Level.L3: 135.0, Level.L4: 145.0}
    _, chest = run(tmp_path, known, replace(CHEST, bone_hu=bright))

    assert numbers(chest, "chest_attenuation") == ["metal", pytest.approx(140, abs=0.5)]
    assert statement(chest, "chest_class") == "too_few_valid_levels"
    assert known.runs == []


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"KVP": "100"}, "kvp_not_120"),
        ({"KVP": ""}, "kvp_missing"),
        ({"PatientAge": "041Y"}, "not_in_scope"),
        ({"PatientAge": ""}, "age_or_sex_unknown"),
        ({"PatientSex": ""}, "age_or_sex_unknown"),
        ({"SliceThickness": 5.0}, "too_coarse"),
    ],
)
def test_out_of_scope_has_no_class(header: dict[str, Any], reason: str, tmp_path: Path) -> None:
    known = Known()
    _, chest = run(tmp_path, known, replace(CHEST, header=header))

    assert statement(chest, "chest_class") == reason
    assert numbers(chest, "chest_attenuation") == pytest.approx([150, 140], abs=0.5)
    assert known.runs == []


def test_an_outline_that_fails_withholds_its_level(tmp_path: Path) -> None:
    known = Known()
    known.outline = lambda image: np.zeros_like(image)  # type: ignore[method-assign]
    _, chest = run(tmp_path, known)

    assert numbers(chest, "chest_attenuation") == ["slice_outline_uncertain"] * 2
    assert not chest["reported"]


@pytest.mark.parametrize(
    ("density", "expected"), [(120.1, 0), (120.0, 1), (80.0, 1), (79.9, 2), (-5.0, 2)]
)
def test_ranges_of_a_density(density: float, expected: int) -> None:
    assert range_number(density) == expected


def test_the_report_names_no_probability_of_fracture(tmp_path: Path) -> None:
    """docs/domain.md 4.2: similarity to ranges, no T-score, no risk."""
    run(tmp_path)

    words = str(pydicom.dcmread(tmp_path / "output" / "sr.dcm")).lower()
    assert "similarity to spines" in words
    for forbidden in ("t-score", "probability of", "risk of"):
        assert forbidden not in words.replace("no t-score", "")

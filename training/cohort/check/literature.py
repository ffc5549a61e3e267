"""Compare the virtual cohort with published values, one comparison per function.

The published numbers and their sources are here. This module tunes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import render
from training.cohort.body.plan import plan_body
from training.cohort.dxa.hip import scan_hip
from training.cohort.dxa.spine import scan_spine
from training.cohort.matter.media import Media
from training.cohort.matter.physics import material_hu, mineral_mg_cm3, spongiosa
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Part
from training.cohort.people.densitometry import DXA_LEVELS
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.population import LEVELS, Population, draw_population, seeds_of
from training.cohort.people.studies import study_groups
from training.cohort.people.subject import Subject, draw_subject, subject_of
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import ExaminationPlan, simulate

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity of a comparison.

    Parameters
    ----------
    low, high
        Published range.
    found
        Value of the cohort.
    """

    what: str
    low: float
    high: float
    found: float

    @property
    def agrees(self) -> bool:
        """Whether the value lies in the published range."""
        return self.low <= self.found <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Rows that share unit and source."""

    title: str
    unit: str
    source: str
    rows: tuple[Row, ...]
    decimals: int = 0
    remark: str = ""


def tissues() -> Comparison:
    """HU of soft tissues at 120 kVp."""
    ranges = {
        "adipose": (-115, -90),
        "muscle": (35, 60),
        "blood": (35, 60),
        "liver": (40, 65),
        "kidney": (25, 45),
        "spleen": (35, 55),
        "urine": (-5, 20),
    }
    rows = tuple(
        Row(what=name, low=low, high=high, found=material_hu(name, 120))
        for name, (low, high) in ranges.items()
    )
    return Comparison(
        title="Soft tissue at 120 kVp",
        unit="HU",
        source="clinical ranges of radiology textbooks, unenhanced",
        rows=rows,
    )


JANG_AT_27: Final = 226.0
JANG_PER_YEAR: Final = -2.5
JANG_SD: Final = 42.0


def l1_attenuation(people: Population) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """True trabecular attenuation of L1 at 120 kVp, HU."""
    density = people.vbmd_mg_cm3[:, LEVELS.index(Level.L1)]
    return np.array(
        [
            float(spongiosa(fat, 120).at(mineral_mg_cm3(value, fat)))
            for value, fat in zip(density, people.marrow_fat.round(3), strict=True)
        ]
    )


def trabecular_by_age() -> Comparison:
    """Attenuation of L1 by decade, equal numbers of both sexes."""
    rows = []
    for middle in (25, 35, 45, 55, 65, 75, 85):
        found = []
        for sex in "MF":
            people = draw_population(
                seeds_of(middle, 400), study_groups("chest"), sex=sex, age_years=middle
            )
            found.append(l1_attenuation(people).mean())
        expected = JANG_AT_27 + JANG_PER_YEAR * (middle - 27)
        rows.append(
            Row(
                what=f"L1 at {middle} years",
                low=expected - JANG_SD / 2,
                high=expected + JANG_SD / 2,
                found=float(np.mean(found)),
            )
        )
    return Comparison(
        title="Trabecular bone of L1 by age, 120 kVp",
        unit="HU",
        source="Jang 2019 (n = 20 374): 226 HU under 30 to 89 HU over 90 years, -2.5 HU a year; "
        "range: half a standard deviation of 42 HU to either side",
        rows=tuple(rows),
        remark="The densities of the cohort are those of study 4, a Chinese health check; Jang's are "
        "American. His automated regions measure 21 HU more than manual ones.",
    )


def tube_voltage() -> Comparison:
    """Trabecular bone of 120 mg/cm3 relative to 120 kVp."""
    computed = {80: 1.38, 100: 1.13, 140: 0.90}
    fat = 0.47
    mineral = mineral_mg_cm3(120.0, fat)

    def hu(kvp: int) -> float:
        return float(spongiosa(fat, kvp).at(mineral))

    rows = [
        Row(what=f"{kvp} against 120 kVp", low=v - 0.06, high=v + 0.06, found=hu(kvp) / hu(120))
        for kvp, v in computed.items()
    ]
    rows += [
        Row(what="100 against 120 kVp, patients", low=1.06, high=1.10, found=hu(100) / hu(120)),
        Row(what="140 against 120 kVp, patients", low=0.93, high=0.97, found=hu(140) / hu(120)),
    ]
    return Comparison(
        title="Tube voltage",
        unit="ratio",
        source="computed spectra behind 25 cm of water, ± 0.06; patients: AAPM 2026 (n = 16 747), "
        "ratios 1.08 and 0.95 ± 0.02",
        rows=tuple(rows),
        decimals=3,
    )


def noise(on_step: OnStep) -> Comparison:
    """Noise in muscle and liver against tube current and slice thickness, from simulated scans."""
    subject = draw_subject(4)

    def deviation(mas: int, thickness: float) -> float:
        on_step(f"noise at {mas} mAs, {thickness:g} mm")
        plan = ExaminationPlan(
            subject=subject,
            scanner=Scanner(mas=mas, slice_thickness_mm=thickness),
            region="slab",
            size=256,
            field_of_view_mm=360.0,
            slice_spacing_mm=5.0,
            slices=26,
        )
        first, second = (
            simulate(replace(plan, scanner=replace(plan.scanner, repeat=number))).image.hu
            for number in (0, 1)
        )
        middle = (slice(4, -4), slice(96, 160), slice(96, 160))
        difference = first[middle].astype(np.float64) - second[middle]
        return float(difference.std() / np.sqrt(2))

    reference = deviation(200, 5.0)
    quarter, half = deviation(50, 5.0), deviation(100, 5.0)
    thin = deviation(200, 1.25)
    rows = (
        Row(what="200 mAs, 5 mm, HU", low=6.0, high=15.0, found=reference),
        Row(what="100 against 200 mAs", low=1.34, high=1.49, found=half / reference),
        Row(what="50 against 200 mAs", low=1.9, high=2.1, found=quarter / reference),
        Row(what="1.25 against 5 mm", low=1.8, high=2.2, found=thin / reference),
    )
    return Comparison(
        title="Noise in the middle of the abdomen, standard kernel, 120 kVp",
        unit="ratio",
        source="quantum noise is proportional to 1/sqrt(mAs x thickness); a standard abdominal scan has "
        "10 to 14 HU at 30 cm of water (docs/domain.md 3.5), less in a smaller patient",
        rows=rows,
        decimals=2,
        remark="Variance of noise: half the variance of the difference of two scans of one patient.",
    )


NHANES_SPINE: Final = {
    "F": ((25, 1.064), (35, 1.065), (45, 1.056), (55, 0.993), (65, 0.952), (75, 0.902)),
    "M": ((25, 1.057), (35, 1.042), (45, 1.051), (55, 1.053), (65, 1.070), (75, 1.068)),
}
"""NHANES means at L1 to L4 by decade, g/cm2 (doi 10.3389/fendo.2026.1748490, Table 3)."""


def dxa_by_age(per_decade: int, on_step: OnStep) -> Comparison:
    """Simulated DXA of the lumbar spine by decade, patients without findings."""
    rows = []
    for sex, means in NHANES_SPINE.items():
        for age, mean in means:
            on_step(f"DXA, {sex}, {age} years")
            people = draw_population(
                seeds_of(900 + age, per_decade), study_groups("chest"), sex=sex, age_years=age
            )
            found = [
                scan_spine(subject_of(people, row)).total.abmd_g_cm2 for row in range(per_decade)
            ]
            word = "women" if sex == "F" else "men"
            rows.append(
                Row(what=f"{word}, {age}", low=mean - 0.06, high=mean + 0.06,
                    found=float(np.mean(found)))
            )  # fmt: skip
    return Comparison(
        title="DXA of L1 to L4 by age",
        unit="g/cm2",
        source="NHANES, as tabulated in doi 10.3389/fendo.2026.1748490 (Table 3); range: "
        "half a standard deviation, ± 0.06",
        rows=tuple(rows),
        decimals=3,
        remark=f"Simulated men are below the range in {_below(rows, 'men')} decades, simulated women "
        f"in {_below(rows, 'women')}. "
        f"{per_decade} patients per decade, without osteophytes or plaques. One global scale "
        "sets the mean of young women to 1.05 g/cm2. The bone density is that of study 4 (Chinese "
        "people), in whom DXA is 0.06 to 0.15 g/cm2 below American values. In American men "
        "osteophytes increase the values with age; these patients have none. With so few patients "
        f"the standard error of a mean is about {0.14 / np.sqrt(per_decade):.2f} g/cm2, so a single "
        "row may differ by that much. The decrease with age is more certain: it is steeper than in "
        "American women.",
    )


def _below(rows: Sequence[Row], who: str) -> str:
    """Count the rows of ``who`` below the published range, for example ``4 of 6``."""
    mine = [row for row in rows if row.what.startswith(f"{who},")]
    return f"{sum(row.found < row.low for row in mine)} of {len(mine)}"


def hip_dxa(on_step: OnStep) -> Comparison:
    """Simulated DXA of the hip of a woman with the density of the young."""
    rows = []
    for density, word in ((1.0, "young women"), (0.7, "30 % less")):
        on_step(f"DXA of the hip, {word}")
        found = [
            scan_hip(
                replace(draw_subject(seed, sex="F", age_years=25), hip_density=density),
                precision_cv=0,
            )
            for seed in (3, 9, 12)
        ]
        neck = float(np.mean([one.neck.abmd_g_cm2 for one in found]))
        total = float(np.mean([one.total.abmd_g_cm2 for one in found]))
        rows += [
            Row(what=f"femoral neck, {word}", low=0.888 * density - 0.04,
                high=0.888 * density + 0.04, found=neck),
            Row(what=f"total hip, {word}", low=0.971 * density - 0.04,
                high=0.971 * density + 0.04, found=total),
        ]  # fmt: skip
    return Comparison(
        title="DXA of the hip",
        unit="g/cm2",
        source="NHANES women of 20 to 30 years: femoral neck 0.888, total hip 0.971; ± 0.04",
        rows=tuple(rows),
        decimals=3,
        remark="Cortex and trabecular density of the femur were tuned to young women; the values "
        "for 30 % less were not tuned.",
    )


def posterior_share(on_step: OnStep) -> Comparison:
    """Share of the mineral of L3 behind the body, young women."""
    shares = []
    for seed in (3, 4, 7, 11, 15, 16):
        on_step(f"mineral of L3, patient {seed}")
        shares.append(_posterior_share(draw_subject(seed, sex="F", age_years=25)))
    return Comparison(
        title="Mineral behind the body of L3, young women",
        unit="%",
        source="Lee 2009: 51.4 % (SD 4.2)",
        rows=(Row(what="mean of 6", low=47.2, high=55.6, found=100 * float(np.mean(shares))),),
        decimals=1,
        remark="Not tuned.",
    )


def _posterior_share(subject: Subject) -> float:
    x, y, z = (float(c) for c in plan_body(subject).vertebra(Level.L3).centre_lps_mm)
    grid = Grid(
        origin_lps_mm=(x - 54, y - 30, z - 45), spacing_mm=(0.9, 0.9, 0.9), shape=(100, 145, 121)
    )
    anatomy = render(subject, grid, Media(kvp=120))
    bone = spongiosa(subject.marrow_fat, 120)
    mineral = (anatomy.hu - bone.offset_hu) / bone.slope_hu_per_mg_cm3
    mine = anatomy.labels == Level.L3
    posterior = mineral[mine & (anatomy.parts == Part.POSTERIOR)].sum()
    return float(posterior / mineral[mine].sum())


DEGENERATIONS: Final = {
    "osteophytes, grade 2": (LevelFindings(kellgren_lawrence=2, osteophyte_mm=3.5), (0.03, 0.08)),
    "osteophytes, grade 3": (LevelFindings(kellgren_lawrence=3, osteophyte_mm=6.0), (0.10, 0.20)),
    "osteophytes, grade 4": (LevelFindings(kellgren_lawrence=4, osteophyte_mm=10.0), (0.20, 0.45)),
    "bridging (DISH)": (
        LevelFindings(kellgren_lawrence=4, osteophyte_mm=10.0, bridging=True),
        (0.20, 0.45),
    ),
    "facet sclerosis, grade 2": (LevelFindings(facet_sclerosis=2), (0.03, 0.28)),
    "facet sclerosis, grade 3": (LevelFindings(facet_sclerosis=3), (0.25, 0.47)),
}


def hyperostosis(on_step: OnStep) -> Comparison:
    """Areal density that degeneration at L1 to L4 adds to the DXA of one patient."""
    subject = replace(draw_subject(3, sex="F", age_years=65))
    on_step("DXA without findings")
    plain = scan_spine(subject, precision_cv=0).total.abmd_g_cm2
    cases = {
        name: (Findings(levels=dict.fromkeys(DXA_LEVELS, found)), low_high)
        for name, (found, low_high) in DEGENERATIONS.items()
    }
    plaque = 0.009 * 5 * plain
    cases["aortic plaque, 500 mm3 a level"] = (
        Findings(plaque_mm3=dict.fromkeys(DXA_LEVELS, 500.0)),
        (0.5 * plaque, 1.5 * plaque),
    )
    rows = []
    for name, (findings, (low, high)) in cases.items():
        on_step(f"DXA with {name}")
        found = scan_spine(replace(subject, findings=findings), precision_cv=0).total.abmd_g_cm2
        rows.append(Row(what=name, low=low, high=high, found=found - plain))
    return Comparison(
        title="What degeneration adds to DXA of L1 to L4",
        unit="g/cm2",
        source="docs/domain.md 3.6: Orwoll, Drinka (facets), 0.9 % per 100 mm3 of plaque",
        rows=tuple(rows),
        decimals=3,
        remark="All four levels have the same finding. No finding changes trabecular bone: its true "
        "density and its HU in the core of L3 stay the same "
        "(`tests/training/cohort/dxa/test_dxa.py`). Osteophytes and articular processes were tuned "
        "to these ranges: length and density are those of docs/domain.md 3.3, thickness and extent "
        "along the rim were free. 500 mm3 of plaque contain 0.22 g of mineral at the density here, "
        "450 mg/cm3, over some 15 cm2 of a level. The published 0.9 % per 100 mm3 would need two "
        "and a half times as much mineral.",
    )

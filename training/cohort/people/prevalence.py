"""Prevalence of findings, and ``draw_findings``, which draws those of a patient from a seed.

Tags as in docs/domain.md: [X] read in an excerpt of the source, [R] recalled and to be
treated as a hypothesis. Every finding has its own random numbers. A change of one prevalence
thus changes no other finding.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
from scipy.stats import norm

from pipelines.contract.anatomy import Level
from training.cohort.people.findings import MODELLED, PLAQUE_LEVELS, Findings, LevelFindings

Stated: TypeAlias = dict[str, Any]
"""Fields of one ``LevelFindings``."""

OSTEOPHYTES_AT: Final = ((55.0, 0.35), (70.0, 0.80))
"""Share of patients with K-L grade 2 or more at two ages; logistic in between [X]."""

LEVEL_SPREAD: Final = 1.8
"""Spread of the levels of one patient on the scale of the degeneration [R]."""

DISH_OF_HYPEROSTOTIC: Final = {"M": 0.22, "F": 0.10}
"""Share of patients with osteophytes whose ligament bridges four levels or more [R]."""

FACET_GRADE_SHIFT: Final = (0.6, 1.5, 2.5)
"""Thresholds of the facet grades 1, 2 and 3 on the scale of the degeneration (normal units) [R]."""

LIGAMENT_CALCIFICATION: Final = 0.05
"""Share with a calcified posterior longitudinal ligament, and flava, if osteophytic [R]."""

PLAQUES_AT: Final = ((50.0, 0.25), (65.0, 0.70))
"""Share of patients with aortic calcification at two ages [R]."""

PLAQUE_L4_MM3: Final = (214.0, 444.0)
"""Mean and standard deviation at L4 of patients aged 60 and more, lognormal [X]."""

PLAQUE_BY_LEVEL: Final = {Level.L1: 0.35, Level.L2: 0.45, Level.L3: 0.7, Level.L4: 1.0}
"""Volume relative to L4; calcification increases towards the bifurcation [R]."""

FRACTURES_AT_65: Final = {"M": 0.08, "F": 0.12}
"""Share of patients with a vertebral fracture at 65 years and 105 mg/cm3 [R]."""

FRACTURE_ODDS_PER_SD: Final = 2.0
"""Odds ratio per 28 mg/cm3 lower density [R]."""

FRACTURE_WEIGHT: Final = {
    Level.T5: 0.3, Level.T6: 0.6, Level.T7: 1.0, Level.T8: 1.0, Level.T9: 0.6, Level.T10: 0.5,
    Level.T11: 1.0, Level.T12: 2.2, Level.L1: 2.2, Level.L2: 1.0, Level.L3: 0.8, Level.L4: 0.6,
    Level.L5: 0.2,
}  # fmt: skip
"""Two peaks: the middle of the chest and the thoracolumbar junction [R]."""

FRACTURE_SHAPE_SHARE: Final = {"wedge": 0.55, "biconcave": 0.30, "crush": 0.15}
GENANT_SHARE: Final = (0.35, 0.45, 0.20)
"""Shares of the grades 1, 2 and 3 [R]."""

SCHMORL_PER_LEVEL: Final = 0.03
HAEMANGIOMA: Final = 0.10
METASTASES: Final = 0.015
CEMENT_OF_FRACTURED: Final = 0.12
SCREWS: Final = 0.02
HIP_PROSTHESIS_AT: Final = ((55.0, 0.01), (75.0, 0.06))
"""Shares of patients [R]; Schmorl nodes per level T8 to L4 [R]."""

LUMBOSACRAL_SHARE: Final = {"sacralised_l5": 0.08, "lumbarised_s1": 0.05}
"""Together 13 %, within the 12 to 18 % of docs/domain.md 3.3 [X]."""

THORACOLUMBAR_SHARE: Final = {"lumbar_ribs": 0.02, "short_ribs": 0.06, "no_ribs": 0.02}
"""[R]"""

COBB_SD_DEG: Final = ((40.0, 4.0), (80.0, 9.0))
"""Standard deviation of the coronal curve at two ages [R]."""


def draw_findings(seed: int, *, age_years: float, sex: str, vbmd_mg_cm3: float) -> Findings:
    """Draw the findings of a patient; a low mean density makes fractures more likely."""
    degeneration = _degeneration(seed, age_years)
    parts = [
        _degenerated(seed, sex, degeneration),
        _fractured(seed, age_years, sex, vbmd_mg_cm3),
        _lesions(seed),
        _screws(seed),
    ]
    levels = {
        level: LevelFindings(**merged)
        for level in MODELLED
        if (merged := {name: value for part in parts for name, value in part[level].items()})
    }
    return replace(_variants(seed, age_years), levels=levels, **_vessels_and_hip(seed, age_years))


def logistic_through(points: tuple[tuple[float, float], tuple[float, float]], age: float) -> float:
    """Probability at an age on the logistic curve through two points (age, probability)."""
    (first, low), (second, high) = points
    slope = (_logit(high) - _logit(low)) / (second - first)
    return float(1 / (1 + np.exp(-(_logit(low) + slope * (age - first)))))


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def _rng(seed: int, role: str) -> np.random.Generator:
    return np.random.default_rng([seed, *f"finding {role}".encode()])


def _nothing() -> dict[Level, Stated]:
    return {level: {} for level in MODELLED}


def _degeneration(seed: int, age: float) -> float:
    """Severity on a normal scale; it exceeds 0 with the prevalence of osteophytes."""
    drawn = _rng(seed, "degeneration").standard_normal()
    return float(drawn + norm.ppf(logistic_through(OSTEOPHYTES_AT, age)))


def _degenerated(seed: int, sex: str, severity: float) -> dict[Level, Stated]:
    """K-L grades, osteophytes, discs, facets and ligaments from T8 down."""
    rng, found = _rng(seed, "levels"), _nothing()
    bridged = _bridged_levels(seed, sex) if severity > 0 else frozenset()
    pll, flavum = (
        severity > 0 and drawn < LIGAMENT_CALCIFICATION
        for drawn in _rng(seed, "ligaments").random(2).tolist()
    )
    for level in (level for level in MODELLED if level >= Level.T8):
        own, facet, reach, density, disc, gas, band, here = rng.random(8).tolist()
        grade = _grade(severity + LEVEL_SPREAD * (own - 0.93), bridged=level in bridged)
        entry = found[level]
        if grade >= 1:
            low, high = ((0.5, 2), (2, 5), (4, 8), (6, 12))[grade - 1]
            entry["kellgren_lawrence"] = grade
            entry["osteophyte_mm"] = round(low + (high - low) * reach, 1)
            entry["osteophyte_mg_cm3"] = round(300 + 600 * density)
        if level in bridged:
            entry["bridging"] = True
        if grade >= 3 and level not in bridged:
            entry["disc_height"] = round((0.8 if grade == 3 else 0.6) - 0.3 * disc, 2)
            entry["disc_vacuum"] = bool(gas < (0.4 if level >= Level.L4 else 0.2))
            entry["endplate_sclerosis_mm"] = round(2 + 4 * band, 1)
        facets = sum(severity + 1.2 * (facet - 0.5) > limit for limit in FACET_GRADE_SHIFT)
        if facets and level >= Level.L1:
            entry["facet_sclerosis"] = facets
        if here < 0.6:
            entry.update({"pll_calcified": True} if pll else {})
            entry.update({"flavum_calcified": True} if flavum else {})
    return found


def _grade(severity: float, *, bridged: bool) -> int:
    grade = sum(severity > limit for limit in (-0.7, 0.0, 0.9, 1.7))
    return max(grade, 3) if bridged else grade


def _bridged_levels(seed: int, sex: str) -> frozenset[Level]:
    rng = _rng(seed, "dish")
    share, first, count = (
        rng.random(),
        int(rng.integers(Level.T8, Level.L1)),
        int(rng.integers(4, 8)),
    )
    if share >= DISH_OF_HYPEROSTOTIC[sex]:
        return frozenset()
    return frozenset(Level(n) for n in range(first, min(first + count, Level.L5)))


def _fractured(seed: int, age: float, sex: str, vbmd: float) -> dict[Level, Stated]:
    rng, found = _rng(seed, "fractures"), _nothing()
    chance, more, cemented = rng.random(), rng.geometric(0.65), rng.random()
    log_odds = _logit(FRACTURES_AT_65[sex]) + 0.05 * (age - 65)
    log_odds += np.log(FRACTURE_ODDS_PER_SD) * (105.0 - vbmd) / 28.0
    if chance >= 1 / (1 + np.exp(-log_odds)):
        return found
    weights = np.array(list(FRACTURE_WEIGHT.values()))
    names = list(FRACTURE_WEIGHT)
    for index in rng.choice(
        len(names), size=min(int(more), 5), replace=False, p=weights / weights.sum()
    ):
        shape = str(rng.choice(list(FRACTURE_SHAPE_SHARE), p=list(FRACTURE_SHAPE_SHARE.values())))
        grade = int(rng.choice(3, p=GENANT_SHARE))
        low, high = ((0.20, 0.25), (0.25, 0.40), (0.40, 0.60))[grade]
        found[names[index]] = {
            "fracture": shape,
            "height_loss": round(low + (high - low) * min(rng.random(), 0.99), 3),
            "impaction_hu": round(rng.uniform(60, 150)),
        }
        if cemented < CEMENT_OF_FRACTURED:
            found[names[index]]["cement_ml"] = round(rng.uniform(2, 6), 1)
    return found


def _lesions(seed: int) -> dict[Level, Stated]:
    found = _nothing()
    rng = _rng(seed, "schmorl")
    for level in (level for level in MODELLED if Level.T8 <= level <= Level.L4):
        here, depth = rng.random(2).tolist()
        if here < SCHMORL_PER_LEVEL:
            found[level]["schmorl_mm"] = round(3 + 5 * depth, 1)
    rng = _rng(seed, "haemangioma")
    if rng.random() < HAEMANGIOMA:
        level = Level(int(rng.integers(Level.T6, Level.L5 + 1)))
        found[level]["haemangioma_mm"] = round(rng.uniform(5, 13), 1)
    rng = _rng(seed, "metastases")
    if rng.random() < METASTASES:
        kind = str(rng.choice(["lytic", "blastic"]))
        for number in rng.choice(13, size=int(rng.integers(1, 6)), replace=False):
            entry = found[Level(Level.T5 + int(number))]
            entry["metastasis"], entry["metastasis_mm"] = kind, round(rng.uniform(4, 14), 1)
    return found


def _screws(seed: int) -> dict[Level, Stated]:
    rng, found = _rng(seed, "screws"), _nothing()
    if rng.random() < SCREWS:
        first, count = int(rng.integers(Level.L1, Level.L5)), int(rng.integers(2, 4))
        for number in range(first, min(first + count, Level.L5 + 1)):
            found[Level(number)]["screws"] = True
    return found


def _vessels_and_hip(seed: int, age: float) -> Stated:
    rng = _rng(seed, "plaques")
    present, extent, density = rng.random(), rng.standard_normal(), rng.random()
    each = rng.standard_normal(len(PLAQUE_LEVELS))
    volumes: dict[Level, float] = {}
    if present < logistic_through(PLAQUES_AT, age):
        mean, deviation = PLAQUE_L4_MM3
        spread = np.sqrt(np.log(1 + (deviation / mean) ** 2))
        for level, own in zip(PLAQUE_LEVELS, each, strict=True):
            normal = np.sqrt(0.7) * extent + np.sqrt(0.3) * own
            centre = np.log(mean * PLAQUE_BY_LEVEL[level]) - spread**2 / 2
            volumes[level] = round(float(min(np.exp(centre + spread * normal), 4000)), 1)
    rng = _rng(seed, "hip prosthesis")
    chance, side = rng.random(), ("left", "right")[int(rng.integers(2))]
    fitted = chance < logistic_through(HIP_PROSTHESIS_AT, age)
    return {
        "plaque_mm3": volumes,
        "plaque_mg_cm3": float(round(300 + 380 * density)),
        "hip_prosthesis": side if fitted else "",
    }


def _variants(seed: int, age: float) -> Findings:
    rng = _rng(seed, "variants")
    lumbosacral = _choice(rng.random(), LUMBOSACRAL_SHARE)
    thoracolumbar = _choice(rng.random(), THORACOLUMBAR_SHARE)
    sides = str(rng.choice(["both", "left", "right"]))
    (young, least), (old, most) = COBB_SD_DEG
    deviation = np.interp(age, (young, old), (least, most))
    cobb = float(np.clip(rng.normal(0, deviation), -40, 40))
    return Findings(
        lumbosacral=lumbosacral,
        fused_sides=sides if lumbosacral == "sacralised_l5" else "both",
        thoracolumbar=thoracolumbar,
        cobb_deg=round(cobb, 1),
        scoliosis_apex=Level(int(rng.integers(Level.T10, Level.L4))),
        rotation_per_cobb=round(float(rng.uniform(0.2, 0.6)), 2),
        body_asymmetry=round(float(np.clip(rng.normal(0, 0.015), -0.1, 0.1)), 3),
    )


def _choice(drawn: float, shares: Mapping[str, float]) -> str:
    """Return the name whose share of the interval contains the number; else ``regular``."""
    edge = 0.0
    for name, share in shares.items():
        edge += share
        if drawn < edge:
            return name
    return "regular"

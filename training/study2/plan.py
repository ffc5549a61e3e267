"""Cohorts of study 2: the women, their scanners, and the vertebrae that count."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import plan_body
from training.cohort.matter.physics import water_attenuation
from training.cohort.people.densitometry import (
    DXA_LEVELS,
    LEVEL_OFFSET_G_CM2,
    NHANES_III,
    t_score,
)
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.form import HELD_OUT_FAMILY, TRAINING_FAMILIES, draw_form
from training.cohort.people.population import Population, draw_population, seeds_of
from training.cohort.people.prevalence import FRACTURE_SHAPE_SHARE, FRACTURE_WEIGHT
from training.cohort.people.studies import (
    OVCF_CORTEX_SHIFT_G_CM2,
    OVCF_SHIFT_MG_CM3,
    OVCF_TEXTURE,
    study_groups,
)
from training.cohort.people.subject import Subject, findings_of, subject_of
from training.cohort.scan.equipment import HELD_OUT, TRAINING, KernelFamily, ScannerModel
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.water import patient_water_cm

MOST_UNEVEN: Final = 0.6
"""Largest coefficient of variation of trabecular density that can be painted."""
SECOND_FRACTURE: Final = 0.3
"""Share of fracture patients with a second fractured level of L1 to L4 (assumed)."""
HEIGHT_LOSS: Final = (0.20, 0.50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How vertebrae of fracture patients differ from others of their age.

    Parameters
    ----------
    vbmd_mg_cm3
        Difference of trabecular density.
    texture
        Factor on the coefficient of variation of trabecular density over 2 to 3 mm (0.15).
    cortex_g_cm2
        Difference of areal density from shell and arch.
    """

    vbmd_mg_cm3: float
    texture: float
    cortex_g_cm2: float


SPECIFIED: Final = Effect(
    vbmd_mg_cm3=OVCF_SHIFT_MG_CM3, texture=OVCF_TEXTURE, cortex_g_cm2=OVCF_CORTEX_SHIFT_G_CM2
)
"""Effect as specified before any image was made (docs/domain.md 3.7)."""
TUNED: Final = Effect(vbmd_mg_cm3=-55.0, texture=2.0, cortex_g_cm2=-0.03)
"""Effect tuned so that the AUCs of T-score and R-score are close to those of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One cohort of study 2.

    Parameters
    ----------
    women
        Number without and with fracture.
    vertebrae
        Number of bodies that count in the same groups; the others are excluded at random.
    families
        Families of skeletons.
    mas
        Lowest and highest; between them the tube current depends on the patient's thickness.
    slices_mm, pixels_mm
        Drawn per woman: from the choices, and between lowest and highest.
    number
        Cohorts with different numbers have no woman in common.
    """

    women: tuple[int, int]
    vertebrae: tuple[int, int]
    models: tuple[ScannerModel, ...]
    kernels: tuple[KernelFamily, ...]
    families: tuple[str, ...]
    mas: tuple[int, int]
    slices_mm: tuple[float, ...]
    pixels_mm: tuple[float, float]
    number: int
    effect: Effect = TUNED


THIN_MM: Final = (0.625, 1.0, 1.25, 2.0)
MAS: Final = 110.0
"""Tube current-time product for a patient equivalent to 26 cm of water. Thicker patients get more, so
that noise stays the same (automatic exposure control)."""
MAS_WATER_CM: Final = 26.0
STUDY: Final = Recipe(
    women=(49, 96),
    vertebrae=(156, 173),
    models=TRAINING[1:2],
    kernels=(KernelFamily.STANDARD,),
    families=("common",),
    mas=(50, 220),
    slices_mm=(1.25,),
    pixels_mm=(0.39, 0.39),
    number=1,
)
RECIPES: Final = MappingProxyType(
    {
        "study": STUDY,
        "study_as_specified": replace(STUDY, effect=SPECIFIED),
        "product": Recipe(
            women=(160, 160),
            vertebrae=(320, 320),
            models=TRAINING,
            kernels=(KernelFamily.SMOOTH, KernelFamily.STANDARD),
            families=TRAINING_FAMILIES,
            mas=(80, 250),
            slices_mm=THIN_MM,
            pixels_mm=(0.4, 0.85),
            number=2,
        ),
        "held_out": Recipe(
            women=(40, 40),
            vertebrae=(80, 80),
            models=HELD_OUT,
            kernels=(KernelFamily.SMOOTH, KernelFamily.STANDARD),
            families=(HELD_OUT_FAMILY,),
            mas=(80, 250),
            slices_mm=THIN_MM,
            pixels_mm=(0.4, 0.85),
            number=3,
        ),
    }
)
"""Cohorts by name.

``study``: women, vertebrae, slice, voltage and current of study 2 (one scanner, current times one second;
kernel and field of view of 200 mm are assumed). ``study_as_specified``: the same women with the effect
that was assumed first. ``product``: training data of the shipped model. ``held_out``: a scanner, kernels
and a family of skeletons that are in none of the others."""


@dataclass(frozen=True, kw_only=True)
class OvcfCohort:
    """Postmenopausal women with and without a compression fracture.

    Parameters
    ----------
    people
        The women; those without fracture come first.
    """

    name: str
    recipe: Recipe
    people: Population
    seed: int

    def subject(self, row: int) -> Subject:
        """One woman with degeneration and plaque as drawn, and the fractures of `fractured`.

        There are no implants, metastases and variants: the study excludes implants and metastases, and
        assumes five lumbar vertebrae.
        """
        subject = subject_of(self.people, row)
        family = self.recipe.families[row % len(self.recipe.families)]
        return replace(subject, findings=self._findings(row), form=draw_form(subject.seed, family))

    def scanner(self, row: int) -> Scanner:
        """Scanner of one woman, at 120 kV."""
        rng, recipe = self._rng(row, "scanner"), self.recipe
        model = recipe.models[rng.integers(len(recipe.models))]
        kernel = recipe.kernels[rng.integers(len(recipe.kernels))]
        return Scanner(
            model=model,
            kernel=model.kernel(kernel.value).name,
            mas=self._mas(row),
            slice_thickness_mm=float(rng.choice(recipe.slices_mm)),
        )

    def _mas(self, row: int) -> int:
        water_cm = patient_water_cm(plan_body(self.subject(row)))
        mas = MAS * np.exp(water_attenuation(120) * (water_cm - MAS_WATER_CM))
        return int(np.clip(mas, *self.recipe.mas))

    def pixel_mm(self, row: int) -> float:
        """In-plane spacing."""
        return round(float(self._rng(row, "pixel").uniform(*self.recipe.pixels_mm)), 3)

    def levels(self, row: int) -> tuple[Level, ...]:
        """Vertebrae of one woman that count, from above."""
        return self._levels[row]

    def t_scores(self, row: int) -> dict[Level, float]:
        """T-score of each level from the closed form of areal density.

        The reference of a level is that of the spine, shifted by the usual difference between levels.
        Hyperostosis and plaques add to the density, as in any DXA.
        """
        mean, deviation = NHANES_III.spine
        return {
            level: float(t_score(self.people.abmd_g_cm2[row, number], (mean + offset, deviation)))
            for number, (level, offset) in enumerate(
                zip(DXA_LEVELS, LEVEL_OFFSET_G_CM2, strict=True)
            )
        }

    def fractured(self, row: int) -> tuple[Level, ...]:
        """Fractured levels of one woman among L1 to L4."""
        if not self.people.is_case[row]:
            return ()
        rng = self._rng(row, "fractures")
        weights = np.array([FRACTURE_WEIGHT[level] for level in DXA_LEVELS])
        chosen = rng.choice(
            len(DXA_LEVELS),
            size=1 + int(rng.random() < SECOND_FRACTURE),
            replace=False,
            p=weights / weights.sum(),
        )
        return tuple(DXA_LEVELS[number] for number in sorted(chosen))

    @cached_property
    def _levels(self) -> Mapping[int, tuple[Level, ...]]:
        """At least one level of each woman; further ones of a group at random up to its number."""
        found: dict[int, list[Level]] = {}
        for is_case, wanted in zip((False, True), self.recipe.vertebrae, strict=True):
            others: list[tuple[int, Level]] = []
            for row in np.flatnonzero(self.people.is_case == is_case):
                broken = self.fractured(int(row))
                whole = [level for level in DXA_LEVELS if level not in broken]
                first = whole.pop(int(self._rng(int(row), "first level").integers(len(whole))))
                found[int(row)] = [first]
                others += [(int(row), level) for level in whole]
            women = int((self.people.is_case == is_case).sum())
            rng = np.random.default_rng([self.seed, self.recipe.number, int(is_case)])
            for number in rng.permutation(len(others))[: wanted - women]:
                row, level = others[number]
                found[row].append(level)
        return {row: tuple(sorted(levels)) for row, levels in found.items()}

    def _findings(self, row: int) -> Findings:
        drawn = findings_of(self.people, row)
        rng, broken = self._rng(row, "collapse"), self.fractured(row)
        levels = {level: _without_exclusions(one) for level, one in drawn.levels.items()}
        for level in broken:
            levels[level] = replace(
                levels.get(level, LevelFindings()),
                fracture=str(
                    rng.choice(list(FRACTURE_SHAPE_SHARE), p=list(FRACTURE_SHAPE_SHARE.values()))
                ),
                height_loss=round(float(rng.uniform(*HEIGHT_LOSS)), 3),
            )
        return replace(
            drawn,
            levels=levels,
            hip_prosthesis="",
            lumbosacral="regular",
            thoracolumbar="regular",
        )

    def _rng(self, row: int, role: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, int(self.people.seed[row]), *role.encode()])


def _without_exclusions(found: LevelFindings) -> LevelFindings:
    return replace(
        found,
        fracture="",
        height_loss=0.0,
        cement_ml=0.0,
        screws=False,
        metastasis="",
        metastasis_mm=0.0,
    )


def plan_ovcf(name: str, *, seed: int = 1) -> OvcfCohort:
    """Draw the women of a cohort of `RECIPES`."""
    recipe = RECIPES[name]
    without_fracture, fracture = study_groups("ovcf")
    effect = recipe.effect
    fracture = replace(
        fracture,
        vbmd_shift_mg_cm3=effect.vbmd_mg_cm3,
        texture=effect.texture,
        cortex_shift_g_cm2=effect.cortex_g_cm2,
    )
    seeds = seeds_of(2000 + 10 * seed + recipe.number, sum(recipe.women))
    without, _ = recipe.women
    parts = [
        draw_population(seeds[:without], (without_fracture,)),
        draw_population(seeds[without:], (fracture,)),
    ]
    people = _joined(parts)
    people = replace(people, texture_variation=np.minimum(people.texture_variation, MOST_UNEVEN))
    return OvcfCohort(name=name, recipe=recipe, people=people, seed=seed)


def _joined(parts: list[Population]) -> Population:
    return Population(
        **{
            name: np.concatenate([getattr(one, name) for one in parts])
            for name in Population.__dataclass_fields__
        }
    )

"""Groups of people in each of the four studies: ages, sizes and bone properties.

Source
------
docs/domain.md 1.A to 1.D (cohorts), 3.2 (demographics) and 3.7 (fracture scenarios). Values
that the studies do not state are marked "assumed".
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from training.cohort.errors import BadCohortConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """A normal distribution of ages in years, truncated at both ends (inclusive)."""

    mean: float
    sd: float
    youngest: int
    oldest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People who are drawn from the same distributions.

    Parameters
    ----------
    weight
        Number of people of the study in this group.
    share_women
        Not used where ``ages`` is ``None``.
    ages
        ``None``: sex and age as in the strata of study 4.
    vbmd_shift_mg_cm3
        Difference of trabecular density from the mean of age and sex.
    grades
        Lowest and highest Kellgren-Lawrence grade of the worst level.
    offset_g_cm2
        Mean and SD of the areal density that hyperostosis adds; ``None``: follows from the grades.
    texture
        Factor on the variation of the trabecular density.
    areal_shift_g_cm2
        Difference of spine areal density from the closed form at the same bone: a smaller frame.
    cortex_shift_g_cm2
        The same, caused by a thinner shell and arch.
    hip_shift_g_cm2
        Difference of total hip from the American reference (tuned to the classes of study 3).
    """

    name: str
    weight: int
    ages: Ages | None
    share_women: float = 0.5
    bmi: tuple[float, float] = (24.0, 3.4)
    is_case: bool = False
    vbmd_shift_mg_cm3: float = 0.0
    grades: tuple[int, int] = (0, 4)
    offset_g_cm2: tuple[float, float] | None = None
    texture: float = 1.0
    areal_shift_g_cm2: float = 0.0
    cortex_shift_g_cm2: float = 0.0
    hip_shift_g_cm2: float = -0.095


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Differences between fracture patients and controls of study 1 (docs/domain.md 3.7).

    Parameters
    ----------
    case_shift_mg_cm3
        Difference of their trabecular density from the mean of age and sex.
    control_shift_mg_cm3
        The same of hyperostotic controls.
    case_offset_g_cm2, control_offset_g_cm2
        Mean and SD of the artefact in the hyperostotic group.
    cases_are_older
        ``False``: fracture patients have the ages of their controls.
    """

    name: str
    case_shift_mg_cm3: float
    control_shift_mg_cm3: float = 0.0
    case_offset_g_cm2: tuple[float, float] = (0.0, 0.0)
    control_offset_g_cm2: tuple[float, float] = (0.0, 0.0)
    cases_are_older: bool = True


SCENARIOS: Final = MappingProxyType(
    {
        one.name: one
        for one in (
            Scenario(
                name="non-differential",
                case_shift_mg_cm3=-25.0,
                case_offset_g_cm2=(0.20, 0.12),
                control_offset_g_cm2=(0.20, 0.12),
            ),
            Scenario(
                name="paper-like",
                case_shift_mg_cm3=-50.0,
                case_offset_g_cm2=(0.32, 0.12),
                control_offset_g_cm2=(0.08, 0.12),
            ),
            Scenario(
                name="null",
                case_shift_mg_cm3=0.0,
                case_offset_g_cm2=(0.20, 0.12),
                control_offset_g_cm2=(0.20, 0.12),
                cases_are_older=False,
            ),
        )
    }
)
"""Pre-specified; results are published for all three. In ``null`` cases equal controls, so that
every area under the ROC curve is one half."""

PAPER_LIKE: Final = SCENARIOS["paper-like"]
CONTROL_AGES: Final = Ages(mean=52.0, sd=13.0, youngest=18, oldest=75)
CASE_AGES: Final = Ages(mean=66.0, sd=7.0, youngest=40, oldest=75)
HYPEROSTOTIC_AGES: Final = Ages(mean=59.0, sd=9.0, youngest=40, oldest=75)
"""Ages of hyperostotic controls: assumed, between controls and fracture patients."""
SHARE_WOMEN: Final = 0.6
"""Assumed; study 1 does not report it."""


LUMBAR_AREAL_SHIFT_G_CM2: Final = -0.08
"""Tuned to the mean areal density of study 1 (0.898 and 0.919 g/cm2)."""


def lumbar_groups(scenario: Scenario = PAPER_LIKE) -> tuple[Group, ...]:
    """Study 1: 460 patients without hyperostosis, and the fracture cohort of 101.

    Group A of the study's fracture model is ``fracture`` against the test part of ``main``;
    group B is ``hyperostotic fracture`` against ``hyperostotic control``.
    """
    main = Group(
        name="main",
        weight=460,
        ages=CONTROL_AGES,
        share_women=SHARE_WOMEN,
        grades=(0, 1),
        areal_shift_g_cm2=LUMBAR_AREAL_SHIFT_G_CM2,
    )
    hyperostotic = replace(
        main,
        name="hyperostotic control",
        weight=30,
        ages=HYPEROSTOTIC_AGES,
        vbmd_shift_mg_cm3=scenario.control_shift_mg_cm3,
        grades=(2, 4),
        offset_g_cm2=scenario.control_offset_g_cm2,
    )
    older = scenario.cases_are_older
    return (
        main,
        replace(
            main,
            name="fracture",
            weight=30,
            ages=CASE_AGES if older else main.ages,
            is_case=True,
            vbmd_shift_mg_cm3=scenario.case_shift_mg_cm3,
        ),
        hyperostotic,
        replace(
            hyperostotic,
            name="hyperostotic fracture",
            weight=41,
            ages=CASE_AGES if older else hyperostotic.ages,
            is_case=True,
            vbmd_shift_mg_cm3=scenario.case_shift_mg_cm3,
            offset_g_cm2=scenario.case_offset_g_cm2,
        ),
    )


POSTMENOPAUSAL: Final = Ages(mean=63.6, sd=9.9, youngest=45, oldest=90)
OVCF_SHIFT_MG_CM3: Final = -38.0
"""-1.2 SD of the postmenopausal women of the strata (SD 32 mg/cm3 over all their ages)."""
OVCF_TEXTURE: Final = 1.35
"""Fracture patients lose trabeculae unevenly; tuned to the AUC of the study's R-score."""
OVCF_CORTEX_SHIFT_G_CM2: Final = -0.06
"""Fracture patients also lose cortex; tuned to the AUC of the study's T-score."""

GROUPS: Final = MappingProxyType(
    {
        "lumbar": lumbar_groups(),
        "chest": (Group(name="main", weight=1048, ages=None, grades=(0, 3)),),
        "ovcf": (
            Group(
                name="no fracture",
                weight=49,
                ages=POSTMENOPAUSAL,
                share_women=1.0,
                bmi=(25.2, 3.7),
            ),
            Group(
                name="fracture",
                weight=96,
                ages=POSTMENOPAUSAL,
                share_women=1.0,
                bmi=(25.2, 3.7),
                is_case=True,
                vbmd_shift_mg_cm3=OVCF_SHIFT_MG_CM3,
                texture=OVCF_TEXTURE,
                cortex_shift_g_cm2=OVCF_CORTEX_SHIFT_G_CM2,
            ),
        ),
        "femur": (
            Group(
                name="main",
                weight=456,
                ages=Ages(mean=67.2, sd=8.3, youngest=50, oldest=91),
                share_women=239 / 456,
            ),
        ),
    }
)
"""Groups by study; those of study 1 are in the paper-like scenario."""

STUDIES: Final = tuple(GROUPS)


def study_groups(study: str, scenario: str = PAPER_LIKE.name) -> tuple[Group, ...]:
    """Groups of a study.

    Raises
    ------
    BadCohortConfig
        Unknown study or scenario.
    """
    if study not in GROUPS:
        raise BadCohortConfig(f"study = {study!r}", "one of " + ", ".join(STUDIES))
    if scenario not in SCENARIOS:
        raise BadCohortConfig(f"scenario = {scenario!r}", "one of " + ", ".join(SCENARIOS))
    return lumbar_groups(SCENARIOS[scenario]) if study == "lumbar" else GROUPS[study]

"""Define the findings of a virtual patient: degeneration, fractures, lesions, implants, variants.

A ``LevelFindings`` describes a vertebra and the disc below it, a ``Findings`` the patient. They
fix every finding before painting; painting draws none. The default is a patient without findings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from pipelines.contract.anatomy import Level
from training.cohort.errors import BadCohortConfig

FRACTURE_SHAPES: Final = ("", "wedge", "biconcave", "crush")
METASTASES: Final = ("", "lytic", "blastic")
SIDES: Final = ("", "left", "right")
LUMBOSACRAL: Final = ("regular", "sacralised_l5", "lumbarised_s1")
THORACOLUMBAR: Final = ("regular", "lumbar_ribs", "short_ribs", "no_ribs")
FUSED_SIDES: Final = ("both", "left", "right")

GENANT_LIMITS: Final = (0.20, 0.25, 0.40)
"""Smallest loss of height of grade 1, 2 and 3. Source: Genant 1993; docs/domain.md 3.3."""

MODELLED: Final = tuple(Level(n) for n in range(Level.T1, Level.L5 + 1))
PLAQUE_LEVELS: Final = (Level.L1, Level.L2, Level.L3, Level.L4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFindings:
    """Findings of one vertebra and the disc below it.

    Parameters
    ----------
    kellgren_lawrence
        Grade 0 to 4 of this level.
    osteophyte_mm
        Length of the osteophytes at both end plates, 0 to 12 mm beyond the rim.
    osteophyte_mg_cm3
        Mineral density of the osteophytes near their surface, 300 to 900; thick ones are denser
        inside.
    bridging
        The anterior longitudinal ligament is ossified from this body to the next one below.
    endplate_sclerosis_mm
        Depth of the dense band under both end plates.
    facet_sclerosis
        Grade 0 to 3; a higher grade enlarges the articular processes.
    pll_calcified, flavum_calcified
        Posterior longitudinal ligament behind this body; ligamenta flava below its laminae.
    disc_height
        Height of the disc below as a share of the healthy one.
    disc_vacuum
        Gas in the disc below.
    fracture
        ``wedge``, ``biconcave``, ``crush`` or empty.
    height_loss
        Largest loss of height of the body as a share: in front, in the middle or throughout.
    impaction_hu
        Increase of HU in the band of impacted trabeculae.
    schmorl_mm
        Depth of a node in the lower end plate, 0 for none.
    haemangioma_mm
        Radius, 0 for none.
    cement_ml
        Volume of bone cement in the body.
    screws
        A screw through each pedicle; neighbouring levels with screws are joined by rods.
    metastasis
        ``lytic``, ``blastic`` or empty.
    metastasis_mm
        Radius.
    """

    kellgren_lawrence: int = 0
    osteophyte_mm: float = 0.0
    osteophyte_mg_cm3: float = 600.0
    bridging: bool = False
    endplate_sclerosis_mm: float = 0.0
    facet_sclerosis: int = 0
    pll_calcified: bool = False
    flavum_calcified: bool = False
    disc_height: float = 1.0
    disc_vacuum: bool = False
    fracture: str = ""
    height_loss: float = 0.0
    impaction_hu: float = 100.0
    schmorl_mm: float = 0.0
    haemangioma_mm: float = 0.0
    cement_ml: float = 0.0
    screws: bool = False
    metastasis: str = ""
    metastasis_mm: float = 0.0

    @property
    def genant_grade(self) -> int:
        """Genant grade 0 to 3 by the loss of height."""
        return sum(self.height_loss >= limit for limit in GENANT_LIMITS) if self.fracture else 0

    def changed(self) -> dict[str, object]:
        """Return the fields that differ from a healthy level, as JSON values."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(self, item.name) != item.default
        }

    def check(self, place: str) -> None:
        """Raise ``BadCohortConfig`` for values that cannot be painted; it names ``place`` and field."""
        for name, (low, high) in _LEVEL_RANGES.items():
            _within(f"{place}.{name}", getattr(self, name), low, high)
        _one_of(f"{place}.fracture", self.fracture, FRACTURE_SHAPES)
        _one_of(f"{place}.metastasis", self.metastasis, METASTASES)
        if self.fracture:
            _within(f"{place}.height_loss", self.height_loss, GENANT_LIMITS[0], 0.7)
        elif self.height_loss:
            _refuse(f"{place}.height_loss", self.height_loss, "0 without a fracture")
        if self.metastasis:
            _within(f"{place}.metastasis_mm", self.metastasis_mm, 3, 20)
        elif self.metastasis_mm:
            _refuse(f"{place}.metastasis_mm", self.metastasis_mm, "0 without a metastasis")
        if self.haemangioma_mm:
            _within(f"{place}.haemangioma_mm", self.haemangioma_mm, 4, 20)


_LEVEL_RANGES: Final[dict[str, tuple[float, float]]] = {
    "kellgren_lawrence": (0, 4),
    "osteophyte_mm": (0, 12),
    "osteophyte_mg_cm3": (300, 900),
    "endplate_sclerosis_mm": (0, 8),
    "facet_sclerosis": (0, 3),
    "disc_height": (0.2, 1),
    "impaction_hu": (60, 150),
    "schmorl_mm": (0, 9),
    "haemangioma_mm": (0, 20),
    "cement_ml": (0, 8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Findings of one patient.

    Parameters
    ----------
    levels
        Findings by level, T1 to L5; a level without an entry is healthy.
    plaque_mm3
        Volume of calcified plaque on the wall of the aorta beside L1 to L4.
    plaque_mg_cm3
        Mineral density of the plaques, 300 to 680: 400 to 900 HU at 120 kVp.
    hip_prosthesis
        ``left``, ``right`` or empty.
    lumbosacral
        ``regular``; ``sacralised_l5`` (its transverse processes are fused with the sacrum);
        ``lumbarised_s1`` (a sixth free lumbar vertebra, L6).
    fused_sides
        Fused sides of a sacralised L5: ``both``, ``left`` or ``right``.
    thoracolumbar
        ``regular``; ``lumbar_ribs`` (a thirteenth pair, on the vertebra below T12); ``short_ribs``
        or ``no_ribs`` of T12. With six free vertebrae below T12 the one with ribs is T13, and L1
        to L5 follow.
    cobb_deg
        Angle of the coronal curve, 0 to 40; positive is convex to the left.
    scoliosis_apex
        Level at the apex.
    rotation_per_cobb
        Axial rotation of the apex, degrees per degree of the curve.
    body_asymmetry
        Excess height of bodies on the left over the right, as a share, -0.15 to 0.15.
    """

    levels: Mapping[Level, LevelFindings] = field(default_factory=dict)
    plaque_mm3: Mapping[Level, float] = field(default_factory=dict)
    plaque_mg_cm3: float = 450.0
    hip_prosthesis: str = ""
    lumbosacral: str = "regular"
    fused_sides: str = "both"
    thoracolumbar: str = "regular"
    cobb_deg: float = 0.0
    scoliosis_apex: Level = Level.L2
    rotation_per_cobb: float = 0.4
    body_asymmetry: float = 0.0

    def __post_init__(self) -> None:
        for level, found in self.levels.items():
            if level not in MODELLED:
                _refuse("findings.levels", level.name, "levels from T1 to L5")
            found.check(f"findings.levels[{level.name}]")
        for level, volume in self.plaque_mm3.items():
            if level not in PLAQUE_LEVELS:
                _refuse("findings.plaque_mm3", level.name, "levels from L1 to L4")
            _within(f"findings.plaque_mm3[{level.name}]", volume, 0, 4000)
        _within("findings.plaque_mg_cm3", self.plaque_mg_cm3, 300, 680)
        _one_of("findings.hip_prosthesis", self.hip_prosthesis, SIDES)
        _one_of("findings.lumbosacral", self.lumbosacral, LUMBOSACRAL)
        _one_of("findings.fused_sides", self.fused_sides, FUSED_SIDES)
        _one_of("findings.thoracolumbar", self.thoracolumbar, THORACOLUMBAR)
        _within("findings.cobb_deg", self.cobb_deg, -40, 40)
        _one_of("findings.scoliosis_apex", self.scoliosis_apex, MODELLED)
        _within("findings.rotation_per_cobb", self.rotation_per_cobb, 0, 1)
        _within("findings.body_asymmetry", self.body_asymmetry, -0.15, 0.15)

    def at(self, level: Level) -> LevelFindings:
        """Return the findings of a level; healthy if it has no entry."""
        return self.levels.get(level, HEALTHY)

    @property
    def is_transitional(self) -> bool:
        """Whether a count from one end only may give wrong level names."""
        return (self.lumbosacral, self.thoracolumbar) != ("regular", "regular")

    def as_json(self) -> dict[str, object]:
        """Return all fields that differ from a patient without findings."""
        stated: dict[str, object] = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in {"levels", "plaque_mm3", "scoliosis_apex"}
            and getattr(self, item.name) != item.default
        }
        if self.cobb_deg:
            stated["scoliosis_apex"] = self.scoliosis_apex.name
        if self.plaque_mm3:
            stated["plaque_mm3"] = {level.name: mm3 for level, mm3 in self.plaque_mm3.items()}
        levels = {
            level.name: found.changed() for level, found in self.levels.items() if found.changed()
        }
        return {**stated, "levels": levels} if levels else stated


HEALTHY: Final = LevelFindings()


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        _refuse(name, value, f"{low:g} to {high:g}")


def _one_of(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise BadCohortConfig(f"{name} = {value!r}", "one of " + ", ".join(map(repr, known)))


def _refuse(name: str, value: float | str, expected: str) -> None:
    shown = f"{value:g}" if isinstance(value, int | float) else value
    raise BadCohortConfig(f"{name} = {shown}", expected)

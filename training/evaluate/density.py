"""Measure the density path against the truth of virtual patients: bias, spread, contrast phase.

    python -m training.evaluate.density --whole 8 --json > docs/results/density.json

Rows: on, what, value, goal, n. Patients of all three families are scanned at 120 kV on the scanners
that no training uses, with slices of 0.6 to 5 mm, without contrast medium and in the portal venous
phase. The simulator outlines the body (known masks). Region of interest, phase, calibration and
correction are those of the product. Truth is the density that single-energy QCT measures in the
unenhanced bone (``vbmd_mg_cm3`` of `training.cohort.scan.truth`) on the scale of a hydroxyapatite
phantom. Like every single-energy QCT it is below the mineral density in fatty marrow.

Publications differ most in the enhancement of marrow, and the correction uses one of them. The
portal venous scans are therefore repeated with the marrow uptake of other publications.

``--whole`` adds lumbar scans of other patients from T11 to the sacrum. The networks of the product
find, name and outline L1 to L4; the CT is the only input.

Asynchronous calibration: a phantom of 27 cm water with rods of 0 to 200 mg/cm3 is scanned in the
same scanner. Its rods are measured and fitted as in ``osteonode calibrate phantom``.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines.contract.anatomy import MEASURED_LEVELS, Level
from pipelines.contract.calibration import Standard
from pipelines.contract.density_table import CalibrationEntry, DensityTable, default_table
from pipelines.contract.findings import Abstained, ContrastPhase, Measured
from pipelines.density.attenuation_to_density import DensityPath, choose_density
from pipelines.density.fit_site_calibration import fit_entry, measure_rods
from pipelines.gates.all_gates import check_header, check_image
from pipelines.locate.localize import LocatedVertebra, localize
from pipelines.lumbar.attenuation import measure_level
from pipelines.lumbar.measure import LumbarResult, measure_lumbar
from pipelines.outline.trabecular_core import trabecular_region
from pipelines.outline.vertebrae_1mm import segment_vertebrae
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume, Segmentation
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.people.form import FAMILIES, draw_form
from training.cohort.people.subject import Subject, draw_subject
from training.cohort.scan.as_ct_volume import located, volume
from training.cohort.scan.crops import Crop, simulate_crop, vertebra_grid
from training.cohort.scan.equipment import HELD_OUT
from training.cohort.scan.phantom import scan_phantom
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import ExaminationPlan, simulate

SEED: Final = 7_000_000
WHOLE_SEED: Final = 8_000_000
SLICES_MM: Final = (0.6, 1.0, 1.25, 2.5, 5.0)
PHASES: Final = {"none": ContrastPhase.NONE, "portal": ContrastPhase.PORTAL_VENOUS}
UPTAKES: Final = {
    "none (Pickhardt 2013)": 0.0,
    "as in Toelly 2017": 0.67,
    "as in Perez 2020": 1.6,
}
"""Uptake of marrow relative to 1.1 mg/ml of the simulator (15 HU in these patients). Women of Toelly,
whose line is the correction: 6.4 mg/cm3 or 8 HU in marrow with 55 % fat. Donors of Perez: 27 HU in
marrow with 38 % fat."""
LEVEL: Final = Level.L2
FIELD_MM: Final = (400.0, 290.0, 44.0)
PIXEL_MM: Final = 1.0
BIAS_GOAL: Final = "within 3"
SD_GOAL: Final = "at most 8"
COVERAGE_SD: Final = 1.96
"""Factor on the standard uncertainty for the reported 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured figure; ``goal`` is the goal of the project, or empty."""

    on: str
    what: str
    value: float
    goal: str | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Density minus truth, and the reported standard uncertainty, mg/cm3."""

    value: float
    uncertainty: float

    @property
    def is_covered(self) -> bool:
        """Whether the 95 % interval contains the truth."""
        return abs(self.value) <= COVERAGE_SD * self.uncertainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """Results of one scan of a patient.

    Parameters
    ----------
    asynchronous, internal
        Density minus truth, mg/cm3; ``None`` if it is withheld.
    uptake
        Key of ``UPTAKES``; ``None`` for the default of the simulator.
    """

    phase: str
    slice_mm: float
    phase_is_right: bool
    asynchronous: Error | None
    internal: Error | None
    uptake: str | None = None


def scan_patient(number: int) -> list[Scanned]:
    """Scan one patient in both phases and measure L2."""
    subject, scanner = draw_patient(SEED, number)
    return [_scan(subject, scanner, phase) for phase in PHASES]


def scan_uptakes(number: int) -> list[Scanned]:
    """Scan L2 of one patient in the portal venous phase, with the uptake of each publication."""
    subject, scanner = draw_patient(SEED, number)
    return [_scan(subject, scanner, "portal", uptake) for uptake in UPTAKES]


def scan_whole(number: int) -> list[Scanned]:
    """Scan one patient in both phases and measure L1 to L4 from the CT alone."""
    subject, scanner = draw_patient(WHOLE_SEED, number)
    return [one for phase in PHASES for one in _scan_whole(subject, scanner, phase)]


def draw_patient(seed: int, number: int) -> tuple[Subject, Scanner]:
    """Draw patient and scanner; families, scanners and slices alternate."""
    rng = np.random.default_rng([seed, number])
    subject = draw_subject(seed + number)
    family = list(FAMILIES)[number % len(FAMILIES)]
    subject = replace(subject, form=draw_form(subject.seed, family))
    model = HELD_OUT[number % len(HELD_OUT)]
    scanner = Scanner(
        model=model,
        kernel=model.kernel(str(rng.choice(["smooth", "standard"]))).name,
        mas=int(rng.uniform(120, 250)),
        slice_thickness_mm=SLICES_MM[number % len(SLICES_MM)],
    )
    return subject, scanner


def _scan(subject: Subject, scanner: Scanner, phase: str, uptake: str | None = None) -> Scanned:
    body = plan_body(subject)
    width, depth, height = FIELD_MM
    thick = scanner.slice_thickness_mm
    grid = vertebra_grid(
        body,
        LEVEL,
        shape=(int(height / thick), int(depth / PIXEL_MM), int(width / PIXEL_MM)),
        spacing_mm=(PIXEL_MM, PIXEL_MM, thick),
    )
    share = 1.0 if uptake is None else UPTAKES[uptake]
    crop = simulate_crop(subject, grid, scanner, phase=phase, marrow_uptake=share)
    ct, segmentation = _as_product(crop, subject, scanner, phase)
    quality = check_image(ct, segmentation, check_header(ct))
    region = trabecular_region(segmentation, _located(body))
    if region is None:
        msg = f"patient {subject.seed}: no body"
        raise RuntimeError(msg)
    attenuation = measure_level(ct, region, complete=True).attenuation
    truth = subject.vbmd_mg_cm3[LEVEL]

    def error(path: DensityPath) -> Error | None:
        return _error(path.density(attenuation), truth)

    return Scanned(
        phase=phase,
        slice_mm=thick,
        phase_is_right=quality.phase is PHASES[phase],
        asynchronous=error(choose_density(ct, segmentation, quality, calibrated_table(scanner))),
        internal=error(choose_density(ct, segmentation, quality, default_table())),
        uptake=uptake,
    )


def _scan_whole(subject: Subject, scanner: Scanner, phase: str) -> list[Scanned]:
    image = simulate(
        ExaminationPlan(
            subject=subject,
            scanner=scanner,
            phase=phase,
            region="lumbar",
            size=int(FIELD_MM[0] / PIXEL_MM),
            field_of_view_mm=FIELD_MM[0],
            slice_spacing_mm=scanner.slice_thickness_mm,
        ),
        threads=1,
    ).image
    ct = volume(image.hu, image.affine_lps, _header(subject, scanner, phase))
    found = localize(ct)
    segmentation = segment_vertebrae(ct, found)
    quality = check_image(ct, segmentation, check_header(ct))

    def measured(table: DensityTable) -> LumbarResult:
        path = choose_density(ct, segmentation, quality, table)
        return measure_lumbar(ct, found, segmentation, quality, models=(), density=path)

    asynchronous, internal = measured(calibrated_table(scanner)), measured(default_table())

    def error(result: LumbarResult, level: Level) -> Error | None:
        row = next((one for one in result.findings.vertebrae if one.level == level), None)
        if row is None or not row.used:
            return None
        return _error(row.vbmd, subject.vbmd_mg_cm3[level])

    return [
        Scanned(
            phase=phase,
            slice_mm=scanner.slice_thickness_mm,
            phase_is_right=quality.phase is PHASES[phase],
            asynchronous=error(asynchronous, level),
            internal=error(internal, level),
        )
        for level in MEASURED_LEVELS
    ]


def _error(found: Measured | Abstained, truth: float) -> Error | None:
    if not isinstance(found, Measured) or found.standard_uncertainty is None:
        return None
    return Error(value=found.value - truth, uncertainty=found.standard_uncertainty)


def calibrated_table(scanner: Scanner) -> DensityTable:
    """Return the density table of a site that scanned a phantom in this scanner."""
    return default_table().model_copy(update={"calibrations": (phantom_entry(scanner),)})


def _as_product(
    crop: Crop, subject: Subject, scanner: Scanner, phase: str
) -> tuple[CtVolume, Segmentation]:
    ct = volume(crop.image.hu, crop.image.affine_lps, _header(subject, scanner, phase))
    labels = np.where(crop.body(LEVEL), np.uint8(LEVEL), np.uint8(0))
    return ct, Segmentation(labels=labels, geometry=ct.geometry)


def _header(subject: Subject, scanner: Scanner, phase: str) -> AcquisitionHeader:
    return AcquisitionHeader(
        kvp=float(scanner.kvp),
        convolution_kernel=scanner.kernel,
        slice_thickness_mm=scanner.slice_thickness_mm,
        contrast_agent=None if phase == "none" else "IODINE",
        patient_age_years=float(subject.age_years),
        patient_sex=subject.sex,
        patient_position="HFS",
        manufacturer=scanner.model.manufacturer,
        model_name=scanner.model.name,
        rescale_type="HU",
    )


def _located(body: BodyPlan) -> LocatedVertebra:
    vertebra = body.vertebra(LEVEL)
    half = vertebra.size_mm[2] / 2 + vertebra.disc_below_mm / 2
    return located(vertebra, LEVEL, half_mm=half)


@cache
def phantom_entry(scanner: Scanner) -> CalibrationEntry:
    """Calibrate this scanner with a phantom, as in ``osteonode calibrate phantom``."""
    header = AcquisitionHeader(
        kvp=float(scanner.kvp),
        convolution_kernel=scanner.kernel,
        slice_thickness_mm=scanner.slice_thickness_mm,
        contrast_agent=None,
        patient_age_years=None,
        patient_sex=None,
        patient_position=None,
        manufacturer=scanner.model.manufacturer,
        model_name=scanner.model.name,
    )
    scanned = scan_phantom(scanner)
    phantom = volume(scanned.image.hu, scanned.image.affine_lps, header)
    return fit_entry(
        measure_rods(phantom, scanned.rods),
        header,
        standard=Standard.HYDROXYAPATITE,
        source="virtual phantom",
        fitted_on=date(2026, 11, 21),
        in_patients=False,
    )


def rows_of(scans: list[Scanned]) -> list[Row]:
    """Return bias and SD by phase, calibration and slice thickness, and the detected phases."""
    rows = _by_phase(scans, "known masks")
    for thick in SLICES_MM:
        group = [one for one in scans if one.phase == "none" and one.slice_mm == thick]
        on = f"virtual, unenhanced, {thick:g} mm slices"
        rows += _agreement(on, "asynchronous", [one.asynchronous for one in group])
    return rows


def whole_rows(scans: list[Scanned]) -> list[Row]:
    """Return the same by phase for vertebrae that the product outlined."""
    return _by_phase(scans, "L1 to L4, the product's outlines")


def _by_phase(scans: list[Scanned], masks: str) -> list[Row]:
    rows = []
    for phase, words in (("none", "unenhanced"), ("portal", "portal venous")):
        group = [one for one in scans if one.phase == phase]
        on = f"virtual, {words}, 120 kV, 0.6-5 mm, {masks}"
        right = sum(one.phase_is_right for one in group)
        rows.append(Row(on=on, what="phase rightly flagged", value=right, goal="all", n=len(group)))
        rows += _agreement(on, "asynchronous", [one.asynchronous for one in group])
        rows += _agreement(on, "internal", [one.internal for one in group])
    return rows


def uptake_rows(scans: list[Scanned]) -> list[Row]:
    """Return bias and SD in the portal venous phase by the uptake of marrow."""
    rows = []
    for uptake in UPTAKES:
        group = [one for one in scans if one.uptake == uptake]
        on = f"virtual, portal venous, marrow uptake {uptake}"
        rows += _agreement(on, "asynchronous", [one.asynchronous for one in group], goals=False)
    return rows


def _agreement(
    on: str, calibration: str, errors: list[Error | None], *, goals: bool = True
) -> list[Row]:
    found = [error.value for error in errors if error is not None]
    rows = []
    if len(found) < len(errors):
        what = f"{calibration}: densities withheld"
        rows.append(Row(on=on, what=what, value=len(errors) - len(found), goal=None, n=len(errors)))
    if len(found) < 2:
        return rows
    has_goals = goals and calibration == "asynchronous"
    for words, value, goal in (
        ("bias", np.mean(found), BIAS_GOAL),
        ("SD", np.std(found, ddof=1), SD_GOAL),
    ):
        rows.append(
            Row(
                on=on,
                what=f"{calibration} vBMD: {words}, mg/cm3",
                value=round(float(value), 2),
                goal=goal if has_goals else None,
                n=len(found),
            )
        )
    covered = sum(error.is_covered for error in errors if error is not None)
    what = f"{calibration} vBMD: 95 % intervals that hold the truth"
    rows.append(Row(on=on, what=what, value=covered, goal=None, n=len(found)))
    return rows


def main() -> None:
    """Scan the patients and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument(
        "--whole", type=int, default=0, help="number of patients whose outlines the product makes"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    console = Console(stderr=True)
    numbers = track(range(args.patients), "patients", console=console)
    rows = rows_of([one for number in numbers for one in scan_patient(number)])
    numbers = track(range(args.patients), "marrow uptakes", console=console)
    rows += uptake_rows([one for number in numbers for one in scan_uptakes(number)])
    if args.whole:
        numbers = track(range(args.whole), "whole scans", console=console)
        rows += whole_rows([one for number in numbers for one in scan_whole(number)])
    if args.json:
        json.dump([asdict(row) for row in rows], sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    table = Table("on", "what", "value", "goal", "n")
    for row in rows:
        table.add_row(row.on, row.what, f"{row.value:g}", row.goal or "", str(row.n))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Fit the fracture-association index of study 1 and write it as a model file with its card.

    python -m training.study1.fracture_index --out models/weights
    python -m training.study1.fracture_index --cohort patients.csv --groups main,fracture --out folder

Without ``--cohort`` the data are group A of study 1 in the virtual cohort: fracture patients and
controls without hyperostosis. A CSV of real patients has one row per patient with the columns patient
(or seed), is_case, age_years, sex, bmi_kg_m2 and abmd_L1_g_cm2 to abmd_L4_g_cm2. An empty density
means that the level is fractured or not measured. ``python -m training.cohort table`` writes the same
columns.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from statsmodels.api import GLM, add_constant
from statsmodels.genmod.families import Binomial

from models.cards import Metric, ModelCard
from models.coefficients import LinearModel, Term
from pipelines.secondary.dxa_equivalent.fracture_index import MODEL, SEXES
from training.cohort.people.densitometry import DXA_LEVELS
from training.cohort.people.population import Population, draw_population, seeds_of
from training.cohort.people.studies import PAPER_LIKE, SCENARIOS, lumbar_groups
from training.loop.about import Kind, Source
from training.loop.sklearn_export import save_model
from training.statistics.clustered import clustered_interval
from training.statistics.errors import UnusableSample
from training.statistics.sample import BoolArray, FloatArray

VERSION = "0.1.0"
PATIENTS = 20_000
SEED = 1
INPUTS = (("age_years", "a"), ("is_female", "1"), ("bmi_kg_m2", "kg/m2"), ("abmd_g_cm2", "g/cm2"))
"""Name and unit (UCUM) of each input."""
OUTCOME = (
    "Index from 0 to 1: similarity of a vertebra to those of patients with a vertebral fracture "
    "elsewhere. It models case status in a case-control sample, not the probability of a fracture."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertebrae:
    """One row per vertebra that is not fractured.

    Parameters
    ----------
    patient : (n,)
    is_case : (n,)
        Whether the patient has a fracture at another level.
    inputs : (n, 4)
        Columns in the order of ``INPUTS``.
    """

    patient: NDArray[np.generic]
    is_case: BoolArray
    inputs: FloatArray

    def __len__(self) -> int:
        return len(self.is_case)

    def rows(self, chosen: NDArray[np.generic]) -> "Vertebrae":
        """Select rows by number or mask."""
        return Vertebrae(
            patient=self.patient[chosen], is_case=self.is_case[chosen], inputs=self.inputs[chosen]
        )


def vertebrae_of(people: Population, abmd_g_cm2: FloatArray, kept: BoolArray) -> Vertebrae:
    """Table of the vertebrae of virtual patients.

    Parameters
    ----------
    abmd_g_cm2, kept : (n, 4)
        Areal density of L1 to L4, and whether the level is not fractured.
    """
    who = np.stack([people.age_years, people.sex == "F", people.bmi_kg_m2], axis=1)
    inputs = np.concatenate(
        [np.repeat(who[:, None], kept.shape[1], axis=1), abmd_g_cm2[:, :, None]], axis=2
    )
    return Vertebrae(
        patient=np.repeat(people.seed[:, None], kept.shape[1], axis=1)[kept],
        is_case=np.repeat(people.is_case[:, None], kept.shape[1], axis=1)[kept],
        inputs=inputs[kept].astype(np.float64),
    )


def read_vertebrae(file: Path, groups: Sequence[str] = ()) -> Vertebrae:
    """Read the vertebrae of a CSV file as described above.

    Parameters
    ----------
    groups
        Values of the column ``group`` to read; all rows if empty.

    Raises
    ------
    UnusableSample
        A column or a value is missing; the message has the line.
    """
    patients, cases, inputs = [], [], []
    with file.open(newline="", encoding="utf-8") as stream:
        for number, one in enumerate(csv.DictReader(stream), start=2):
            if groups and one.get("group") not in groups:
                continue
            try:
                patient = one.get("patient") or one["seed"]
                who = (float(one["age_years"]), SEXES[one["sex"]], float(one["bmi_kg_m2"]))
                is_case = {"true": True, "1": True, "false": False, "0": False}[
                    one["is_case"].lower()
                ]
                densities = [one[f"abmd_{level.name}_g_cm2"] for level in DXA_LEVELS]
                found = [(*who, float(text)) for text in densities if text]
            except (KeyError, ValueError) as error:
                raise UnusableSample(
                    f"{file.name}, line {number}: {error}", "see --help"
                ) from error
            patients += [patient] * len(found)
            cases += [is_case] * len(found)
            inputs += found
    if not inputs:
        raise UnusableSample(f"{file.name} has no row of {groups or 'any group'}", "patients")
    return Vertebrae(
        patient=np.array(patients), is_case=np.array(cases), inputs=np.array(inputs, np.float64)
    )


def virtual_group_a(patients: int, seed: int, scenario: str) -> Vertebrae:
    """Group A of study 1 from the virtual cohort, with 30 fracture patients to 138 controls."""
    groups = {one.name: one for one in lumbar_groups(SCENARIOS[scenario])}
    cases = round(patients * 30 / 168)
    parts = [
        draw_population(seeds_of(seed * 10 + number, count), (groups[name],))
        for number, (name, count) in enumerate((("main", patients - cases), ("fracture", cases)))
    ]
    tables = [
        vertebrae_of(one, one.abmd_g_cm2, np.ones(one.abmd_g_cm2.shape, bool)) for one in parts
    ]
    return join(tables)


def join(tables: Sequence[Vertebrae]) -> Vertebrae:
    """Join several tables into one."""
    return Vertebrae(
        patient=np.concatenate([one.patient for one in tables]),
        is_case=np.concatenate([one.is_case for one in tables]),
        inputs=np.concatenate([one.inputs for one in tables]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Intercept and coefficients with their standard errors clustered by patient; each (5,)."""

    coefficients: FloatArray
    standard_errors: FloatArray

    def log_odds(self, table: Vertebrae) -> FloatArray:
        """Linear predictor of each vertebra; the index is its logistic."""
        return np.asarray(table.inputs @ self.coefficients[1:] + self.coefficients[0])


def fit(table: Vertebrae) -> Fit:
    """Fit an unpenalised logistic regression as in the study, with errors clustered by patient.

    Raises
    ------
    UnusableSample
        All patients are of one class.
    """
    if table.is_case.all() or not table.is_case.any():
        raise UnusableSample("all patients are of one class", "cases and controls")
    groups = np.unique(table.patient, return_inverse=True)[1]
    found = GLM(table.is_case.astype(float), add_constant(table.inputs), family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    return Fit(coefficients=np.asarray(found.params), standard_errors=np.asarray(found.bse))


def as_model(fitted: Fit) -> LinearModel:
    """Convert the fit to a model file's formula, rounded to six significant digits."""
    intercept, *weights = (float(f"{value:.6g}") for value in fitted.coefficients)
    return LinearModel(
        outcome=OUTCOME,
        link="logit",
        intercept=intercept,
        terms=tuple(
            Term(name=name, unit=unit, coefficient=weight)
            for (name, unit), weight in zip(INPUTS, weights, strict=True)
        ),
    )


def ship(
    model: LinearModel,
    folder: Path,
    *,
    source: Source,
    command: str,
    metrics: tuple[Metric, ...],
) -> ModelCard:
    """Write ``fracture_index.coefficients.json`` and its card."""
    return save_model(
        folder,
        model,
        name=MODEL,
        version=VERSION,
        task="Fracture-association index of a vertebra from age, sex, body mass index and areal "
        "density (study 1)",
        sources=[source],
        training=f"Unpenalised logistic regression over vertebrae; {command}",
        metrics=metrics,
        intended_use="Research use only. Similarity to people with a fracture; it predicts no fracture.",
        limits="Case status at one time in a case-control sample, so the level of the index depends "
        "on the sample's share of cases. Age differs strongly between cases and controls. Withheld "
        "outside 40 to 90 years and without age, sex or body mass index.",
        licence="Apache-2.0",
    )


def main() -> None:
    """Fit the index, write model and card, print the coefficients."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cohort", type=Path, help="CSV of patients; default: virtual patients")
    parser.add_argument("--groups", default="", help="groups of the CSV to use, comma-separated")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="number of virtual patients")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scenario", choices=SCENARIOS, default=PAPER_LIKE.name)
    args = parser.parse_args()
    metrics: tuple[Metric, ...] = ()
    if args.cohort:
        table = read_vertebrae(args.cohort, [name for name in args.groups.split(",") if name])
        count = len(np.unique(table.patient))
        source = Source(kind=Kind.TABLE, count=count, what=f"patients of {args.cohort.name}")
        command = f"python -m training.study1.fracture_index --cohort {args.cohort.name}"
        fitted = fit(table)
    else:
        table = virtual_group_a(args.patients, args.seed, args.scenario)
        what = f"of group A of study 1, scenario {args.scenario}, seed {args.seed}"
        source = Source(kind=Kind.VIRTUAL, count=args.patients, what=what)
        command = (
            f"python -m training.study1.fracture_index --patients {args.patients} --seed {args.seed} "
            f"--scenario {args.scenario}"
        )
        fitted = fit(table)
        others = virtual_group_a(args.patients, args.seed + 1, args.scenario)
        area = clustered_interval(others.is_case, fitted.log_odds(others), others.patient)
        on = "other virtual patients, vertebrae of group A"
        metrics = (Metric(on=on, what="AUC", value=round(area.value, 4), n=len(others)),)
    ship(as_model(fitted), args.out, source=source, command=command, metrics=metrics)
    _print(fitted, table, metrics)


def _print(fitted: Fit, table: Vertebrae, metrics: tuple[Metric, ...]) -> None:
    shown = Table("input", "coefficient", "standard error", box=None)
    names = ("intercept", *(name for name, _ in INPUTS))
    for name, value, error in zip(names, fitted.coefficients, fitted.standard_errors, strict=True):
        shown.add_row(name, f"{value:.5g}", f"{error:.3g}")
    console = Console()
    console.print(f"{len(table)} vertebrae of {len(np.unique(table.patient))} patients")
    console.print(shown)
    for metric in metrics:
        console.print(f"{metric.what} {metric.value} ({metric.on}, n = {metric.n})")


if __name__ == "__main__":
    main()

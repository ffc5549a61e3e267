"""The R-score of the product: fitted on one cohort, judged on a scanner it never saw, shipped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from models.cards import Metric
from models.coefficients import LinearModel, linear_model
from pipelines.radiomics.units import feature_unit
from pipelines.secondary.r_score import MODEL
from training.loop.sklearn_export import linear_model_of, save_model
from training.selection.recipes import FOLDS
from training.statistics.clustered import clustered_interval, clustered_test
from training.statistics.cuts import counts_at, youden_cut
from training.statistics.intraclass import icc_2_1_interval
from training.statistics.sample import FloatArray
from training.study2.r_score import FeatureTable, fit_chain
from training.tables.table import Row, row

VERSION: Final = "0.2.0"
OUTLINES: Final = ("the true outline", "the outline of reader 1", "the outline of reader 2")
DIGITS: Final = 6
OUTCOME: Final = (
    "Radiomic score of a vertebral body: a weighted sum that rises the more the body resembles those "
    "of women with a compression fracture at another level. 0 is as like one group as the other in "
    "the virtual training sample, which held as many women with as without fracture. No probability."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductModel:
    """The formula, and the cut that training found.

    Parameters
    ----------
    formula
        R = intercept + sum of coefficient * (value - centre) / scale.
    cut
        Youden's, on the training rows; used in tables, not in the product.
    lambda_
        Chosen penalty; not a number where nothing was fitted.
    rows, women
        Counts of training.
    """

    formula: LinearModel
    cut: float
    lambda_: float
    rows: int
    women: int

    def score(self, table: FeatureTable) -> FloatArray:
        """R-score of every row."""
        return np.array(
            [
                self.formula.value(dict(zip(table.names, values, strict=True)))
                for values in table.features.tolist()
            ]
        )

    def in_words(self) -> str:
        """Features and their weights."""
        return ", ".join(f"{term.name} {term.coefficient:+.3f}" for term in self.formula.terms)


def fit_product(table: FeatureTable, *, folds: int = FOLDS, seed: int = 1) -> ProductModel:
    """The chain of study 2 on all women of the product's cohort; its folds keep women whole."""
    chain = fit_chain(table, np.arange(len(table.patient)), "patient", folds=folds, seed=seed)
    formula = linear_model_of(
        chain,
        table.names,
        outcome=OUTCOME,
        units={name: feature_unit(name) for name in table.names},
    )
    return _on(table, _rounded(formula), float(chain["lasso"].lambda_))


def shipped_model(table: FeatureTable) -> ProductModel:
    """The formula that the product uses now; its cut as on ``table``."""
    return _on(table, linear_model(MODEL), float("nan"))


def _on(table: FeatureTable, formula: LinearModel, lambda_: float) -> ProductModel:
    model = ProductModel(
        formula=formula,
        cut=0.0,
        lambda_=lambda_,
        rows=len(table.patient),
        women=len(np.unique(table.patient)),
    )
    return replace(model, cut=youden_cut(table.is_fracture, model.score(table)))


def _rounded(formula: LinearModel) -> LinearModel:
    """A score, not its logistic; six significant digits."""

    def short(value: float) -> float:
        return float(f"{value:.{DIGITS}g}")

    return LinearModel(
        outcome=formula.outcome,
        link="identity",
        intercept=short(formula.intercept),
        terms=tuple(
            term.model_copy(
                update={
                    "coefficient": short(term.coefficient),
                    "centre": short(term.centre),
                    "scale": short(term.scale),
                }
            )
            for term in formula.terms
        ),
    )


def product_rows(model: ProductModel, outlines: Sequence[FeatureTable]) -> list[Row]:
    """Figures on vertebrae that took no part in the fit.

    Parameters
    ----------
    outlines
        The same vertebrae as outlined by the product, truly, and by each reader.
    """
    table = outlines[0]
    truth, patient, n = table.is_fracture, table.patient, len(table.patient)
    scores = [model.score(one) for one in outlines]
    t_area = clustered_interval(truth, -table.t_score, patient)
    rows = [
        row(
            "R-score of the product: AUC, vertebrae",
            clustered_interval(truth, scores[0], patient),
            n=n,
            cohort=table.cohort,
            baseline=t_area.value,
        ),
        row("AUC t-score, vertebrae", t_area, n=n, cohort=table.cohort),
        row(
            "R-score of the product against T-score: Obuchowski P",
            clustered_test(truth, scores[0], -table.t_score, patient).p,
            n=n,
            cohort=table.cohort,
        ),
    ]
    rows += [
        row(
            f"AUC {name}, vertebrae",
            clustered_interval(truth, score, patient),
            n=n,
            cohort=table.cohort,
        )
        for name, score in table.baselines.items()
    ]
    for name, score in zip(OUTLINES, scores[1:], strict=True):
        rows.append(
            row(
                f"R-score of the product: AUC with {name}",
                clustered_interval(truth, score, patient),
                n=n,
                cohort=table.cohort,
            )
        )
    rows.append(
        row(
            "R-score of the product: ICC(2,1), own outline and true one",
            icc_2_1_interval(np.stack(scores[:2], axis=1)),
            n=n,
            cohort=table.cohort,
        )
    )
    difference = scores[0] - scores[1]
    rows += [
        row(
            f"R-score of the product: own outline minus true one, {what}",
            value,
            n=n,
            cohort=table.cohort,
        )
        for what, value in (
            ("mean", float(difference.mean())),
            ("SD", float(difference.std(ddof=1))),
        )
    ]
    at = counts_at(truth, scores[0], model.cut)
    rows += [
        row(
            f"R-score of the product: {word} for fracture at the cut of training",
            estimate,
            n=estimate.n,
            cohort=table.cohort,
        )
        for word, estimate in (
            ("sensitivity", at.sensitivity()),
            ("specificity", at.specificity()),
            ("accuracy", at.accuracy()),
        )
    ]
    return rows


def ship(model: ProductModel, held_out: FeatureTable, folder: Path, *, command: str) -> None:
    """Write formula and card."""
    area = clustered_interval(held_out.is_fracture, model.score(held_out), held_out.patient)
    save_model(
        folder,
        model.formula,
        name=MODEL,
        version=VERSION,
        task="R-score: how much a vertebral body resembles those of women with a compression fracture "
        "at another level, from radiomic features of the whole body with its cortex (study 2)",
        training_data=f"Simulation only: {model.rows} vertebrae of {model.women} virtual "
        "postmenopausal women, half of them with a fracture; three scanners, smooth and standard "
        "kernels, 120 kV, slices of 0.625 to 2 mm, no contrast medium. No real patient.",
        training="Features of the outlines that the vertebra network draws; ICC > 0.8 over these, the true "
        "and two readers' outlines, z-score, mRMR to 25, binomial LASSO with the "
        f"one-standard-error rule, lambda {model.lambda_:.4g}, folds by woman; {command}",
        metrics=(
            Metric(
                on=held_out.cohort, what="AUC", value=round(area.value, 4), n=len(held_out.patient)
            ),
        ),
        intended_use="Research use only. Association with fractures that are there already; it "
        "predicts no fracture and is no diagnosis.",
        limits="Women of 50 to 90 years. Effect of fracture on bone is what the simulation was tuned to, "
        "so the area under the curve says nothing about patients. Withheld for sharp kernels, other "
        "tube voltages, contrast medium, slices over 2 mm and levels that the density path "
        "leaves out. The level of the score follows from as many cases as controls.",
        licence="Apache-2.0",
    )

"""Fit the R-score of the product on one cohort, test it on another scanner, and export it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from models.cards import Metric
from models.coefficients import LinearModel, linear_model
from pipelines.radiomics.units import feature_unit
from pipelines.secondary.r_score import MODEL
from training.loop.about import Kind, Source
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
    "of women with a compression fracture at another level. 0 means equally similar to both "
    "groups in the virtual training sample of as many women with as without fracture. No probability."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductModel:
    """Formula of the R-score and the cut from its training data.

    Parameters
    ----------
    formula
        R = intercept + sum of coefficient * (value - centre) / scale.
    cut
        Youden's cut on the training rows; used in tables, not in the product.
    lambda_
        Selected penalty; NaN if the formula was loaded and not fitted.
    rows, women
        Number of vertebrae and women in the training data.
    """

    formula: LinearModel
    cut: float
    lambda_: float
    rows: int
    women: int

    def score(self, table: FeatureTable) -> FloatArray:
        """R-score of every row of a table."""
        return np.array(
            [
                self.formula.value(dict(zip(table.names, values, strict=True)))
                for values in table.features.tolist()
            ]
        )

    def in_words(self) -> str:
        """Text with the features and their weights."""
        return ", ".join(f"{term.name} {term.coefficient:+.3f}" for term in self.formula.terms)


def fit_product(table: FeatureTable, *, folds: int = FOLDS, seed: int = 1) -> ProductModel:
    """Fit the pipeline of study 2 on all women of the product's cohort, with folds by woman."""
    chain = fit_chain(table, np.arange(len(table.patient)), "patient", folds=folds, seed=seed)
    formula = linear_model_of(
        chain,
        table.names,
        outcome=OUTCOME,
        units={name: feature_unit(name) for name in table.names},
    )
    return _on(table, _rounded(formula), float(chain["lasso"].lambda_))


def shipped_model(table: FeatureTable) -> ProductModel:
    """Load the formula that the product uses now; its cut comes from ``table``."""
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
    """Use the identity link, since the score is no probability, and round to six significant digits."""

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
    """Results on vertebrae that are not in the training data of the model.

    Parameters
    ----------
    outlines
        Features of the same vertebrae from the outline of the product, the true outline and those of
        the readers.
    """
    table = outlines[0]
    scores = [model.score(one) for one in outlines]
    return [
        *_area_rows(table, scores[0]),
        *_outline_rows(table, scores),
        *_cut_rows(table, scores[0], model.cut),
    ]


def _area_rows(table: FeatureTable, score: FloatArray) -> list[Row]:
    """AUC of the R-score, of the T-score and of the baselines."""
    truth, patient, n = table.is_fracture, table.patient, len(table.patient)
    t_area = clustered_interval(truth, -table.t_score, patient)
    return [
        row(
            "R-score of the product: AUC, vertebrae",
            clustered_interval(truth, score, patient),
            n=n,
            cohort=table.cohort,
            baseline=t_area.value,
        ),
        row("AUC t-score, vertebrae", t_area, n=n, cohort=table.cohort),
        row(
            "R-score of the product against T-score: Obuchowski P",
            clustered_test(truth, score, -table.t_score, patient).p,
            n=n,
            cohort=table.cohort,
        ),
        *(
            row(
                f"AUC {name}, vertebrae",
                clustered_interval(truth, baseline, patient),
                n=n,
                cohort=table.cohort,
            )
            for name, baseline in table.baselines.items()
        ),
    ]


def _outline_rows(table: FeatureTable, scores: Sequence[FloatArray]) -> list[Row]:
    """AUC from the other outlines, and agreement of the product's outline with the true one."""
    n, cohort = len(table.patient), table.cohort
    difference = scores[0] - scores[1]
    return [
        *(
            row(
                f"R-score of the product: AUC with {name}",
                clustered_interval(table.is_fracture, score, table.patient),
                n=n,
                cohort=cohort,
            )
            for name, score in zip(OUTLINES, scores[1:], strict=True)
        ),
        row(
            "R-score of the product: ICC(2,1), own outline and true one",
            icc_2_1_interval(np.stack(scores[:2], axis=1)),
            n=n,
            cohort=cohort,
        ),
        *(
            row(
                f"R-score of the product: own outline minus true one, {what}",
                value,
                n=n,
                cohort=cohort,
            )
            for what, value in (
                ("mean", float(difference.mean())),
                ("SD", float(difference.std(ddof=1))),
            )
        ),
    ]


def _cut_rows(table: FeatureTable, score: FloatArray, cut: float) -> list[Row]:
    """Sensitivity, specificity and accuracy at the cut of the training part."""
    at = counts_at(table.is_fracture, score, cut)
    return [
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


def ship(model: ProductModel, held_out: FeatureTable, folder: Path, *, command: str) -> None:
    """Write the formula and its card."""
    area = clustered_interval(held_out.is_fracture, model.score(held_out), held_out.patient)
    save_model(
        folder,
        model.formula,
        name=MODEL,
        version=VERSION,
        task="R-score: how much a vertebral body resembles those of women with a compression fracture "
        "at another level, from radiomic features of the whole body with its cortex (study 2)",
        sources=[
            Source(
                kind=Kind.VIRTUAL,
                count=model.women,
                what=f"postmenopausal women, half of them with a fracture, {model.rows} vertebrae; "
                "three scanners, smooth and standard kernels, 120 kV, slices of 0.625 to 2 mm, no "
                "contrast medium",
            )
        ],
        training="Features of the outlines that the vertebra network draws; ICC > 0.8 over these, the true "
        "and two readers' outlines, z-score, mRMR to 25, binomial LASSO with the "
        f"one-standard-error rule, lambda {model.lambda_:.4g}, folds by woman; {command}",
        metrics=(
            Metric(
                on=held_out.cohort, what="AUC", value=round(area.value, 4), n=len(held_out.patient)
            ),
        ),
        intended_use="Research use only. Association with existing fractures; it predicts no fracture "
        "and is no diagnosis.",
        limits="Women of 50 to 90 years. The simulated effect of fracture on bone was tuned to the "
        "published result, so the area under the curve does not apply to patients. Withheld for sharp "
        "kernels, other tube voltages, contrast medium, slices over 2 mm and levels that the density "
        "path excludes. The offset of the score assumes as many cases as controls.",
        licence="Apache-2.0",
    )

"""Draw the figures of a study, one function each, in one style.

Every figure names its cohort below the axes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from training.statistics.agreement import bland_altman, pearson, root_mean_square_error
from training.statistics.calibration import calibration, reliability_curve
from training.statistics.confusion import CountMatrix
from training.statistics.decision_curve import decision_curve
from training.statistics.delong import delong_interval
from training.statistics.errors import UnusableSample
from training.statistics.sample import finite
from training.tables.table import VIRTUAL

COLOURS = ("#1f5a99", "#c2571a", "#3f8f4f", "#8a4f9e", "#7a7a7a")
GREY = "#888888"
DPI = 110


def scatter(
    measured: ArrayLike, reference: ArrayLike, file: Path, *, quantity: str, cohort: str = VIRTUAL
) -> None:
    """Draw measured against reference with the line of identity."""
    figure, axes = _new(cohort)
    x, y = finite("reference", reference), finite("measured", measured)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.scatter(x, y, s=8, alpha=0.5, color=COLOURS[0], edgecolors="none")
    r = pearson(y, x)
    axes.set_title(
        f"r = {r.value:.3f} ({r.ci_low:.3f} to {r.ci_high:.3f}), "
        f"RMSE {root_mean_square_error(y, x):.3g}, n = {r.n}",
        fontsize=9,
    )
    axes.set_xlabel(f"reference {quantity}")
    axes.set_ylabel(f"measured {quantity}")
    axes.set_aspect("equal")
    _save(figure, file)


def bland_altman_plot(
    measured: ArrayLike, reference: ArrayLike, file: Path, *, quantity: str, cohort: str = VIRTUAL
) -> None:
    """Draw difference against mean with bias and limits of agreement."""
    figure, axes = _new(cohort)
    x, y = finite("reference", reference), finite("measured", measured)
    found = bland_altman(y, x)
    axes.scatter((x + y) / 2, y - x, s=8, alpha=0.5, color=COLOURS[0], edgecolors="none")
    for line, style in ((found.bias, "-"), (found.lower, "--"), (found.upper, "--")):
        axes.axhline(line.value, color=COLOURS[1], linestyle=style, linewidth=1)
        axes.axhspan(line.ci_low, line.ci_high, color=COLOURS[1], alpha=0.12, linewidth=0)
    axes.set_title(
        f"bias {found.bias.value:.3g}, limits {found.lower.value:.3g} to {found.upper.value:.3g}",
        fontsize=9,
    )
    axes.set_xlabel(f"mean of both, {quantity}")
    axes.set_ylabel(f"measured - reference, {quantity}")
    _save(figure, file)


def roc(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], file: Path, *, cohort: str = VIRTUAL
) -> None:
    """Draw ROC curves by name, each (truth, score), with DeLong's interval of the area."""
    figure, axes = _new(cohort)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for number, (name, (truth, score)) in enumerate(curves.items()):
        area = delong_interval(truth, score)
        wrong, right, _ = roc_curve(truth, score)
        axes.plot(
            wrong,
            right,
            color=COLOURS[number % len(COLOURS)],
            label=f"{name}: {area.value:.3f} ({area.ci_low:.3f} to {area.ci_high:.3f})",
        )
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.set_aspect("equal")
    axes.legend(loc="lower right", fontsize=8)
    _save(figure, file)


def confusion(
    matrix: CountMatrix, classes: Sequence[str], file: Path, *, cohort: str = VIRTUAL
) -> None:
    """Draw a confusion matrix; shades are shares of the row."""
    figure, axes = _new(cohort)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(matrix):
        colour = "white" if shares[i, j] > 0.5 else "black"
        axes.text(j, i, f"{count}\n{shares[i, j]:.0%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.grid(visible=False)
    _save(figure, file)


def calibration_plot(
    models: Mapping[str, tuple[ArrayLike, ArrayLike]], file: Path, *, cohort: str = VIRTUAL
) -> None:
    """Draw observed share against predicted probability by name, each (truth, probability)."""
    figure, axes = _new(cohort)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for number, (name, (truth, probability)) in enumerate(models.items()):
        curve = reliability_curve(truth, probability)
        label = f"{name}: {_slope_and_intercept(truth, probability)}"
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(curve.predicted, curve.observed, "o-", color=colour, label=label, markersize=4)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    axes.legend(loc="upper left", fontsize=8)
    _save(figure, file)


def _slope_and_intercept(truth: ArrayLike, probability: ArrayLike) -> str:
    try:
        found = calibration(truth, probability)
    except UnusableSample as reason:
        return f"no slope, {reason.found}"
    return f"slope {found.slope.value:.2f}, intercept {found.intercept.value:.2f}"


def decision_curves(
    models: Mapping[str, tuple[ArrayLike, ArrayLike]], file: Path, *, cohort: str = VIRTUAL
) -> None:
    """Draw net benefit by name, each (truth, calibrated probability), on the same cases."""
    figure, axes = _new(cohort)
    top = 0.0
    for number, (name, (truth, probability)) in enumerate(models.items()):
        curve = decision_curve(truth, probability)
        if number == 0:
            axes.plot(curve.thresholds, curve.treat_all, color=GREY, linewidth=1, label="all")
            axes.axhline(0, color="black", linewidth=1, label="none")
        axes.plot(curve.thresholds, curve.model, color=COLOURS[number % len(COLOURS)], label=name)
        top = max(top, float(curve.model.max()), float(curve.treat_all.max()))
    axes.set_ylim(-0.1 * top, 1.1 * top)
    axes.set_xlabel("threshold probability")
    axes.set_ylabel("net benefit")
    axes.legend(fontsize=8)
    _save(figure, file)


def violins(
    groups: Mapping[str, ArrayLike], file: Path, *, quantity: str, cohort: str = VIRTUAL
) -> None:
    """Draw the distribution of a score in named groups, with median and quartiles."""
    figure, axes = _new(cohort)
    samples = [finite(name, values) for name, values in groups.items()]
    parts = axes.violinplot(samples, showextrema=False)
    bodies: Any = parts["bodies"]  # typed as a bare Collection
    for number, body in enumerate(bodies):
        body.set_facecolor(COLOURS[number % len(COLOURS)])
        body.set_alpha(0.45)
    for place, values in enumerate(samples, start=1):
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        axes.vlines(place, low, high, color="black", linewidth=4)
        axes.plot(place, middle, "o", color="white", markersize=4)
    axes.set_xticks(range(1, len(samples) + 1), list(groups))
    axes.set_ylabel(quantity)
    _save(figure, file)


def _new(cohort: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(cohort, fontsize=8, color=GREY)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=DPI, metadata={"Software": None})

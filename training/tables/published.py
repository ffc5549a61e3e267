"""Published numbers of the four studies, each with its place in the paper.

Study 1: DenseNet-121 on lumbar CT (460 patients). Study 2: radiomics R-score for vertebral
fracture (145 women). Study 3: radiomics of the proximal femur on low-dose CT (456 patients). Study
4: chest CT, L1 and L2 (1048 subjects). Figures are as printed; `training.tables.errata` lists those
that cannot be correct.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed figure.

    Parameters
    ----------
    key
        Short name, unique within its study.
    metric
        Description with unit and part of the cohort.
    source
        Place in the paper.
    """

    key: str
    metric: str
    value: float
    source: str
    ci_low: float | None = None
    ci_high: float | None = None


CLASSES: Final = ("normal", "osteopenia", "osteoporosis")


def _named(figures: Iterable[Published]) -> Mapping[str, Published]:
    return MappingProxyType({one.key: one for one in figures})


def _study_1() -> Iterable[Published]:
    bmd = "Results, Per Vertebra BMD Measurement Analysis"
    for part, mean, mae, rmse in (
        ("train", 0.898, 0.0274, 0.0338),
        ("test", 0.919, 0.0390, 0.0511),
    ):
        yield Published(
            key=f"mean_abmd_{part}", metric=f"mean DXA aBMD, {part}, g/cm2", value=mean, source=bmd
        )
        yield Published(key=f"mae_{part}", metric=f"MAE, {part}, g/cm2", value=mae, source=bmd)
        yield Published(key=f"rmse_{part}", metric=f"RMSE, {part}, g/cm2", value=rmse, source=bmd)
    yield Published(key="r_test", metric="r predicted and DXA, test", value=0.934, source=bmd)
    for name, area in zip(CLASSES, (0.90, 0.79, 0.92), strict=True):
        yield Published(
            key=f"auc_{name}_test",
            metric=f"AUC {name}, test, vertebrae",
            value=area,
            source="Results, Analyzing the Osteoporosis Classification Model; Figure 4",
        )
    fracture = "Results, Fracture-Risk Prediction Model; Figure 6"
    for key, metric, value in (
        ("fracture_auc_a_dxa", "fracture association AUC, group A test, DXA", 0.964),
        ("fracture_auc_b_dxa", "fracture association AUC, group B, DXA", 0.464),
        ("fracture_auc_b_predicted", "fracture association AUC, group B, predicted", 0.901),
        ("fracture_delong_p", "DeLong P, group B, predicted against DXA (printed: < 0.001)", 0.001),
    ):
        yield Published(key=key, metric=metric, value=value, source=fracture)


STUDY_1: Final = _named(_study_1())

STUDY_1_PATIENTS: Final = MappingProxyType({"train": (118, 133, 71), "test": (51, 57, 30)})
"""Patients per class; each has L1 to L4."""
STUDY_1_FRACTURE: Final = MappingProxyType(
    {
        "group A fracture": 30,
        "group A control": 138,
        "group B fracture": 41,
        "group B control": 30,
        "vertebrae of fracture patients": 209,
    }
)

STUDY_2_COUNTS: Final = MappingProxyType({"train": (119, 111), "test": (54, 45)})
"""Vertebrae with and without fracture elsewhere in the patient (OVCF, NF)."""


def _study_2() -> Iterable[Published]:
    rows = (
        ("osteoporosis", "train", 0.5, 76.3, 66.4, 85.6, 0.7602, 0.6966, 0.8237),
        ("osteoporosis", "test", 0.5, 71.8, 59.3, 82.2, 0.7074, 0.6041, 0.8108),
        ("t_score", "train", -2.05, 81.0, 79.0, 82.9, 0.8447, 0.7937, 0.8957),
        ("t_score", "test", -1.85, 77.3, 74.1, 80.0, 0.8183, 0.7352, 0.9015),
        ("r_score", "train", 0.522, 91.4, 90.8, 91.9, 0.9454, 0.9133, 0.9775),
        ("r_score", "test", 0.402, 85.8, 74.1, 95.6, 0.9144, 0.8593, 0.9692),
    )
    for model, part, cut, accuracy, specificity, sensitivity, area, low, high in rows:
        words = model.replace("_", "-")
        yield Published(
            key=f"auc_{model}_{part}",
            metric=f"AUC {words}, {part}, vertebrae",
            value=area,
            ci_low=low,
            ci_high=high,
            source="Table 2",
        )
        for key, name, value in (
            ("cut", "cut", cut),
            ("accuracy", "accuracy as printed, %", accuracy),
            ("specificity", "specificity as printed (positive: no fracture), %", specificity),
            ("sensitivity", "sensitivity as printed (positive: no fracture), %", sensitivity),
        ):
            yield Published(
                key=f"{key}_{model}_{part}",
                metric=f"{words}: {name}, {part}",
                value=value,
                source="Table 2",
            )
    for part, p in (("train", 0.001), ("test", 0.01)):
        yield Published(
            key=f"delong_p_{part}",
            metric=f"DeLong P, R-score against T-score, {part}"
            + (" (printed: < 0.001)" if part == "train" else ""),
            value=p,
            source="Table 2",
        )
    yield Published(
        key="lambda", metric="LASSO lambda, one-standard-error rule", value=0.0315, source="Results"
    )
    for key, count, words in (
        ("features_icc", 69, "features with ICC > 0.8"),
        ("features_mrmr", 25, "features after mRMR"),
        ("features_lasso", 8, "features after LASSO"),
    ):
        yield Published(key=key, metric=words, value=count, source="Results, Feature selection")


STUDY_2: Final = _named(_study_2())

STUDY_2_FEATURES: Final = (
    "original_firstorder_10Percentile",
    "original_firstorder_Median",
    "original_firstorder_Energy",
    "original_shape_Maximum2DDiameterSlice",
    "original_gldm_LargeDependenceHighGrayLevelEmphasis",
    "original_gldm_DependenceNonUniformity",
    "original_ngtdm_Strength",
    "original_glcm_Imc2",
)
"""The eight features of the R-score by their names in pyradiomics ("Slicer" in the text is Slice).
The paper shows the coefficients only in a figure."""

STUDY_3_PATIENTS: Final = MappingProxyType(
    {"train": (105, 101, 42), "validation": (45, 44, 18), "test": (52, 30, 19)}
)


def _study_3() -> Iterable[Published]:
    yield Published(
        key="dice_readers",
        metric="Dice between two readers (SD 0.002)",
        value=0.989,
        source="Results, Automatic segmentation model",
    )
    for part, dice, sd, volume, low, high in (
        ("validation", 0.975, 0.012, 0.057, 0.022, 0.129),
        ("test", 0.955, 0.137, 0.041, 0.021, 0.068),
    ):
        yield Published(
            key=f"dice_{part}",
            metric=f"Dice of the proximal femur, {part} (SD {sd:g})",
            value=dice,
            source="Table 2",
        )
        yield Published(
            key=f"volume_difference_{part}",
            metric=f"volume difference, {part}, cm3: median and quartiles",
            value=volume,
            ci_low=low,
            ci_high=high,
            source="Table 2",
        )
    rows = {
        "train": (
            ((0.936, 0.906, 0.965), 0.865, 0.888, 0.879),
            ((0.913, 0.877, 0.949), 0.743, 0.939, 0.859),
            ((0.961, 0.922, 1.000), 0.905, 0.961, 0.951),
        ),
        "validation": (
            ((0.920, 0.870, 0.970), 0.933, 0.806, 0.860),
            ((0.806, 0.722, 0.889), 0.750, 0.762, 0.757),
            ((0.948, 0.906, 0.990), 0.944, 0.843, 0.860),
        ),
        "test": (
            ((0.924, 0.877, 0.971), 0.846, 0.837, 0.842),
            ((0.828, 0.747, 0.909), 0.767, 0.746, 0.752),
            ((0.960, 0.913, 1.000), 0.947, 0.963, 0.960),
        ),
    }
    for part, classes in rows.items():
        for name, ((area, low, high), *measures) in zip(CLASSES, classes, strict=True):
            yield Published(
                key=f"auc_{name}_{part}",
                metric=f"AUC {name}, {part}, patients",
                value=area,
                ci_low=low,
                ci_high=high,
                source="Table 3",
            )
            words = ("sensitivity", "specificity", "accuracy")
            for word, value in zip(words, measures, strict=True):
                yield Published(
                    key=f"{word}_{name}_{part}",
                    metric=f"{word} {name}, {part}",
                    value=value,
                    source="Table 3",
                )


STUDY_3: Final = _named(_study_3())

STUDY_4_SUBJECTS: Final = MappingProxyType(
    {"train": (310, 150, 70), "validation": (60, 30, 10), "test": (251, 116, 51)}
)
STUDY_4_CONFUSION: Final = MappingProxyType(
    {
        1: ((242, 9, 0), (14, 83, 19), (0, 3, 48)),
        2: ((245, 6, 0), (27, 74, 15), (0, 8, 43)),
    }
)
"""Recovered, not printed: the only test matrices (rows truth) that lead to Table 3, by model."""


STUDY_4_TABLE_3: Final = MappingProxyType(
    {
        (1, "train"): (
            ((0.999, 0.998, 1.000), 0.990, 0.972, 0.981, 0.986, 0.983),
            ((0.996, 0.994, 0.999), 0.940, 0.984, 0.959, 0.977, 0.972),
            ((0.999, 0.997, 1.000), 0.957, 0.993, 0.957, 0.993, 0.989),
        ),
        (1, "validation"): (
            ((0.972, 0.939, 1.000), 0.917, 0.900, 0.932, 0.878, 0.910),
            ((0.942, 0.890, 0.994), 0.833, 0.886, 0.758, 0.242, 0.870),
            ((0.989, 0.972, 1.000), 0.700, 0.989, 0.875, 0.967, 0.960),
        ),
        (1, "test"): (
            ((0.989, 0.983, 0.996), 0.964, 0.916, 0.945, 0.944, 0.945),
            ((0.952, 0.932, 0.971), 0.716, 0.960, 0.874, 0.898, 0.892),
            ((0.980, 0.967, 0.994), 0.941, 0.948, 0.716, 0.991, 0.947),
        ),
        (2, "train"): (
            ((0.999, 0.998, 1.000), 1.000, 0.927, 0.951, 1.000, 0.969),
            ((0.996, 0.992, 0.999), 0.893, 0.995, 0.985, 0.959, 0.967),
            ((1.000, 0.999, 1.000), 0.971, 1.000, 1.000, 0.996, 0.996),
        ),
        (2, "validation"): (
            ((0.966, 0.924, 1.000), 1.000, 0.850, 0.909, 1.000, 0.940),
            ((0.929, 0.971, 0.987), 0.767, 0.957, 0.885, 0.905, 0.900),
            ((0.981, 0.957, 1.000), 0.700, 0.989, 0.875, 0.967, 0.960),
        ),
        (2, "test"): (
            ((0.983, 0.974, 0.992), 0.976, 0.838, 0.901, 0.959, 0.921),
            ((0.940, 0.919, 0.962), 0.638, 0.954, 0.841, 0.873, 0.866),
            ((0.978, 0.965, 0.990), 0.843, 0.959, 0.741, 0.978, 0.945),
        ),
    }
)
"""By model and part, for each class: area with interval, sensitivity, specificity, PPV, NPV,
accuracy."""


def _study_4() -> Iterable[Published]:
    yield Published(
        key="dice",
        metric="Dice of the DCNN, 300 training images (SD 0.030)",
        value=0.951,
        source="Results, The overall diagnostic efficiency of the DCNN model; Figure 5",
    )
    words = ("sensitivity", "specificity", "PPV", "NPV", "accuracy")
    for (model, part), classes in STUDY_4_TABLE_3.items():
        for name, ((area, low, high), *measures) in zip(CLASSES, classes, strict=True):
            yield Published(
                key=f"auc_{name}_model{model}_{part}",
                metric=f"AUC {name}, model {model}, {part}, subjects",
                value=area,
                ci_low=low,
                ci_high=high,
                source="Table 3",
            )
            for word, value in zip(words, measures, strict=True):
                yield Published(
                    key=f"{word.lower()}_{name}_model{model}_{part}",
                    metric=f"{word} {name}, model {model}, {part}",
                    value=value,
                    source="Table 3",
                )
    for name, z, p in zip(CLASSES, (2.139, 1.247, 0.603), (0.033, 0.21, 0.546), strict=True):
        yield Published(
            key=f"delong_z_{name}",
            metric=f"DeLong z, {name}, model 1 against 2",
            value=z,
            source="Table 4",
        )
        yield Published(
            key=f"delong_p_{name}",
            metric=f"DeLong P, {name}, model 1 against 2",
            value=p,
            source="Table 4",
        )


STUDY_4: Final = _named(_study_4())

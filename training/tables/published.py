"""What the four studies printed, each figure with its place, and the errors found in them.

Study 1: DenseNet-121 on lumbar CT (460 patients). Study 2: radiomics R-score for vertebral
fracture (145 women). Study 3: radiomics of the proximal femur on low-dose CT (456 patients). Study
4: chest CT, L1 and L2 (1048 subjects). Figures are as printed; where arithmetic contradicts them
the `ERRATA` say so and give what the counts allow.
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
        In words, with unit and part of the cohort.
    source
        Where it stands in the paper.
    """

    key: str
    metric: str
    value: float
    source: str
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erratum:
    """Something printed that cannot be so.

    Parameters
    ----------
    code
        Finding in ``docs/domain.md``, cited as ``docs/domain.md A9`` (A study 1, B study 2, C study 4, D study 3).
    printed
        What stands there.
    finding
        What the arithmetic says.
    """

    code: str
    printed: str
    finding: str


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
"""Patients a class; each gives L1 to L4."""
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
"""The eight of the R-score by pyradiomics' names (the text's "Slicer" is Slice); the coefficients
stand only in a figure."""

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
"""Recovered, not printed: the only test matrices (rows truth) that give Table 3, by model."""


def _study_4() -> Iterable[Published]:
    yield Published(
        key="dice",
        metric="Dice of the DCNN, 300 training images (SD 0.030)",
        value=0.951,
        source="Results, The overall diagnostic efficiency of the DCNN model; Figure 5",
    )
    rows = {
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
    words = ("sensitivity", "specificity", "PPV", "NPV", "accuracy")
    for (model, part), classes in rows.items():
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

ERRATA: Final = (
    Erratum(
        code="A1",
        printed="intensities of each crop scaled to [0, 1] by its own minimum and maximum",
        finding="loses the absolute scale: correlation of the mean with true HU -0.07 inside the "
        "ROI; r = 0.934 is implausible that way, so a fixed HU window is the default",
    ),
    Erratum(
        code="A2",
        printed='"5 mm thickness, 0.625 mm interval"; eight "64-slice" scanners',
        finding="87 % overlap; the list holds 16-, 128- and 256-slice scanners",
    ),
    Erratum(
        code="A5",
        printed="ROC and DeLong over 552 vertebrae with patient labels",
        finding="vertebrae of a patient are not independent: 138 patients bound the information",
    ),
    Erratum(
        code="A6",
        printed="fracture AUC 0.964 in group A",
        finding="the test part holds about 34 patients with about 6 cases: very imprecise",
    ),
    Erratum(
        code="A7",
        printed="fracture AUC 0.464 by DXA in group B",
        finding="needs 0.25 to 0.3 g/cm2 more artefact in cases than in controls: a property of "
        "that cohort, not of hyperostosis as such",
    ),
    Erratum(
        code="A9",
        printed="fracture risk",
        finding="case status at one time, not incident fracture: a fracture-association index",
    ),
    Erratum(
        code="B1",
        printed="sensitivity and specificity of Table 2, fracture as positive class",
        finding="whole counts exist only with no fracture as positive class; for fracture the test "
        "operating point of the R-score is sensitivity 74.1 %, specificity 95.6 %",
    ),
    Erratum(
        code="B2",
        printed="accuracies 76.3, 81.0, 91.4 (train) and 71.8, 77.3, 85.8 % (test)",
        finding="weighted with swapped class sizes; right: 75.7, 80.9, 91.3 and 69.7, 76.8, 83.8 %",
    ),
    Erratum(
        code="B3",
        printed="test cuts 0.402 and -1.85",
        finding="found again on the test data; the discussion calls -1.85 that of training",
    ),
    Erratum(
        code="B4",
        printed="stratified random split of 329 vertebrae",
        finding="neighbours of one patient lie on both sides: leakage",
    ),
    Erratum(
        code="B7",
        printed="collected January 2021 (abstract) or January 2022 (methods) to August 2022; "
        "height 155.2 (SD 30.8) cm; DeLong p < 0.001 (abstract) or 0.01 (Table 2, test)",
        finding="they contradict each other; a standard deviation of 30.8 cm is impossible",
    ),
    Erratum(
        code="B9",
        printed="Energy, Dependence Non-Uniformity and 2D diameter among the eight features",
        finding="they scale with volume and voxel count: body size and spacing",
    ),
    Erratum(
        code="B10",
        printed="chi-squared P 0.718 for 119/111 against 54/45 (Table 1)",
        finding="0.640, with Yates' correction 0.728",
    ),
    Erratum(
        code="C1",
        printed="ResNet-101",
        finding="stages of 3, 4, 6 and 3 two-convolution blocks are the layout of ResNet-34",
    ),
    Erratum(
        code="C2",
        printed="abstract: model 2 above model 1 (0.990, 0.983); validation osteopenia of model 2 "
        "0.929 (0.971 to 0.987); validation NPV of osteopenia 0.242",
        finding="reversed against Table 3; the interval leaves out its value; 62/67 = 0.925",
    ),
    Erratum(
        code="C3",
        printed="Table 2: normal 27.96 %, osteopenia 59.64 %",
        finding="swapped: 621 are 59.3 %, 296 are 28.2 % and 131 are 12.5 %",
    ),
    Erratum(
        code="C4",
        printed="mean BMD of the normal class 168.33 mg/cm3",
        finding="Table 1 (overall 130.28) implies 159.8",
    ),
    Erratum(
        code="C5",
        printed="network against QCT of the same images",
        finding="a plain mean-HU threshold is a near-deterministic predictor of that label and "
        "must stand beside the network",
    ),
    Erratum(
        code="C7",
        printed="segmentation test 400 subjects, classification training 530 of the same 1048",
        finding="the splits differ: test subjects of one may be training subjects of the other",
    ),
    Erratum(
        code="D1",
        printed='intervals "by the Wilson Score method"; AUC of the test normals 0.854 to 0.967 '
        "(text) or 0.877 to 0.971 (Table 3)",
        finding="all nine test intervals are Clopper-Pearson's; the text's are binomial with "
        "n = 101, the table's Wald's",
    ),
    Erratum(
        code="D2",
        printed="per-class sensitivity and specificity beside a confusion matrix",
        finding="they imply 114 calls for 101 patients: a cut for each class, not one decision",
    ),
    Erratum(
        code="D3",
        printed="test Dice 0.955 (SD 0.137), volume difference under 1 cm3 for all",
        finding="exactly two of 101 femora have Dice 0 (one normal, one osteopenia): with equal "
        "volume that is the femur of the other side",
    ),
    Erratum(
        code="D4",
        printed="mean volume difference 0.041 (0.021, 0.068) cm3",
        finding="a median of values without sign, implausibly small for Dice 0.975 on 100 cm3",
    ),
    Erratum(
        code="D5",
        printed="overall mean age 67.80",
        finding="exceeds the weighted mean 67.14 of its parts",
    ),
)

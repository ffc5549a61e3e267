"""Errors in the numbers of the four publications, found by arithmetic."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Erratum:
    """A printed statement that cannot be correct.

    Parameters
    ----------
    code
        Finding in ``docs/domain.md``, cited as ``docs/domain.md A9``: A study 1, B study 2,
        C study 4, D study 3.
    printed
        The printed statement.
    finding
        Result of the check.
    """

    code: str
    printed: str
    finding: str


ERRATA: Final = (
    Erratum(
        code="A1",
        printed="intensities of each crop scaled to [0, 1] by its own minimum and maximum",
        finding="removes the absolute scale: the mean has a correlation of -0.07 with true HU inside "
        "the ROI, so r = 0.934 is implausible; a fixed HU window is the default here",
    ),
    Erratum(
        code="A2",
        printed='"5 mm thickness, 0.625 mm interval"; eight "64-slice" scanners',
        finding="87 % overlap; the list contains 16-, 128- and 256-slice scanners",
    ),
    Erratum(
        code="A5",
        printed="ROC and DeLong over 552 vertebrae with patient labels",
        finding="vertebrae of a patient are not independent: 138 patients limit the information",
    ),
    Erratum(
        code="A6",
        printed="fracture AUC 0.964 in group A",
        finding="the test part has about 34 patients with about 6 cases: very imprecise",
    ),
    Erratum(
        code="A7",
        printed="fracture AUC 0.464 by DXA in group B",
        finding="requires 0.25 to 0.3 g/cm2 more artefact in cases than in controls: a property of "
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
        finding="determined on the test data; in the discussion -1.85 is the cut of training",
    ),
    Erratum(
        code="B4",
        printed="stratified random split of 329 vertebrae",
        finding="vertebrae of one patient are in both parts: leakage",
    ),
    Erratum(
        code="B7",
        printed="collected January 2021 (abstract) or January 2022 (methods) to August 2022; "
        "height 155.2 (SD 30.8) cm; DeLong p < 0.001 (abstract) or 0.01 (Table 2, test)",
        finding="the statements contradict each other; a standard deviation of 30.8 cm is impossible",
    ),
    Erratum(
        code="B9",
        printed="Energy, Dependence Non-Uniformity and 2D diameter among the eight features",
        finding="these features scale with volume and voxel count: body size and spacing",
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
        finding="reversed compared with Table 3; the interval excludes its value; 62/67 = 0.925",
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
        "must be reported beside the network",
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

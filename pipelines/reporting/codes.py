"""Every coded concept in the output, once, with its source.

Takes  nothing
Gives  CodedConcept
Next   pipelines.reporting.seg, pipelines.reporting.sr_content

Standard codes are preferred. Concepts without one have a code of the private scheme
``99OSTEONODE``, which every object declares in its Coding Scheme Identification Sequence and
``docs/dicom.md`` documents (``python -m pipelines.reporting.codes`` prints its table).
"""

import sys
import textwrap
from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.reasons import EXPLANATION, Reason
from pipelines.contract.secondary_findings import Pipeline

PRIVATE_SCHEME: Final = "99OSTEONODE"
MEANING_LENGTH: Final = 64
"""Code Meaning is LO: 64 characters (PS3.5 6.2)."""


def _concept(value: str, scheme: str, meaning: str) -> CodedConcept:
    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning)


def _private(value: str, meaning: str) -> CodedConcept:
    return _concept(value, PRIVATE_SCHEME, meaning)


def _short(sentence: str) -> str:
    """First sentence, cut at a word to the length of a Code Meaning."""
    first = sentence.split(". ")[0].rstrip(".")
    return textwrap.shorten(first, MEANING_LENGTH, placeholder=" ...")


# Anatomy: SNOMED CT, CID 7602 Vertebral Body Reference (vertebrae), CID 4 (spine).
VERTEBRA: Final[dict[Level, CodedConcept]] = {
    Level.T1: _concept("64864005", "SCT", "T1 vertebra"),
    Level.T2: _concept("53733008", "SCT", "T2 vertebra"),
    Level.T3: _concept("1626008", "SCT", "T3 vertebra"),
    Level.T4: _concept("73071006", "SCT", "T4 vertebra"),
    Level.T5: _concept("56401006", "SCT", "T5 vertebra"),
    Level.T6: _concept("45296009", "SCT", "T6 vertebra"),
    Level.T7: _concept("62487009", "SCT", "T7 vertebra"),
    Level.T8: _concept("11068009", "SCT", "T8 vertebra"),
    Level.T9: _concept("82687006", "SCT", "T9 vertebra"),
    Level.T10: _concept("7610001", "SCT", "T10 vertebra"),
    Level.T11: _concept("12989004", "SCT", "T11 vertebra"),
    Level.T12: _concept("23215003", "SCT", "T12 vertebra"),
    Level.L1: _concept("66794005", "SCT", "L1 vertebra"),
    Level.L2: _concept("14293000", "SCT", "L2 vertebra"),
    Level.L3: _concept("36470004", "SCT", "L3 vertebra"),
    Level.L4: _concept("11994002", "SCT", "L4 vertebra"),
    Level.L5: _concept("49668003", "SCT", "L5 vertebra"),
}
LUMBAR_SPINE: Final = _concept("122496007", "SCT", "Lumbar spine")
VERTEBRAL_BODY: Final = _concept("3572006", "SCT", "Body of vertebra")
TRABECULAR_BONE: Final = _concept("0002483", "UBERON", "trabecular bone tissue")

# Hips: SNOMED CT; the side is a modifier (CID 244 Laterality).
FEMUR: Final = _concept("71341001", "SCT", "Femur")
PROXIMAL_FEMUR: Final = _concept("310651003", "SCT", "Proximal Femur")
LATERALITY: Final[dict[Side, CodedConcept]] = {
    Side.LEFT: _concept("7771000", "SCT", "Left"),
    Side.RIGHT: _concept("24028007", "SCT", "Right"),
}

# Segment categories: CID 7150.
ANATOMICAL_STRUCTURE: Final = _concept("123037004", "SCT", "Anatomical Structure")
TISSUE: Final = _concept("85756007", "SCT", "Tissue")

# Algorithm families: CID 7162.
ARTIFICIAL_INTELLIGENCE: Final = _concept("123110", "DCM", "Artificial Intelligence")

# Measurements, derivations and methods.
ATTENUATION: Final = _concept("112031", "DCM", "Attenuation Coefficient")
VOLUME: Final = _concept("118565006", "SCT", "Volume")
SUM_OF_VOXELS: Final = _concept("126030", "DCM", "Sum of segmented voxel method for volume")
MEAN: Final = _concept("373098007", "SCT", "Mean")
STANDARD_DEVIATION: Final = _concept("386136009", "SCT", "Standard Deviation")
VBMD: Final = _private("vbmd", "Trabecular volumetric bone mineral density")
CALIBRATION: Final[dict[str, CodedConcept]] = {
    "generic_uncalibrated": _private("generic", "Generic conversion, uncalibrated"),
    "internal": _private("internal", "Calibration on air, fat and muscle of the scan"),
    "asynchronous": _private("asynchronous", "Asynchronous calibration of this scanner"),
}

# Radiomic features: the scheme of the Image Biomarker Standardisation Initiative (PS3.16 CID 7468,
# 7477); intensity statistics, which the standard's groups leave out, by the IBSI manual itself.
IBSI: Final[dict[str, CodedConcept]] = {
    "shape_MeshVolume": _concept("RNU0", "IBSI", "Volume of Mesh"),
    "shape_VoxelVolume": _concept("YEKZ", "IBSI", "Volume from Voxel Summation"),
    "shape_SurfaceArea": _concept("C0JK", "IBSI", "Surface Area of Mesh"),
    "shape_SurfaceVolumeRatio": _concept("2PR5", "IBSI", "Surface to Volume Ratio"),
    "shape_Sphericity": _concept("QCFX", "IBSI", "Sphericity"),
    "shape_Maximum3DDiameter": _concept("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh"),
    "shape_MajorAxisLength": _concept("TDIC", "IBSI", "Major Axis in 3D Length"),
    "shape_MinorAxisLength": _concept("P9VJ", "IBSI", "Minor Axis in 3D Length"),
    "shape_LeastAxisLength": _concept("7J51", "IBSI", "Least Axis in 3D Length"),
    "shape_Elongation": _concept("Q3CK", "IBSI", "Elongation"),
    "shape_Flatness": _concept("N17B", "IBSI", "Flatness"),
    "firstorder_Mean": _concept("Q4LE", "IBSI", "Mean intensity"),
    "firstorder_Variance": _concept("ECT3", "IBSI", "Intensity variance"),
    "firstorder_Skewness": _concept("KE2A", "IBSI", "Intensity skewness"),
    "firstorder_Median": _concept("Y12H", "IBSI", "Median intensity"),
    "firstorder_Minimum": _concept("1GSF", "IBSI", "Minimum intensity"),
    "firstorder_10Percentile": _concept("QG58", "IBSI", "10th intensity percentile"),
    "firstorder_90Percentile": _concept("8DWT", "IBSI", "90th intensity percentile"),
    "firstorder_Maximum": _concept("84IY", "IBSI", "Maximum intensity"),
    "firstorder_InterquartileRange": _concept("SALO", "IBSI", "Intensity interquartile range"),
    "firstorder_Range": _concept("2OJQ", "IBSI", "Intensity range"),
    "firstorder_MeanAbsoluteDeviation": _concept(
        "4FUA", "IBSI", "Intensity-based mean absolute deviation"
    ),
    "firstorder_RobustMeanAbsoluteDeviation": _concept(
        "1128", "IBSI", "Intensity-based robust mean absolute deviation"
    ),
    "firstorder_Energy": _concept("N8CA", "IBSI", "Intensity-based energy"),
    "firstorder_RootMeanSquared": _concept("5ZWQ", "IBSI", "Root mean square intensity"),
    "firstorder_Entropy": _concept("TLU2", "IBSI", "Intensity Histogram Entropy"),
    "firstorder_Uniformity": _concept("BJ5W", "IBSI", "Intensity Histogram Uniformity"),
    "glcm_MaximumProbability": _concept("GYBY", "IBSI", "Joint Maximum of GLCM"),
    "glcm_JointAverage": _concept("60VM", "IBSI", "Joint Average of GLCM"),
    "glcm_SumSquares": _concept("UR99", "IBSI", "Joint Variance of GLCM"),
    "glcm_JointEntropy": _concept("TU9B", "IBSI", "Joint Entropy of GLCM"),
    "glcm_DifferenceAverage": _concept("TF7R", "IBSI", "Difference Average of GLCM"),
    "glcm_DifferenceVariance": _concept("D3YU", "IBSI", "Difference Variance of GLCM"),
    "glcm_DifferenceEntropy": _concept("NTRS", "IBSI", "Difference Entropy of GLCM"),
    "glcm_SumAverage": _concept("ZGXS", "IBSI", "Sum Average of GLCM"),
    "glcm_SumEntropy": _concept("P6QZ", "IBSI", "Sum Entropy of GLCM"),
    "glcm_JointEnergy": _concept("8ZQL", "IBSI", "Angular Second Moment of GLCM"),
    "glcm_Contrast": _concept("ACUI", "IBSI", "Contrast of GLCM"),
    "glcm_Id": _concept("IB1Z", "IBSI", "Inverse Difference of GLCM"),
    "glcm_Idn": _concept("NDRX", "IBSI", "Normalized Inverse Difference of GLCM"),
    "glcm_Idm": _concept("WF0Z", "IBSI", "Inverse Difference Moment of GLCM"),
    "glcm_Idmn": _concept("1QCO", "IBSI", "Normalized Inverse Difference Moment of GLCM"),
    "glcm_InverseVariance": _concept("E8JP", "IBSI", "Inverse Variance of GLCM"),
    "glcm_Correlation": _concept("NI2N", "IBSI", "Correlation of GLCM"),
    "glcm_Autocorrelation": _concept("QWB0", "IBSI", "Autocorrelation of GLCM"),
    "glcm_ClusterTendency": _concept("DG8W", "IBSI", "Cluster Tendency of GLCM"),
    "glcm_ClusterShade": _concept("7NFM", "IBSI", "Cluster Shade of GLCM"),
    "glcm_ClusterProminence": _concept("AE86", "IBSI", "Cluster Prominence of GLCM"),
    "glcm_Imc1": _concept("R8DG", "IBSI", "First Measure of Information Correlation of GLCM"),
    "glcm_Imc2": _concept("JN9H", "IBSI", "Second Measure of Information Correlation of GLCM"),
    "glrlm_ShortRunEmphasis": _concept("22OV", "IBSI", "Short Runs Emphasis"),
    "glrlm_LongRunEmphasis": _concept("W4KF", "IBSI", "Long Runs Emphasis"),
    "glrlm_LowGrayLevelRunEmphasis": _concept("V3SW", "IBSI", "Low Gray Level Run Emphasis"),
    "glrlm_HighGrayLevelRunEmphasis": _concept("G3QZ", "IBSI", "High Gray Level Run Emphasis"),
    "glrlm_ShortRunLowGrayLevelEmphasis": _concept(
        "HTZT", "IBSI", "Short Run Low Gray Level Emphasis"
    ),
    "glrlm_ShortRunHighGrayLevelEmphasis": _concept(
        "GD3A", "IBSI", "Short Run High Gray Level Emphasis"
    ),
    "glrlm_LongRunLowGrayLevelEmphasis": _concept(
        "IVPO", "IBSI", "Long Run Low Gray Level Emphasis"
    ),
    "glrlm_LongRunHighGrayLevelEmphasis": _concept(
        "3KUM", "IBSI", "Long Run High Gray Level Emphasis"
    ),
    "glrlm_GrayLevelNonUniformity": _concept("R5YN", "IBSI", "Gray Level Nonuniformity in Runs"),
    "glrlm_GrayLevelNonUniformityNormalized": _concept(
        "OVBL", "IBSI", "Normalized Gray Level Nonuniformity in Runs"
    ),
    "glrlm_RunLengthNonUniformity": _concept("W92Y", "IBSI", "Run Length Nonuniformity"),
    "glrlm_RunLengthNonUniformityNormalized": _concept(
        "IC23", "IBSI", "Normalized Run Length Nonuniformity"
    ),
    "glrlm_RunPercentage": _concept("9ZK5", "IBSI", "Run Percentage"),
    "glrlm_GrayLevelVariance": _concept("8CE5", "IBSI", "Gray Level Variance in Runs"),
    "glrlm_RunVariance": _concept("SXLW", "IBSI", "Run Length Variance"),
    "glrlm_RunEntropy": _concept("HJ9O", "IBSI", "Run Entropy"),
    "glszm_SmallAreaEmphasis": _concept("5QRC", "IBSI", "Small Zone Emphasis"),
    "glszm_LargeAreaEmphasis": _concept("48P8", "IBSI", "Large Zone Emphasis"),
    "glszm_LowGrayLevelZoneEmphasis": _concept("XMSY", "IBSI", "Low Gray Level Zone Emphasis"),
    "glszm_HighGrayLevelZoneEmphasis": _concept("5GN9", "IBSI", "High Gray Level Zone Emphasis"),
    "glszm_SmallAreaLowGrayLevelEmphasis": _concept(
        "5RAI", "IBSI", "Small Zone Low Gray Level Emphasis"
    ),
    "glszm_SmallAreaHighGrayLevelEmphasis": _concept(
        "HW1V", "IBSI", "Small Zone High Gray Level Emphasis"
    ),
    "glszm_LargeAreaLowGrayLevelEmphasis": _concept(
        "YH51", "IBSI", "Large Zone Low Gray Level Emphasis"
    ),
    "glszm_LargeAreaHighGrayLevelEmphasis": _concept(
        "J17V", "IBSI", "Large Zone High Gray Level Emphasis"
    ),
    "glszm_GrayLevelNonUniformity": _concept(
        "JNSA", "IBSI", "Gray Level Nonuniformity of Size Zone Counts"
    ),
    "glszm_GrayLevelNonUniformityNormalized": _concept(
        "Y1RO", "IBSI", "Normalized Gray Level Nonuniformity of Size Zone Counts"
    ),
    "glszm_SizeZoneNonUniformity": _concept("4JP3", "IBSI", "Zone Size Nonuniformity"),
    "glszm_SizeZoneNonUniformityNormalized": _concept(
        "VB3A", "IBSI", "Normalized Zone Size Nonuniformity"
    ),
    "glszm_ZonePercentage": _concept("P30P", "IBSI", "Size Zone Percentage"),
    "glszm_GrayLevelVariance": _concept("BYLV", "IBSI", "Gray Level Variance in Size Zones"),
    "glszm_ZoneVariance": _concept("3NSA", "IBSI", "Zone Size Variance"),
    "glszm_ZoneEntropy": _concept("GU8N", "IBSI", "Zone Size Entropy"),
    "gldm_SmallDependenceEmphasis": _concept("SODN", "IBSI", "Low dependence emphasis"),
    "gldm_LargeDependenceEmphasis": _concept("IMOQ", "IBSI", "High dependence emphasis"),
    "gldm_LowGrayLevelEmphasis": _concept("TL9H", "IBSI", "Low grey level count emphasis"),
    "gldm_HighGrayLevelEmphasis": _concept("OAE7", "IBSI", "High grey level count emphasis"),
    "gldm_SmallDependenceLowGrayLevelEmphasis": _concept(
        "EQ3F", "IBSI", "Low dependence low grey level emphasis"
    ),
    "gldm_SmallDependenceHighGrayLevelEmphasis": _concept(
        "JA6D", "IBSI", "Low dependence high grey level emphasis"
    ),
    "gldm_LargeDependenceLowGrayLevelEmphasis": _concept(
        "NBZI", "IBSI", "High dependence low grey level emphasis"
    ),
    "gldm_LargeDependenceHighGrayLevelEmphasis": _concept(
        "9QMG", "IBSI", "High dependence high grey level emphasis"
    ),
    "gldm_GrayLevelNonUniformity": _concept("FP8K", "IBSI", "Grey level non-uniformity of NGLDM"),
    "gldm_DependenceNonUniformity": _concept("Z87G", "IBSI", "Dependence count non-uniformity"),
    "gldm_DependenceNonUniformityNormalized": _concept(
        "OKJI", "IBSI", "Dependence count non-uniformity normalized"
    ),
    "gldm_GrayLevelVariance": _concept("1PFV", "IBSI", "Grey level variance of NGLDM"),
    "gldm_DependenceVariance": _concept("DNX2", "IBSI", "Dependence count variance"),
    "gldm_DependenceEntropy": _concept("FCBV", "IBSI", "Dependence count entropy"),
    "ngtdm_Coarseness": _concept("QCDE", "IBSI", "Coarseness of NGTDM"),
    "ngtdm_Contrast": _concept("65HE", "IBSI", "Contrast of NGTDM"),
    "ngtdm_Busyness": _concept("NQ30", "IBSI", "Busyness of NGTDM"),
    "ngtdm_Complexity": _concept("HDEZ", "IBSI", "Complexity of NGTDM"),
    "ngtdm_Strength": _concept("1X9X", "IBSI", "Strength of NGTDM"),
}
"""By class and name in pyradiomics, for features with the same definition in IBSI (not kurtosis,
which is 3 larger in pyradiomics)."""
RADIOMICS_WITHOUT_IBSI: Final[dict[str, CodedConcept]] = {
    "shape_Maximum2DDiameterSlice": _private("max_2d_slice", "Maximum 2D diameter in a slice"),
    "shape_Maximum2DDiameterColumn": _private("max_2d_column", "Maximum 2D diameter, column plane"),
    "shape_Maximum2DDiameterRow": _private("max_2d_row", "Maximum 2D diameter, row plane"),
    "firstorder_Kurtosis": _private("kurtosis", "Kurtosis, 3 for a normal distribution"),
    "firstorder_TotalEnergy": _private("total_energy", "Energy times voxel volume"),
    "glcm_MCC": _private("mcc", "Maximal correlation coefficient of GLCM"),
}
"""By class and name in pyradiomics, of the features that IBSI lacks."""


def _feature(name: str) -> CodedConcept:
    return IBSI.get(name) or RADIOMICS_WITHOUT_IBSI[name]


RADIOMICS_SETTINGS: Final = _private("radiomics", "Settings of the radiomic features")
RADIOMICS_SETTINGS_VALUE: Final[dict[str, CodedConcept]] = {
    "study2_product": _private("study2_product", "Bins of 25 HU, grid of 1 mm"),
    "study2_faithful": _private("study2_faithful", "Bins of 25 HU, grid of the CT"),
}
RADIOMICS_ENGINE: Final = _private("radio_engine", "Program of the radiomic features")
RADIOMICS_ENGINE_VALUE: Final[dict[str, CodedConcept]] = {
    "pyradiomics": _private("pyradiomics", "pyradiomics"),
}
"""The node's own engine is not named."""
WITHHELD_RADIOMICS: Final = _private("withheld_radio", "Radiomic features withheld because")

# Secondary pipelines: numbers, statements, and values of statements (`pipelines.contract.secondary_findings`).
CATEGORY: Final = _private("category", "QCT range of the mean density")
CATEGORY_VALUE: Final[dict[str, CodedConcept]] = {
    "not_low": _private("not_low", "Above 120 mg/cm3"),
    "low": _private("low", "80 to 120 mg/cm3, QCT range of osteopenia"),
    "very_low": _private("very_low", "Below 80 mg/cm3, QCT range of osteoporosis"),
    "indeterminate": _private("indeterminate", "Indeterminate: the interval includes a limit"),
}
QUANTITY: Final[dict[str, CodedConcept]] = {
    "areal_density": _private("abmd", "DXA-equivalent areal density, estimated from CT"),
    "mean_areal_density": _private(
        "mean_abmd", "Mean DXA-equivalent areal density, estimated from CT"
    ),
    "class_normal": _private("p_normal", "Network share of class: normal areal density"),
    "class_osteopenia": _private("p_osteopenia", "Network share of class: range of osteopenia"),
    "class_osteoporosis": _private("p_osteoporosis", "Network share of class: osteoporosis range"),
    "fracture_index": _private("fracture_index", "Fracture-association index (no prediction)"),
    "r_score": _private("r_score", "Radiomic score of vertebral fracture (R-score)"),
    "hip_volume": VOLUME,
    "hip_attenuation": _private("hip_hu", "Mean attenuation of the proximal femur"),
    "hip_normal": _private("hip_p_normal", "Similarity to hips with normal areal density"),
    "hip_osteopenia": _private("hip_p_osteopenia", "Similarity to hips in the osteopenia range"),
    "hip_osteoporosis": _private("hip_p_osteopor", "Similarity to hips in the osteoporosis range"),
    "chest_attenuation": _private("slice_hu", "Mean attenuation of the central 2 mm slice"),
    "chest_area": _private("slice_area", "Trabecular area of the central 2 mm slice"),
    "chest_vbmd": _private("l1l2_vbmd", "Mean trabecular density of L1 and L2"),
    "chest_normal": _private("p_not_low", "Similarity to spines above 120 mg/cm3"),
    "chest_osteopenia": _private("p_low", "Similarity to spines of 80 to 120 mg/cm3"),
    "chest_osteoporosis": _private("p_very_low", "Similarity to spines below 80 mg/cm3"),
}
PIPELINE: Final[dict[Pipeline, CodedConcept]] = {
    Pipeline.DXA_EQUIVALENT: _private("dxa_equivalent", "Areal density by networks, experimental"),
    Pipeline.R_SCORE: QUANTITY["r_score"],
    Pipeline.HIP: _private("hip", "Radiomics of the proximal femur, experimental"),
    Pipeline.CHEST: _private("chest", "Networks of L1 and L2, experimental"),
}
STATEMENT: Final[dict[str, CodedConcept]] = {
    "hip_class": _private("hip_class", "Most similar range of areal density of the hip"),
    "chest_class": _private("chest_class", "Most similar QCT range of L1 and L2"),
    "chest_range": _private("l1l2_range", "QCT range of the measured density of L1 and L2"),
}
STATEMENT_VALUE: Final[dict[str, CodedConcept]] = {
    "like_normal": _private("like_normal", "Similar to normal areal density of the hip"),
    "like_osteopenia": _private("like_osteopenia", "Similar to the osteopenia range of the hip"),
    "like_osteoporosis": _private(
        "like_osteoporos", "Similar to the osteoporosis range of the hip"
    ),
    "like_several": _private("like_several", "Indeterminate: no class reaches 50 %"),
    "like_not_low": _private("like_not_low", "Similar to spines above 120 mg/cm3"),
    "like_low": _private("like_low", "Similar to spines of 80 to 120 mg/cm3"),
    "like_very_low": _private("like_very_low", "Similar to spines below 80 mg/cm3"),
    "like_no_range": _private("like_no_range", "Indeterminate: similar to no single QCT range"),
    **CATEGORY_VALUE,
}
WITHHELD: Final[dict[str, CodedConcept]] = {
    name: _private(f"no_{name}", _short(f"Withheld: {concept.meaning}"))
    for name, concept in {**QUANTITY, **STATEMENT}.items()
}

R_SCORE_FEATURES: Final = (
    "shape_Elongation",
    "shape_MeshVolume",
    "firstorder_10Percentile",
    "firstorder_Maximum",
    "glcm_Imc1",
    "glcm_MaximumProbability",
    "glrlm_RunLengthNonUniformityNormalized",
)
"""Of the card ``r_score``, by class and name in pyradiomics."""
CONTRIBUTION: Final[dict[str, CodedConcept]] = {
    f"contribution_{name}": _private(
        f"adds_{_feature(name).value}", _short(f"Added to the R-score by {_feature(name).meaning}")
    )
    for name in R_SCORE_FEATURES
}
"""What a feature adds to the R-score."""

# Units: UCUM.
NO_UNITS: Final = _concept("1", "UCUM", "no units")
MILLIMETRE: Final = _concept("mm", "UCUM", "mm")
SQUARE_MILLIMETRE: Final = _concept("mm2", "UCUM", "square millimeter")
PER_MILLIMETRE: Final = _concept("/mm", "UCUM", "/mm")
SQUARE_HOUNSFIELD: Final = _concept("[hnsf'U]2", "UCUM", "square Hounsfield unit")
HOUNSFIELD_UNIT: Final = _concept("[hnsf'U]", "UCUM", "Hounsfield unit")
MG_PER_CM3: Final = _concept("mg/cm3", "UCUM", "mg/cm^3")
CUBIC_MILLIMETRE: Final = _concept("mm3", "UCUM", "cubic millimeter")
GRAM_PER_CM2: Final = _concept("g/cm2", "UCUM", "g/cm2")
UNIT: Final[dict[str, CodedConcept]] = {
    unit.value: unit
    for unit in (
        NO_UNITS,
        MILLIMETRE,
        SQUARE_MILLIMETRE,
        HOUNSFIELD_UNIT,
        MG_PER_CM3,
        CUBIC_MILLIMETRE,
        GRAM_PER_CM2,
        PER_MILLIMETRE,
        SQUARE_HOUNSFIELD,
    )
}
"""By UCUM code, as `pipelines.contract.findings.Measured` has it."""

# Document.
IMAGING_MEASUREMENT_REPORT: Final = _concept("126000", "DCM", "Imaging Measurement Report")
CT_UNSPECIFIED_REGION: Final = _concept("25045-6", "LN", "CT unspecified body region")
DEVICE: Final = _concept("121007", "DCM", "Device")
COMMENT: Final = _concept("121106", "DCM", "Comment")

# Evaluations: what was decided, and why.
YES: Final = _concept("373066001", "SCT", "Yes")
NO: Final = _concept("373067005", "SCT", "No")
EXAMINATION: Final = _private("examination", "Bone health examination")
STATUS: Final = _private("status", "Reporting status")
STATUS_VALUE: Final[dict[str, CodedConcept]] = {
    "result": _private("result", "Result"),
    "caution": _private("caution", "Result with caution"),
    "not_reported": _private("not_reported", "Not reported"),
}
WITHHELD_CATEGORY: Final = _private("withheld_category", "Category withheld because")
PHASE: Final = _private("phase", "Contrast phase, from header and pixels")
PHASE_VALUE: Final[dict[str, CodedConcept]] = {
    "none": _private("phase_none", "No contrast medium"),
    "arterial": _private("phase_arterial", "Arterial phase"),
    "portal_venous": _private("phase_portal", "Portal venous phase"),
    "delayed": _private("phase_delayed", "Delayed phase"),
    "unknown": _private("phase_unknown", "Phase unknown"),
}
STANDARD: Final = _private("standard", "Calibration standard")
STANDARD_VALUE: Final[dict[str, CodedConcept]] = {
    "hydroxyapatite": _private("std_ha", "Hydroxyapatite equivalent"),
    "K2HPO4": _private("std_k2hpo4", "Dipotassium phosphate equivalent"),
}
REASON: Final = _private("reason", "Reason for caution or withholding")
USED: Final = _private("used", "Level is included in the mean")
EXCLUDED_REASON: Final = _private("excluded_reason", "Reason for excluding the level")
WITHHELD_ATTENUATION: Final = _private("withheld_hu", "Attenuation withheld because")
WITHHELD_DENSITY: Final = _private("withheld_vbmd", "Density withheld because")
CONTENT_QUALIFICATION: Final = _private("content_qual", "Content qualification")
CENTROID: Final = _private("centroid", "Centroid of the vertebral body")
RESEARCH: Final = _private("research", "Research use only, not for diagnosis")
REASON_VALUE: Final[dict[Reason, CodedConcept]] = {
    reason: _private(reason.value, _short(sentence)) for reason, sentence in EXPLANATION.items()
}
"""Codes over 16 characters go into Long Code Value (PS3.3 8.1)."""


def quantity(name: str) -> CodedConcept:
    """Concept of a number of a secondary pipeline: its own, a contribution, a radiomic feature."""
    return QUANTITY.get(name) or CONTRIBUTION.get(name) or _feature(name)


def private_scheme() -> CodingSchemeIdentificationItem:
    """Declaration of the private coding scheme (PS3.3 C.12.1.1.8)."""
    return CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME,
        name="OsteoNode private codes",
        version="1",
        responsible_organization="OsteoNode developers",
    )


def private_codes() -> list[CodedConcept]:
    """Every concept of the private scheme, in the order of this file."""
    found: list[CodedConcept] = []
    for value in list(globals().values()):
        several = value.values() if isinstance(value, dict) else (value,)
        found += [one for one in several if isinstance(one, CodedConcept)]
    unique = {one.value: one for one in found if one.scheme_designator == PRIVATE_SCHEME}
    return list(unique.values())


if __name__ == "__main__":  # the table of docs/dicom.md
    for concept in private_codes():
        sys.stdout.write(f"| `{concept.value}` | {concept.meaning} |\n")

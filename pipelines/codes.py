"""Every coded concept in the output, once, with its source.

Takes  nothing
Gives  CodedConcept
Next   pipelines.reporting.seg, pipelines.reporting.sr

Standard codes come first. What no standard names stands under one private scheme,
``99OSTEONODE``, which every object declares in its Coding Scheme Identification Sequence and
``docs/dicom.md`` documents.
"""

import textwrap
from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from pipelines.anatomy import Level
from pipelines.reasons import EXPLANATION, Reason

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

# Units: UCUM.
HOUNSFIELD_UNIT: Final = _concept("[hnsf'U]", "UCUM", "Hounsfield unit")
MG_PER_CM3: Final = _concept("mg/cm3", "UCUM", "mg/cm^3")
CUBIC_MILLIMETRE: Final = _concept("mm3", "UCUM", "cubic millimeter")

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
CATEGORY: Final = _private("category", "QCT range of the mean density")
CATEGORY_VALUE: Final[dict[str, CodedConcept]] = {
    "not_low": _private("not_low", "Above 120 mg/cm3"),
    "low": _private("low", "80 to 120 mg/cm3, QCT range of osteopenia"),
    "very_low": _private("very_low", "Below 80 mg/cm3, QCT range of osteoporosis"),
    "indeterminate": _private("indeterminate", "The interval spans a limit"),
}
WITHHELD_CATEGORY: Final = _private("withheld_category", "Category withheld because")
PHASE: Final = _private("phase", "Contrast phase, by header and pixels")
PHASE_VALUE: Final[dict[str, CodedConcept]] = {
    "none": _private("phase_none", "No contrast medium"),
    "arterial": _private("phase_arterial", "Arterial phase"),
    "portal_venous": _private("phase_portal", "Portal venous phase"),
    "delayed": _private("phase_delayed", "Delayed phase"),
    "unknown": _private("phase_unknown", "Phase not known"),
}
STANDARD: Final = _private("standard", "Calibration standard")
STANDARD_VALUE: Final[dict[str, CodedConcept]] = {
    "hydroxyapatite": _private("std_ha", "Hydroxyapatite equivalent"),
    "K2HPO4": _private("std_k2hpo4", "Dipotassium phosphate equivalent"),
}
REASON: Final = _private("reason", "Reason for caution or withholding")
USED: Final = _private("used", "Level counts in the mean")
EXCLUDED_REASON: Final = _private("excluded_reason", "Reason for leaving the level out")
WITHHELD_ATTENUATION: Final = _private("withheld_hu", "Attenuation withheld because")
WITHHELD_DENSITY: Final = _private("withheld_vbmd", "Density withheld because")
CONTENT_QUALIFICATION: Final = _private("content_qual", "Content qualification")
CENTROID: Final = _private("centroid", "Centroid of the vertebral body")
RESEARCH: Final = _private("research", "Research use only, not for diagnosis")
REASON_VALUE: Final[dict[Reason, CodedConcept]] = {
    reason: _private(reason.value, _short(sentence)) for reason, sentence in EXPLANATION.items()
}
"""Codes over 16 characters go into Long Code Value (PS3.3 8.1)."""


def private_scheme() -> CodingSchemeIdentificationItem:
    """Declaration of the private coding scheme (PS3.3 C.12.1.1.8)."""
    return CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME,
        name="OsteoNode private codes",
        version="1",
        responsible_organization="OsteoNode developers",
    )

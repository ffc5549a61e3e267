"""Every reason to skip, withhold, flag or fail: its code, a sentence, and what to do.

All sentences are written here. Codes are stable: they are part of ``result.json``, the Structured
Report, the ledger and the log.
"""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A coded reason; the value is the code."""

    # An instance or series never becomes a job.
    NOT_CT = "not_ct"
    LOCALIZER = "localizer"
    DERIVED_IMAGE = "derived_image"
    NOT_AXIAL = "not_axial"
    NOT_HOUNSFIELD = "not_hounsfield"
    TOO_FEW_SLICES = "too_few_slices"
    MISSING_SLICES = "missing_slices"
    MIXED_ORIENTATION = "mixed_orientation"
    SLICE_TOO_THICK = "slice_too_thick"
    UNREADABLE_GEOMETRY = "unreadable_geometry"
    DUPLICATE_POSITION = "duplicate_position"
    BETTER_SERIES_CHOSEN = "better_series_chosen"
    FILE_LOST = "file_lost"

    # An examination is processed, but nothing or not everything is reported.
    LEVELS_NOT_COVERED = "levels_not_covered"
    TOO_FEW_VALID_LEVELS = "too_few_valid_levels"
    NO_SPINE_FOUND = "no_spine_found"
    UNCALIBRATED = "uncalibrated"
    CALIBRATED_INTERNALLY = "calibrated_internally"
    TISSUES_IMPLAUSIBLE = "tissues_implausible"
    OUTSIDE_CALIBRATION = "outside_calibration"
    NAMING_PRESUMED = "naming_presumed"
    TRANSITIONAL_COUNT = "transitional_count"
    CONTRAST_POSSIBLE = "contrast_possible"
    CONTRAST_ARTERIAL = "contrast_arterial"
    CONTRAST_PORTAL_VENOUS = "contrast_portal_venous"
    CONTRAST_DELAYED = "contrast_delayed"
    KVP_MISSING = "kvp_missing"
    KVP_NOT_120 = "kvp_not_120"
    KVP_TOO_LOW = "kvp_too_low"
    SHARP_KERNEL = "sharp_kernel"
    MINOR = "minor"
    GANTRY_TILT = "gantry_tilt"
    NOT_IN_SCOPE = "not_in_scope"
    AGE_OR_SEX_UNKNOWN = "age_or_sex_unknown"
    BMI_UNKNOWN = "bmi_unknown"
    FRACTURE_INDEX_NOT_IN_SCOPE = "fracture_index_not_in_scope"
    NEAR_A_CUT = "near_a_cut"
    R_SCORE_NOT_IN_SCOPE = "r_score_not_in_scope"
    KERNEL_UNKNOWN = "kernel_unknown"
    SLICES_TOO_THICK_FOR_TEXTURE = "slices_too_thick_for_texture"
    WEIGHTS_MISSING = "weights_missing"
    NETWORK_DISAGREES = "network_disagrees"

    # A level does not count.
    LEVEL_INCOMPLETE = "level_incomplete"
    ROI_TOO_SMALL = "roi_too_small"
    IMPLAUSIBLE_SHAPE = "implausible_shape"
    SEGMENTATION_UNSTABLE = "segmentation_unstable"
    IMPLAUSIBLE_ATTENUATION = "implausible_attenuation"
    METAL = "metal"
    OUTLIER_LEVEL = "outlier_level"
    FOCAL_LESION = "focal_lesion"
    ROI_FRAGMENTED = "roi_fragmented"
    ROI_UNIFORM = "roi_uniform"
    TOO_COARSE = "too_coarse"
    FEATURE_OUTSIDE_TRAINING = "feature_outside_training"

    # A hip is not reported.
    HIP_NOT_COVERED = "hip_not_covered"
    HIP_INCOMPLETE = "hip_incomplete"
    LATERALITY_UNCERTAIN = "laterality_uncertain"
    FEMUR_UNCERTAIN = "femur_uncertain"
    FEMUR_UNSTABLE = "femur_unstable"
    FEMUR_IMPLAUSIBLE = "femur_implausible"
    HIPS_ASYMMETRIC = "hips_asymmetric"
    HIP_METAL = "hip_metal"
    OUTSIDE_TRAINING = "outside_training"

    # The networks of the chest do not run, or their class is withheld.
    CHEST_NOT_COVERED = "chest_not_covered"
    SLICE_OUTLINE_UNCERTAIN = "slice_outline_uncertain"
    CLASS_DISAGREES = "class_disagrees"

    # A job fails.
    UNREADABLE_PIXELS = "unreadable_pixels"
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_DIED = "worker_died"
    TIME_LIMIT = "time_limit"
    INTERNAL_ERROR = "internal_error"
    DELIVERY_REFUSED = "delivery_refused"
    DELIVERY_GIVEN_UP = "delivery_given_up"
    DESTINATION_REMOVED = "destination_removed"


EXPLANATION: Final[dict[Reason, str]] = {
    Reason.NOT_CT: "The object is not a CT image.",
    Reason.LOCALIZER: "Localizer (scout) image: no volume.",
    Reason.DERIVED_IMAGE: "Derived image (reformat, projection, virtual or monoenergetic). Its "
    "pixel values are not measured attenuation. Send the original axial series.",
    Reason.NOT_AXIAL: "The stack is not axial. Send the original axial series.",
    Reason.NOT_HOUNSFIELD: "Rescaled values are not Hounsfield units.",
    Reason.TOO_FEW_SLICES: "Too few slices for a volume.",
    Reason.MISSING_SLICES: "Slices are missing inside the stack. Re-send the whole series.",
    Reason.MIXED_ORIENTATION: "Slices of one series lie in different orientations.",
    Reason.SLICE_TOO_THICK: "Slice thickness or slice distance is over 5 mm.",
    Reason.UNREADABLE_GEOMETRY: "Position, orientation or spacing is missing or unusable.",
    Reason.DUPLICATE_POSITION: "Several images have the same position. The series may hold "
    "several phases or echoes.",
    Reason.BETTER_SERIES_CHOSEN: "Another series of the study is more suitable.",
    Reason.FILE_LOST: "The stored file is missing or damaged, for example after a power "
    "failure. Send the object again.",
    Reason.LEVELS_NOT_COVERED: "L1 to L4 are not covered by the scan or cannot be named. Names "
    "need the sacrum or the ribs, and these must not contradict each other.",
    Reason.TOO_FEW_VALID_LEVELS: "Fewer than two levels could be measured: no mean.",
    Reason.NO_SPINE_FOUND: "No vertebra was found in the scan.",
    Reason.UNCALIBRATED: "Density is a generic estimate: no calibration for this scanner.",
    Reason.CALIBRATED_INTERNALLY: "Density is calibrated on fat, muscle and air of this scan. "
    "No calibration entry exists for this scanner.",
    Reason.TISSUES_IMPLAUSIBLE: "Attenuation of air, fat and muscle is implausible: no "
    "density. The attenuation of bone may be wrong too.",
    Reason.OUTSIDE_CALIBRATION: "Density is outside the calibrated range of this scanner.",
    Reason.NAMING_PRESUMED: "Vertebra names are presumed. The scan does not show both the "
    "sacrum and the last rib, or they disagree.",
    Reason.TRANSITIONAL_COUNT: "Four or six lumbar vertebrae seem to be present. A "
    "transitional vertebra is possible. Names are counted from the sacrum.",
    Reason.CONTRAST_POSSIBLE: "Contrast medium is possible. Attenuation may be increased by "
    "about 10 to 25 HU.",
    Reason.CONTRAST_ARTERIAL: "Contrast-enhanced, arterial phase. Attenuation may be increased "
    "by about 10 to 25 HU and is not corrected.",
    Reason.CONTRAST_PORTAL_VENOUS: "Contrast-enhanced, portal venous phase. Attenuation is "
    "increased by about 10 to 25 HU. The density is corrected and has a wider interval.",
    Reason.CONTRAST_DELAYED: "Contrast-enhanced, delayed phase. Attenuation may be increased "
    "and is not corrected.",
    Reason.KVP_MISSING: "Tube voltage is missing in the header: no density.",
    Reason.KVP_NOT_120: "Tube voltage differs from 120 kV: no validated conversion.",
    Reason.KVP_TOO_LOW: "Tube voltage is below 100 kV: no density.",
    Reason.SHARP_KERNEL: "Sharp reconstruction kernel: more noise, overshoot at edges.",
    Reason.MINOR: "Patient under 18 years: nothing is reported.",
    Reason.GANTRY_TILT: "The gantry was tilted. Positions are corrected; sampling is oblique.",
    Reason.NOT_IN_SCOPE: "Under 50 years: QCT ranges and classes do not apply.",
    Reason.AGE_OR_SEX_UNKNOWN: "Age or sex is missing in the header: no category, no index.",
    Reason.BMI_UNKNOWN: "Height or weight is missing: no fracture-association index.",
    Reason.FRACTURE_INDEX_NOT_IN_SCOPE: "The fracture-association index applies to 40 to 90 years.",
    Reason.NEAR_A_CUT: "Contrast medium and a density within 5 % of a limit: no category.",
    Reason.R_SCORE_NOT_IN_SCOPE: "The R-score applies to women of 50 to 90 years.",
    Reason.KERNEL_UNKNOWN: "Reconstruction kernel is missing in the header: no R-score.",
    Reason.SLICES_TOO_THICK_FOR_TEXTURE: "Slice thickness or distance is over 2 mm: no "
    "radiomic model.",
    Reason.WEIGHTS_MISSING: "The weights of a network are not installed.",
    Reason.NETWORK_DISAGREES: "Class by the network and measured density are over a class "
    "apart. The class is withheld.",
    Reason.LEVEL_INCOMPLETE: "The vertebral body is cut by the edge of the scan.",
    Reason.ROI_TOO_SMALL: "The trabecular region is too small to measure.",
    Reason.IMPLAUSIBLE_SHAPE: "Size or shape of the vertebral body is implausible. The "
    "segmentation may have failed.",
    Reason.SEGMENTATION_UNSTABLE: "Two network passes outline the vertebral body differently.",
    Reason.IMPLAUSIBLE_ATTENUATION: "Attenuation is outside the range of trabecular bone.",
    Reason.METAL: "Metal or cement in or near the vertebra.",
    Reason.OUTLIER_LEVEL: "The level differs strongly from its neighbours. Fracture, lesion or "
    "sclerosis is possible.",
    Reason.FOCAL_LESION: "A focal dense or lytic area is in the vertebra. Bone island, "
    "haemangioma or metastasis is possible. A radiologist should review it.",
    Reason.ROI_FRAGMENTED: "The region has several components. The segmentation may have failed.",
    Reason.ROI_UNIFORM: "All values in the region are equal: no texture.",
    Reason.TOO_COARSE: "Slice distance or pixel spacing is over 3 mm: no texture.",
    Reason.FEATURE_OUTSIDE_TRAINING: "Radiomic features are far outside the training data.",
    Reason.HIP_NOT_COVERED: "The scan does not show this hip.",
    Reason.HIP_INCOMPLETE: "The proximal femur is incomplete. The scan ends before the lesser "
    "trochanter.",
    Reason.LATERALITY_UNCERTAIN: "The side of a femur is uncertain.",
    Reason.FEMUR_UNCERTAIN: "Coarse and fine outline of the femur differ.",
    Reason.FEMUR_UNSTABLE: "Two network passes outline the femur differently.",
    Reason.FEMUR_IMPLAUSIBLE: "Size or shape of the proximal femur is implausible. Fracture, "
    "deformity or a failed outline is possible.",
    Reason.HIPS_ASYMMETRIC: "Left and right femur differ too much: neither is reported.",
    Reason.HIP_METAL: "Prosthesis, nail or other metal in or near this hip.",
    Reason.OUTSIDE_TRAINING: "The image differs from the training data: no class.",
    Reason.CHEST_NOT_COVERED: "The scan does not cover the chest: study 4 does not apply.",
    Reason.SLICE_OUTLINE_UNCERTAIN: "Two networks outline the vertebra on the central slice "
    "differently.",
    Reason.CLASS_DISAGREES: "Class of L1 and L2 and measured density are over a class apart. "
    "The class is withheld.",
    Reason.UNREADABLE_PIXELS: "Pixel data could not be decoded.",
    Reason.OUT_OF_MEMORY: "Not enough memory for this examination.",
    Reason.WORKER_DIED: "The worker process ended repeatedly during this examination.",
    Reason.TIME_LIMIT: "The examination exceeded the time limit.",
    Reason.INTERNAL_ERROR: "An internal error stopped the examination; see the log.",
    Reason.DELIVERY_REFUSED: "The destination rejected the result. Configure it to accept SEG "
    "and SR objects, then run osteonode redeliver.",
    Reason.DELIVERY_GIVEN_UP: "The destination was unreachable for too long. When it is "
    "reachable again, run osteonode redeliver.",
    Reason.DESTINATION_REMOVED: "The destination was removed from the settings before it had the "
    "result. Put it back and run osteonode redeliver, or accept it.",
}

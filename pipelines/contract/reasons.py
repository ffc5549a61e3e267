"""Every reason to skip, withhold, flag or fail: its code, a sentence, and what to do.

The one place where such words are written. Codes are stable: they travel in ``result.json``,
the Structured Report, the ledger and the log.
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
    Reason.LOCALIZER: "Localizer (scout) image: carries no volume.",
    Reason.DERIVED_IMAGE: "Derived image (reformat, projection, virtual or monoenergetic): "
    "its numbers are not plain attenuation. Send the original axial series.",
    Reason.NOT_AXIAL: "The stack is not axial. Send the original axial series.",
    Reason.NOT_HOUNSFIELD: "Rescaled values are not Hounsfield units.",
    Reason.TOO_FEW_SLICES: "Too few slices for a volume.",
    Reason.MISSING_SLICES: "Slices are missing inside the stack. Re-send the whole series.",
    Reason.MIXED_ORIENTATION: "Slices of one series lie in different orientations.",
    Reason.SLICE_TOO_THICK: "Slices are thicker or farther apart than 5 mm.",
    Reason.UNREADABLE_GEOMETRY: "Position, orientation or spacing is missing or unusable.",
    Reason.DUPLICATE_POSITION: "Several images lie at one position (several phases or echoes "
    "in one series).",
    Reason.BETTER_SERIES_CHOSEN: "Another series of the study suits the measurement better.",
    Reason.FILE_LOST: "The stored file is missing or damaged, as after a power cut. Send the "
    "object again.",
    Reason.LEVELS_NOT_COVERED: "The scan does not cover the lumbar vertebrae L1 to L4, or "
    "shows neither sacrum nor ribs to name them by, or these contradict each other.",
    Reason.TOO_FEW_VALID_LEVELS: "Fewer than two levels could be measured, so no mean is given.",
    Reason.NO_SPINE_FOUND: "No vertebra was found in the scan.",
    Reason.UNCALIBRATED: "Density is a generic estimate: this scanner has no calibration entry.",
    Reason.CALIBRATED_INTERNALLY: "Density is calibrated on fat, muscle and air of this scan: this "
    "scanner has no calibration entry.",
    Reason.TISSUES_IMPLAUSIBLE: "Air, fat and muscle do not read as they should: attenuation may be "
    "wrong, and no density is given.",
    Reason.OUTSIDE_CALIBRATION: "The density lies outside the range in which this scanner was "
    "calibrated.",
    Reason.NAMING_PRESUMED: "Vertebra names are presumed: the scan does not show both the sacrum "
    "and the last rib, or they disagree.",
    Reason.TRANSITIONAL_COUNT: "Four or six lumbar vertebrae seem to lie between the last rib and the "
    "sacrum (transitional vertebra possible). Names are counted from the sacrum.",
    Reason.CONTRAST_POSSIBLE: "Contrast-enhanced or possibly so: attenuation may be increased "
    "by about 10 to 25 HU.",
    Reason.CONTRAST_ARTERIAL: "Contrast-enhanced, arterial phase: attenuation may be increased by "
    "about 10 to 25 HU; not corrected.",
    Reason.CONTRAST_PORTAL_VENOUS: "Contrast-enhanced, portal venous phase: attenuation is increased "
    "by about 10 to 25 HU; density is corrected, with a wider interval.",
    Reason.CONTRAST_DELAYED: "Contrast-enhanced, delayed phase: attenuation may be increased; not "
    "corrected.",
    Reason.KVP_MISSING: "Tube voltage is not stated: no density is given.",
    Reason.KVP_NOT_120: "Tube voltage differs from 120 kV: no validated conversion.",
    Reason.KVP_TOO_LOW: "Tube voltage under 100 kV: no density is given.",
    Reason.SHARP_KERNEL: "Sharp reconstruction kernel: noise and edge overshoot.",
    Reason.MINOR: "Patient under 18 years: nothing is reported.",
    Reason.GANTRY_TILT: "The gantry was tilted: positions are corrected, sampling is oblique.",
    Reason.NOT_IN_SCOPE: "QCT ranges are for women and men of 50 years and older: no category.",
    Reason.AGE_OR_SEX_UNKNOWN: "Age or sex is not stated: no category, and no index.",
    Reason.BMI_UNKNOWN: "Height or weight is not stated: no fracture-association index.",
    Reason.FRACTURE_INDEX_NOT_IN_SCOPE: "The fracture-association index is for 40 to 90 years.",
    Reason.NEAR_A_CUT: "Contrast medium and a density within 5 % of a limit: no category.",
    Reason.R_SCORE_NOT_IN_SCOPE: "The radiomic score of vertebral fracture is for women of 50 to 90 "
    "years.",
    Reason.KERNEL_UNKNOWN: "Reconstruction kernel is not stated: no radiomic score.",
    Reason.SLICES_TOO_THICK_FOR_TEXTURE: "Slices thicker or farther apart than 2 mm: no radiomic "
    "model is applied.",
    Reason.WEIGHTS_MISSING: "The weights of a network are not installed.",
    Reason.NETWORK_DISAGREES: "The class of the network and the density of the reference path lie "
    "more than one class apart: no class.",
    Reason.LEVEL_INCOMPLETE: "The vertebral body is cut by the edge of the scan.",
    Reason.ROI_TOO_SMALL: "The trabecular region is too small to measure.",
    Reason.IMPLAUSIBLE_SHAPE: "Size or shape of the vertebral body is implausible; the "
    "segmentation may have failed.",
    Reason.SEGMENTATION_UNSTABLE: "Two passes of the network do not agree on the outline of the "
    "vertebral body.",
    Reason.IMPLAUSIBLE_ATTENUATION: "Attenuation is outside the range of trabecular bone.",
    Reason.METAL: "Metal or cement in or near the vertebra.",
    Reason.OUTLIER_LEVEL: "The level differs strongly from its neighbours (fracture, lesion "
    "or sclerosis possible).",
    Reason.FOCAL_LESION: "A focal dense or lytic area lies in the vertebra (bone island, "
    "haemangioma or metastasis possible). Radiologist to look.",
    Reason.ROI_FRAGMENTED: "The region falls into several parts; the segmentation may have failed.",
    Reason.ROI_UNIFORM: "All values in the region are alike: it has no texture.",
    Reason.TOO_COARSE: "Slices or pixels over 3 mm: texture is not measured.",
    Reason.FEATURE_OUTSIDE_TRAINING: "Radiomic features lie far outside what the model was trained on.",
    Reason.HIP_NOT_COVERED: "The scan does not show this hip.",
    Reason.HIP_INCOMPLETE: "The proximal femur is cut by the edge of the scan before the lesser "
    "trochanter.",
    Reason.LATERALITY_UNCERTAIN: "It is not certain which side a femur belongs to.",
    Reason.FEMUR_UNCERTAIN: "The coarse and the fine outline of the femur do not agree.",
    Reason.FEMUR_UNSTABLE: "Two passes of the network do not agree on this femur.",
    Reason.FEMUR_IMPLAUSIBLE: "Size or shape is not that of a whole proximal femur (fracture, "
    "deformity or a failed outline possible).",
    Reason.HIPS_ASYMMETRIC: "The two proximal femora differ more than those of one patient; "
    "neither is reported.",
    Reason.HIP_METAL: "A prosthesis, a nail or other metal lies in or near this hip.",
    Reason.OUTSIDE_TRAINING: "The image is unlike those of the virtual patients that the model was "
    "made from: no class.",
    Reason.CHEST_NOT_COVERED: "The scan does not show the chest: the networks of study 4 do not run.",
    Reason.SLICE_OUTLINE_UNCERTAIN: "On the central slice two networks do not agree on the vertebral "
    "body.",
    Reason.CLASS_DISAGREES: "The network's class and the measured density lie more than one class "
    "apart: the class is withheld.",
    Reason.UNREADABLE_PIXELS: "Pixel data could not be decoded.",
    Reason.OUT_OF_MEMORY: "Not enough memory for this examination.",
    Reason.WORKER_DIED: "The worker died repeatedly on this examination.",
    Reason.TIME_LIMIT: "The examination exceeded the time limit.",
    Reason.INTERNAL_ERROR: "An internal error stopped the examination; see the log.",
    Reason.DELIVERY_REFUSED: "The destination refused the result. Let it accept SEG and SR "
    "objects, then run osteonode redeliver.",
    Reason.DELIVERY_GIVEN_UP: "The destination could not be reached for too long. When it answers "
    "again, run osteonode redeliver.",
    Reason.DESTINATION_REMOVED: "The destination was removed from the settings before it had the "
    "result. Put it back and run osteonode redeliver, or accept it.",
}

"""Units of the radiomic features (UCUM); a feature without an entry has no unit."""

from typing import Final

NO_UNIT: Final = "1"
HOUNSFIELD: Final = "[hnsf'U]"
UNITS: Final[dict[str, str]] = {
    **dict.fromkeys(("shape_MeshVolume", "shape_VoxelVolume"), "mm3"),
    "shape_SurfaceArea": "mm2",
    "shape_SurfaceVolumeRatio": "/mm",
    **dict.fromkeys(
        (
            "shape_MajorAxisLength",
            "shape_MinorAxisLength",
            "shape_LeastAxisLength",
            "shape_Maximum3DDiameter",
            "shape_Maximum2DDiameterSlice",
            "shape_Maximum2DDiameterColumn",
            "shape_Maximum2DDiameterRow",
        ),
        "mm",
    ),
    **dict.fromkeys(
        (
            "firstorder_10Percentile",
            "firstorder_90Percentile",
            "firstorder_InterquartileRange",
            "firstorder_Maximum",
            "firstorder_Mean",
            "firstorder_MeanAbsoluteDeviation",
            "firstorder_Median",
            "firstorder_Minimum",
            "firstorder_Range",
            "firstorder_RobustMeanAbsoluteDeviation",
            "firstorder_RootMeanSquared",
        ),
        HOUNSFIELD,
    ),
    **dict.fromkeys(("firstorder_Energy", "firstorder_Variance"), "[hnsf'U]2"),
}
"""By class and name in pyradiomics, of features with a dimension (texture counts grey levels)."""
ORIGINAL: Final = "original_"


def feature_unit(name: str) -> str:
    """Unit of a feature, with or without the name of the original image before it."""
    return UNITS.get(name.removeprefix(ORIGINAL), NO_UNIT)

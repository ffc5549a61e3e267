"""Write a population as a table with named columns, in CSV or JSON."""

import csv
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.cohort.errors import BadCohortConfig
from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III, qct_class, who_class
from training.cohort.people.population import LEVELS, Population

CLASS_NAMES: Final = np.array(["normal", "osteopenia", "osteoporosis"])
DECIMALS: Final = 4


def columns(people: Population) -> dict[str, NDArray[Any]]:
    """Return columns of (n,) values by name, with units; T-scores refer to ``NHANES_III``."""
    found: dict[str, NDArray[Any]] = {
        "seed": people.seed,
        "group": people.group,
        "is_case": people.is_case,
        "sex": people.sex,
        "age_years": people.age_years,
        "height_cm": people.height_cm,
        "weight_kg": people.weight_kg,
        "bmi_kg_m2": people.bmi_kg_m2,
        "is_postmenopausal": people.is_postmenopausal,
        "marrow_fat": people.marrow_fat,
    }
    for number, level in enumerate(LEVELS):
        found[f"vbmd_{level.name}_mg_cm3"] = people.vbmd_mg_cm3[:, number]
    found |= {
        "qct_vbmd_mg_cm3": people.qct_vbmd_mg_cm3,
        "qct_class": CLASS_NAMES[qct_class(people.qct_vbmd_mg_cm3)],
        "aorta_mm3": people.aorta_mm3,
        "texture_variation": people.texture_variation,
        "r_score": people.r_score,
    }
    for number, level in enumerate(DXA_LEVELS):
        found |= {
            f"spondylosis_{level.name}": people.spondylosis[:, number],
            f"facets_{level.name}": people.facets[:, number],
            f"native_abmd_{level.name}_g_cm2": people.native_abmd_g_cm2[:, number],
            f"abmd_{level.name}_g_cm2": people.abmd_g_cm2[:, number],
        }
    return found | {
        "spine_abmd_g_cm2": people.abmd_g_cm2.mean(axis=1),
        "spine_t_score": people.spine_t_score,
        "spine_class": CLASS_NAMES[who_class(people.spine_t_score)],
        "femoral_neck_abmd_g_cm2": people.femoral_neck_g_cm2,
        "total_hip_abmd_g_cm2": people.total_hip_g_cm2,
        "hip_t_score": people.hip_t_score,
        "hip_class": CLASS_NAMES[who_class(people.hip_t_score)],
    }


def write_table(people: Population, file: Path, *, study: str) -> None:
    """Write CSV or JSON, by the suffix of ``file``.

    Raises
    ------
    BadCohortConfig
        The suffix is another one.
    """
    named = {name: _rounded(values) for name, values in columns(people).items()}
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(named)
            writer.writerows(zip(*(values.tolist() for values in named.values()), strict=True))
    elif file.suffix == ".json":
        content = {
            "simulated": True,
            "study": study,
            "t_score_reference": NHANES_III.name,
            "columns": {name: values.tolist() for name, values in named.items()},
        }
        file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    else:
        raise BadCohortConfig(f"out = {file.name}", "a name that ends in .csv or .json")


def _rounded(values: NDArray[Any]) -> NDArray[Any]:
    return np.round(values, DECIMALS) if values.dtype.kind == "f" else values

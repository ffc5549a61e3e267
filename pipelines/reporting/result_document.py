"""``result.json``: the findings as a document for programs, with its published schema.

Takes  nothing
Gives  ResultDocument
Next   pipelines.reporting.make_result

``python -m pipelines.reporting.result_document --schema`` prints the JSON Schema (``docs/result.schema.json``).
"""

import json
import sys
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pipelines.contract.calibration import CalibrationKind, Standard
from pipelines.contract.findings import ContrastPhase, DensityCategory, Status
from pipelines.contract.reasons import EXPLANATION, Reason
from pipelines.contract.secondary_findings import Pipeline
from pipelines.reporting.equipment import INTENDED_USE, MODEL_NAME, software_version

SCHEMA_VERSION: Final = "2.0"
SCHEMA_URI: Final = "https://json-schema.org/draft/2020-12/schema"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodedReason(_Part):
    """A reason: its stable code and its sentence."""

    code: Reason
    text: str


class Software(_Part):
    """The software that wrote the document."""

    name: str
    version: str


class Model(_Part):
    """A network that was used."""

    name: str
    version: str
    digest: str = Field(description="SHA-256 of the weights file, hexadecimal")


class ModelSet(_Part):
    """Networks that were used, and the name of their set."""

    version: str
    models: tuple[Model, ...]


class SourceSeriesSummary(_Part):
    """The CT series that was measured. Null: missing in its header."""

    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str | None
    slices: int
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float] = Field(description="slices, rows, columns")
    slice_thickness_mm: float | None
    kvp: float | None
    convolution_kernel: str | None
    contrast_agent: str | None


class Withheld(_Part):
    """Why a number is null. Null: the number is given."""

    trabecular_hu_mean: Reason | None
    roi_volume_mm3: Reason | None
    vbmd_mg_cm3: Reason | None


class Vertebra(_Part):
    """One vertebra. A null number is withheld: see ``withheld``."""

    level: str
    presumed: bool = Field(
        description="The name is inferred from one landmark, or the landmarks disagree"
    )
    used: bool = Field(description="Included in the means of the examination")
    excluded_reason: Reason | None
    trabecular_hu_mean: float | None
    trabecular_hu_sd: float | None = Field(description="Over the voxels of the core")
    roi_volume_mm3: float | None
    centroid_lps_mm: tuple[float, float, float] = Field(
        description="Centroid of the vertebral body, DICOM patient coordinates"
    )
    vbmd_mg_cm3: float | None
    vbmd_standard_uncertainty_mg_cm3: float | None
    calibration: CalibrationKind | None = Field(description="Null if the density is null")
    withheld: Withheld


class Mean(_Part):
    """Mean over the levels that are used."""

    levels: tuple[str, ...]
    trabecular_hu_mean: float | None
    trabecular_hu_sd: float | None = Field(description="Between levels")
    vbmd_mg_cm3: float | None
    vbmd_standard_uncertainty_mg_cm3: float | None
    vbmd_interval_mg_cm3: tuple[float, float] | None = Field(description="95 % interval")
    category: DensityCategory | None = Field(
        description="QCT range of the density (limits 120 and 80 mg/cm3)"
    )
    category_withheld_reason: Reason | None = Field(description="Why the category is null")
    withheld_reason: Reason | None = Field(description="Why the attenuation is null")
    vbmd_withheld_reason: Reason | None = Field(description="Why the density is null")


class SecondaryQuantity(_Part):
    """A number of a secondary pipeline. A null number is withheld: see ``withheld_reason``."""

    name: str
    value: float | None
    unit: str | None = Field(description="UCUM; null where the value is")
    standard_uncertainty: float | None
    withheld_reason: Reason | None


class SecondaryStatement(_Part):
    """A coded statement of a secondary pipeline. Null: withheld."""

    name: str
    value: str | None
    withheld_reason: Reason | None


class SecondaryGroup(_Part):
    """Results of a secondary pipeline for one site."""

    label: str
    site: str | None = Field(description="Vertebra or side of the hip; null for the spine")
    quantities: tuple[SecondaryQuantity, ...]
    statements: tuple[SecondaryStatement, ...]
    sentences: tuple[str, ...]
    segment: str | None = Field(description="Label of the measured segment in the SEG object")


class Secondary(_Part):
    """Experimental results beside the density: one entry per pipeline that ran."""

    pipeline: Pipeline
    reported: bool
    reasons: tuple[CodedReason, ...]
    groups: tuple[SecondaryGroup, ...]


class SkippedSeries(_Part):
    """A series of the study that was not measured."""

    series_instance_uid: str
    reason: Reason


class ResultDocument(_Part):
    """Content of ``result.json``."""

    schema_version: str
    intended_use: str
    software: Software
    job_key: str | None = Field(description="Null if no series could be measured")
    source: SourceSeriesSummary | None = Field(
        description="The measured series; null if there is none"
    )
    status: Status
    reasons: tuple[CodedReason, ...]
    vertebrae: tuple[Vertebra, ...]
    mean: Mean
    contrast_phase: ContrastPhase
    calibration: CalibrationKind | None = Field(description="Null without any density")
    calibration_standard: Standard | None = Field(description="Reference material of the densities")
    calibration_source: str | None = Field(description="Source of the calibration")
    model_set: ModelSet
    secondary: tuple[Secondary, ...] = Field(
        (), description="Networks and classifiers; experimental, in addition to the density"
    )
    skipped_series: tuple[SkippedSeries, ...] = Field(
        (), description="Series that were not measured; listed if none was measured"
    )


def no_series_result(skipped: Sequence[tuple[str, Reason]], model_set: str) -> ResultDocument:
    """The document of a study in which no series can be measured.

    Parameters
    ----------
    skipped
        (Series Instance UID, reason) of every series.
    """
    reasons = tuple(dict.fromkeys(reason for _, reason in skipped))
    first = reasons[0] if reasons else Reason.NOT_CT
    return ResultDocument(
        schema_version=SCHEMA_VERSION,
        intended_use=INTENDED_USE,
        software=Software(name=MODEL_NAME, version=software_version()),
        job_key=None,
        source=None,
        status=Status.NOT_REPORTED,
        reasons=tuple(CodedReason(code=one, text=EXPLANATION[one]) for one in reasons),
        vertebrae=(),
        mean=Mean(
            levels=(),
            trabecular_hu_mean=None,
            trabecular_hu_sd=None,
            vbmd_mg_cm3=None,
            vbmd_standard_uncertainty_mg_cm3=None,
            vbmd_interval_mg_cm3=None,
            category=None,
            category_withheld_reason=first,
            withheld_reason=first,
            vbmd_withheld_reason=first,
        ),
        contrast_phase=ContrastPhase.UNKNOWN,
        calibration=None,
        calibration_standard=None,
        calibration_source=None,
        model_set=ModelSet(version=model_set, models=()),
        skipped_series=tuple(
            SkippedSeries(series_instance_uid=uid, reason=reason) for uid, reason in skipped
        ),
    )


def schema_text() -> str:
    """JSON Schema of ``result.json``, as published."""
    schema = {"$schema": SCHEMA_URI, **ResultDocument.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--schema"]:
        sys.exit("usage: python -m pipelines.reporting.result_document --schema")
    sys.stdout.write(schema_text())

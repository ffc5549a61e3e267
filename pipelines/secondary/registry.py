"""The list of the secondary pipelines; they run after the reference path, one after the other.

Takes  Examination
Gives  PipelineResult
Next   pipelines.run

Each is a function from an `Examination` to a `PipelineResult`. If one raises an error, its result is
``internal_error`` and the others still run.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from pipelines.contract.progress import Stations
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import Pipeline, PipelineResult
from pipelines.lumbar.examination import Examination
from pipelines.secondary.chest.report import report_chest
from pipelines.secondary.dxa_equivalent.report import report_dxa_equivalent
from pipelines.secondary.hip import report_hips
from pipelines.secondary.r_score import report_r_score

log = structlog.get_logger()


SecondaryPipeline = Callable[[Examination], PipelineResult]

SECONDARY: Final[Mapping[Pipeline, SecondaryPipeline]] = MappingProxyType(
    {
        Pipeline.DXA_EQUIVALENT: report_dxa_equivalent,
        Pipeline.R_SCORE: report_r_score,
        Pipeline.HIP: report_hips,
        Pipeline.CHEST: report_chest,
    }
)
"""In the order of the report."""


def run_secondary(
    examination: Examination,
    stations: Stations,
    pipelines: Mapping[Pipeline, SecondaryPipeline] = SECONDARY,
) -> tuple[PipelineResult, ...]:
    """Run all pipelines and report progress under the name of each."""
    results = []
    for name, report in pipelines.items():
        with stations.at(name):
            results.append(_contained(name, report, examination))
    return tuple(results)


def _contained(
    name: Pipeline, report: SecondaryPipeline, examination: Examination
) -> PipelineResult:
    """Run one pipeline; log an error with its traceback and return ``internal_error``."""
    try:
        return report(examination)
    except (MemoryError, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("secondary_pipeline_failed", pipeline=name)
        return PipelineResult(pipeline=name, reasons=(Reason.INTERNAL_ERROR,))

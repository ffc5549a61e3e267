"""The secondary pipelines, after the density path: networks and classifiers, one after the other.

Takes  Examination
Gives  PipelineResult
Next   pipelines.run

Each is a function from an `Examination` to a `PipelineResult`. One that breaks leaves its reason
and costs nobody else a result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from pipelines.density.choose import DensityPath
from pipelines.groups import Pipeline, PipelineResult
from pipelines.job import Job
from pipelines.localize import Localization
from pipelines.lumbar import LumbarResult
from pipelines.quality import Quality
from pipelines.reasons import Reason
from pipelines.stations import Stations
from pipelines.volume import CtVolume, Segmentation

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What the density path leaves for the others.

    Parameters
    ----------
    segmentation
        Vertebral bodies on the grid of the CT.
    lumbar
        Findings and regions of L1 to L4; its levels carry their reasons of exclusion.
    """

    job: Job
    ct: CtVolume
    localization: Localization
    segmentation: Segmentation
    quality: Quality
    density: DensityPath
    lumbar: LumbarResult


SecondaryPipeline = Callable[[Examination], PipelineResult]

SECONDARY: Final[Mapping[Pipeline, SecondaryPipeline]] = MappingProxyType({})
"""In the order of the report."""


def run_secondary(
    examination: Examination,
    stations: Stations,
    pipelines: Mapping[Pipeline, SecondaryPipeline] = SECONDARY,
) -> tuple[PipelineResult, ...]:
    """Run all of them, each at a station of its own name."""
    results = []
    for name, report in pipelines.items():
        with stations.at(name):
            results.append(_contained(name, report, examination))
    return tuple(results)


def _contained(
    name: Pipeline, report: SecondaryPipeline, examination: Examination
) -> PipelineResult:
    """The edge at which an error of a secondary pipeline ends; the log has the traceback."""
    try:
        return report(examination)
    except (MemoryError, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("secondary_pipeline_failed", pipeline=name)
        return PipelineResult(pipeline=name, reasons=(Reason.INTERNAL_ERROR,))

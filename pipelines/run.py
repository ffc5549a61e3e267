"""One examination from stored slices to DICOM output, as one readable flow.

Takes  Job
Gives  Outcome
Next   pipelines.tasks
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from highdicom.seg import Segmentation as SegmentationObject
from highdicom.sr import Comprehensive3DSR
from pydicom.dataset import Dataset

from pipelines.density.choose import choose_density
from pipelines.density.table import default_table
from pipelines.durable import write_durably, write_outcome
from pipelines.examination import Examination
from pipelines.fine_vertebra import VERTEBRA_MODEL, segment_vertebrae
from pipelines.gates.concern import Concern, Reach
from pipelines.groups import Pipeline
from pipelines.job import RESULT_FILE, Job, Outcome, OutputObject, read_outcome
from pipelines.localize import SPINE_MODEL, Localization, localize
from pipelines.lumbar import LumbarResult, measure_lumbar, nothing_reported, with_secondary
from pipelines.provenance import models_used
from pipelines.quality import Quality, check_header, check_image
from pipelines.radiomics.engine import require_engine
from pipelines.reporting.seg import make_segmentation, segment_numbers
from pipelines.reporting.sr import make_report
from pipelines.result import make_result
from pipelines.secondary import SECONDARY, SecondaryPipeline, run_secondary
from pipelines.sources import SourceSeries, open_job
from pipelines.stations import Listener, Stations, nobody, peak_rss_mb
from pipelines.volume import CtVolume, Segmentation, read_volume

SEG_FILE: Final = "seg.dcm"
SR_FILE: Final = "sr.dcm"
RADIOMICS_FILE: Final = "radiomics.dcm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The steps that need a network; tests put known anatomy in their place."""

    localize: Callable[[CtVolume], Localization] = localize
    segment: Callable[[CtVolume, Localization], Segmentation] = segment_vertebrae
    secondary: Mapping[Pipeline, SecondaryPipeline] = field(default_factory=lambda: SECONDARY)


def process(job: Job, *, networks: Networks | None = None, listener: Listener = nobody) -> Outcome:
    """Process one job; a job that is done already is not done again.

    Returns
    -------
    Outcome
        As written to ``outcome.json``, the last file of all.

    Raises
    ------
    UnreadablePixels, GeometryMismatch
        The series is not what the node took it for.
    OutOfMemory
        It does not fit.
    EngineNotInstalled
        The job names a radiomics engine that is not there.
    """
    folder = Path(job.output_folder)
    done = read_outcome(folder)
    if done is not None:
        return done
    require_engine(job.radiomics_engine)
    stations = Stations(listener)
    with stations.at("read"):
        series = open_job(job)
        ct = read_volume(series)
    result = measure(ct, job, networks or Networks(), stations)
    with stations.at("report"):
        segmentation, report = _report(job, series, ct, result)
    features = None
    if job.radiomics and segmentation is not None and result.regions:
        with stations.at("radiomics"):
            features = _radiomics(job, series, ct, result, segmentation)
    with stations.at("write"):
        document = make_result(job, ct, result.findings, result.secondary).model_dump_json(indent=2)
        write_durably(folder / RESULT_FILE, lambda path: path.write_text(document, "utf-8"))
        objects = _write_objects(folder, segmentation, report, features)
    outcome = Outcome(
        job_key=job.key,
        status=result.findings.status,
        reasons=result.findings.reasons,
        objects=objects,
        failure=None,
        seconds=stations.seconds,
        peak_rss_mb=peak_rss_mb(),
    )
    write_outcome(folder, outcome)
    return outcome


def measure(ct: CtVolume, job: Job, networks: Networks, stations: Stations) -> LumbarResult:
    """From the volume to the findings; the header is asked before any network runs."""
    models = models_used(SPINE_MODEL, VERTEBRA_MODEL)
    quality = _with_flags(job, check_header(ct))
    if quality.withheld_because is not None:
        return nothing_reported(quality.withheld_because, quality.reasons, models)
    with stations.at("localize"):
        localization = networks.localize(ct)
    with stations.at("segment"):
        segmentation = networks.segment(ct, localization)
    with stations.at("measure"):
        quality = check_image(ct, segmentation, quality)
        density = choose_density(ct, segmentation, quality, job.density_table or default_table())
        lumbar = measure_lumbar(ct, localization, segmentation, quality, models, density=density)
    examination = Examination(
        job=job,
        ct=ct,
        localization=localization,
        segmentation=segmentation,
        quality=quality,
        density=density,
        lumbar=lumbar,
    )
    return with_secondary(lumbar, run_secondary(examination, stations, networks.secondary))


def _with_flags(job: Job, quality: Quality) -> Quality:
    """Concerns that the node has already, before those of the header."""
    flags = tuple(Concern(reason=reason, reach=Reach.FLAG) for reason in job.flags)
    return Quality(concerns=flags + quality.concerns)


def _report(
    job: Job, series: SourceSeries, ct: CtVolume, result: LumbarResult
) -> tuple[SegmentationObject | None, Comprehensive3DSR]:
    """Segmentation (none where nothing is reported) and Structured Report."""
    segmentation = None
    with warnings.catch_warnings():
        # highdicom warns of names without a caret, and quotes them.
        warnings.filterwarnings("ignore", message=r"[\s\S]*person name")
        if result.regions or result.masks:
            segmentation = make_segmentation(
                job, series, result.regions, result.findings.models, result.masks
            )
        return segmentation, make_report(job, series, ct.header, result, segmentation)


def _radiomics(
    job: Job,
    series: SourceSeries,
    ct: CtVolume,
    result: LumbarResult,
    segmentation: SegmentationObject,
) -> Comprehensive3DSR:
    """Report of the radiomic features; imported here because few jobs want it and it is slow."""
    from pipelines.radiomics.vertebrae import vertebral_features
    from pipelines.reporting.radiomics import make_radiomics_report

    return make_radiomics_report(
        job,
        series,
        vertebral_features(ct, result, engine=job.radiomics_engine),
        segmentation,
        segment_numbers(result.regions),
        result.findings.models,
    )


def _write_objects(
    folder: Path,
    segmentation: SegmentationObject | None,
    report: Comprehensive3DSR,
    features: Comprehensive3DSR | None,
) -> tuple[OutputObject, ...]:
    objects = []
    if segmentation is not None:
        objects.append(_write_object(folder / SEG_FILE, "seg", segmentation))
    objects.append(_write_object(folder / SR_FILE, "sr", report))
    if features is not None:
        objects.append(_write_object(folder / RADIOMICS_FILE, "radiomics", features))
    return tuple(objects)


def _write_object(
    path: Path, kind: Literal["seg", "sr", "radiomics"], made: Dataset
) -> OutputObject:
    write_durably(path, lambda part: made.save_as(part, enforce_file_format=True))
    return OutputObject(
        kind=kind,
        path=str(path),
        sop_class_uid=str(made.SOPClassUID),
        sop_instance_uid=str(made.SOPInstanceUID),
        series_instance_uid=str(made.SeriesInstanceUID),
    )

"""Process one examination from stored slices to DICOM output.

Takes  Job
Gives  Outcome
Next   pipelines.worker.tasks
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from highdicom.seg import Segmentation as SegmentationObject
from highdicom.sr import Comprehensive3DSR
from pydicom.dataset import Dataset

from pipelines.contract.density_table import default_table
from pipelines.contract.durable import write_durably, write_outcome
from pipelines.contract.feature_engine import require_engine
from pipelines.contract.job import RESULT_FILE, Job, Outcome, OutputObject, read_outcome
from pipelines.contract.models_used import models_used
from pipelines.contract.progress import Listener, Stations, no_listener, peak_rss_mb
from pipelines.contract.secondary_findings import Pipeline
from pipelines.density.attenuation_to_density import choose_density
from pipelines.gates.all_gates import check_header, check_image
from pipelines.locate.localize import SPINE_MODEL, Localization, localize
from pipelines.lumbar.examination import Examination, ExaminationResult
from pipelines.lumbar.measure import measure_lumbar, nothing_reported
from pipelines.outline.vertebrae_1mm import VERTEBRA_MODEL, segment_vertebrae
from pipelines.read.sources import SourceSeries, open_job
from pipelines.read.volume import CtVolume, Segmentation, read_volume
from pipelines.reporting.make_result import make_result
from pipelines.reporting.seg import make_segmentation, segment_numbers
from pipelines.reporting.sr_content import make_report
from pipelines.secondary.registry import SECONDARY, SecondaryPipeline, run_secondary

SEG_FILE: Final = "seg.dcm"
SR_FILE: Final = "sr.dcm"
RADIOMICS_FILE: Final = "radiomics.dcm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The steps that run networks. Tests replace them by known anatomy."""

    localize: Callable[[CtVolume], Localization] = localize
    segment: Callable[[CtVolume, Localization], Segmentation] = segment_vertebrae
    secondary: Mapping[Pipeline, SecondaryPipeline] = field(default_factory=lambda: SECONDARY)


def process(
    job: Job, *, networks: Networks | None = None, listener: Listener = no_listener
) -> Outcome:
    """Process one job. If it has an outcome already, return that.

    Returns
    -------
    Outcome
        As written to ``outcome.json``, the last file that is written.

    Raises
    ------
    UnreadablePixels, GeometryMismatch
        Pixels or positions of the series cannot be used.
    OutOfMemory
        The examination needs more memory than there is.
    EngineNotInstalled
        The job names a radiomics engine that is not installed.
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
    if job.radiomics and segmentation is not None and result.lumbar.regions:
        with stations.at("radiomics"):
            features = _radiomics(job, series, ct, result, segmentation)
    with stations.at("write"):
        document = make_result(job, ct, result).model_dump_json(indent=2)
        write_durably(folder / RESULT_FILE, lambda path: path.write_text(document, "utf-8"))
        objects = _write_objects(folder, segmentation, report, features)
    outcome = Outcome(
        job_key=job.key,
        status=result.status,
        reasons=result.lumbar.findings.reasons,
        objects=objects,
        failure=None,
        seconds=stations.seconds,
        peak_rss_mb=peak_rss_mb(),
    )
    write_outcome(folder, outcome)
    return outcome


def measure(ct: CtVolume, job: Job, networks: Networks, stations: Stations) -> ExaminationResult:
    """From the volume to the results; the header is checked before any network runs."""
    models = models_used(SPINE_MODEL, VERTEBRA_MODEL)
    quality = check_header(ct)
    if quality.withheld_because is not None:
        lumbar = nothing_reported(quality.withheld_because, quality.reasons, models)
        return ExaminationResult(lumbar=lumbar)
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
    secondary = run_secondary(examination, stations, networks.secondary)
    return ExaminationResult(lumbar=lumbar, secondary=secondary)


def _report(
    job: Job, series: SourceSeries, ct: CtVolume, result: ExaminationResult
) -> tuple[SegmentationObject | None, Comprehensive3DSR]:
    """Segmentation (``None`` if nothing is reported) and Structured Report."""
    segmentation = None
    with warnings.catch_warnings():
        # highdicom warns about names without a caret and quotes them.
        warnings.filterwarnings("ignore", message=r"[\s\S]*person name")
        regions = result.lumbar.regions
        if regions or result.masks:
            segmentation = make_segmentation(job, series, regions, result.models, result.masks)
        return segmentation, make_report(job, series, ct.header, result, segmentation)


def _radiomics(
    job: Job,
    series: SourceSeries,
    ct: CtVolume,
    result: ExaminationResult,
    segmentation: SegmentationObject,
) -> Comprehensive3DSR:
    """Report of the radiomic features. The imports are slow and few jobs need them."""
    from pipelines.lumbar.vertebral_features import vertebral_features
    from pipelines.reporting.radiomics import make_radiomics_report

    return make_radiomics_report(
        job,
        series,
        vertebral_features(ct, result.lumbar, engine=job.radiomics_engine),
        segmentation,
        segment_numbers(result.lumbar.regions),
        result.models,
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

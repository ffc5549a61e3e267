"""Create the job of a selection: folder with ``job.json``, then ledger row, then message.

Takes  Selection
Gives  Job
Next   pipelines.worker.tasks
"""

from contextlib import suppress
from pathlib import Path

from node.series.selection import Selection
from pipelines.contract.density_table import DensityTable
from pipelines.contract.durable import sync_folder, write_durably
from pipelines.contract.feature_engine import Engine
from pipelines.contract.generation import model_set_version
from pipelines.contract.job import JOB_FILE, Job, JobInstance, job_key


def key_of(selection: Selection, density_table: DensityTable | None = None) -> str:
    """Job key: equal for the same objects of the series, models and calibrations."""
    record = selection.record
    return job_key(
        record.series_instance_uid,
        record.sop_instance_uids,
        model_set_version(),
        density_table=density_table,
    )


def make_job(
    selection: Selection,
    work_folder: Path,
    *,
    density_table: DensityTable | None = None,
    radiomics: bool = False,
    radiomics_engine: Engine = Engine.NATIVE,
) -> Job:
    """Describe the job, without writing anything."""
    record = selection.record
    key = key_of(selection, density_table)
    return Job(
        key=key,
        study_instance_uid=record.study_instance_uid,
        series_instance_uid=record.series_instance_uid,
        instances=tuple(
            JobInstance(sop_instance_uid=uid, path=path)
            for uid, path in zip(record.sop_instance_uids, record.paths, strict=True)
        ),
        output_folder=str(work_folder / key),
        model_set=model_set_version(),
        radiomics=radiomics,
        radiomics_engine=radiomics_engine,
        density_table=density_table,
    )


def write_job(job: Job) -> Path:
    """Write ``job.json`` durably, unless the file already holds the same job."""
    folder = Path(job.output_folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOB_FILE
    text = job.model_dump_json()
    with suppress(FileNotFoundError, ValueError):
        if path.read_text(encoding="utf-8") == text:
            return path
    write_durably(path, lambda part: part.write_text(text, encoding="utf-8"))
    sync_folder(folder.parent)
    return path

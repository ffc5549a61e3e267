"""Read the outcome files of finished jobs into ledger and outbox.

Takes  Outcome
Gives  DueOutput
Next   node.delivery.outbox
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import structlog

from node.ledger.ledger import Ledger
from node.ledger.records import JobRow
from pipelines.contract.job import read_outcome
from pipelines.contract.reasons import Reason

log = structlog.get_logger(__name__)


def collect(
    ledger: Ledger,
    jobs: Iterable[JobRow],
    destinations: tuple[str, ...],
    *,
    radiomics_for: Collection[str] = (),
) -> int:
    """Record every finished job in the ledger.

    Parameters
    ----------
    radiomics_for
        Destinations that also receive the report of radiomic features.

    Returns
    -------
    int
        Number of finished jobs.
    """
    finished = 0
    for job in jobs:
        try:
            outcome = read_outcome(Path(job.folder))
        except ValueError as error:
            log.error("outcome_unreadable", job=job.key, error=str(error))  # noqa: TRY400
            ledger.jobs.fail(job.key, Reason.INTERNAL_ERROR)
            finished += 1
            continue
        except OSError as error:  # a disk error can be temporary: tried again in the next round
            log.error("outcome_unreadable", job=job.key, error=str(error))  # noqa: TRY400
            continue
        if outcome is None:
            continue
        finished += 1
        if outcome.failure is not None:
            ledger.jobs.fail(job.key, outcome.failure.reason)
            log.warning("job_failed", job=job.key, reason=outcome.failure.reason)
            continue
        ledger.jobs.finish(job.key, outcome.objects, destinations, radiomics_for=radiomics_for)
        log.info(
            "job_finished",
            job=job.key,
            status=outcome.status,
            reasons=list(outcome.reasons),
            objects=len(outcome.objects),
        )
    return finished

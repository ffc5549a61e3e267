"""``python -m pipelines process JOB.json``: one job without a queue, progress as JSON lines.

Takes  Job
Gives  Outcome
Next   pipelines.run

Standard output carries one JSON object per line: ``station_started``, ``station_finished`` (with
``seconds``) and at last ``finished`` (with the ``outcome``). Logs go to standard error.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from pipelines.contract.job import Job
from pipelines.contract.progress import StationEvent
from pipelines.run import process
from pipelines.worker.attempt import attempt
from pipelines.worker.logs import log_to


def main(arguments: list[str] | None = None) -> int:
    """Process one job; exit status 0 with an outcome, 1 with a failure."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("process", help="process one job")
    command.add_argument("job", type=Path, help="job.json")
    chosen = parser.parse_args(arguments)
    log_to(sys.stderr, process="process")
    job = Job.model_validate_json(chosen.job.read_text(encoding="utf-8"))
    outcome = attempt(job, partial(process, listener=_write_event))
    if outcome is None:
        _write(event="already_running", job=job.key)
        return 1
    _write(event="finished", job=job.key, outcome=outcome.model_dump(mode="json"))
    return 0 if outcome.failure is None else 1


def _write_event(event: StationEvent) -> None:
    if event.seconds is None:
        _write(event="station_started", station=event.station)
    else:
        _write(event="station_finished", station=event.station, seconds=event.seconds)


def _write(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

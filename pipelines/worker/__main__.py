"""The worker process: ``python -m pipelines.worker --broker URL --embedded-folder DIR``.

Takes  Job
Gives  Outcome
Next   pipelines.worker.tasks

The pool is prefork, with one child by default. Solo and threads ignore time limits: a job stuck
inside a library call would block the worker for ever. With prefork the parent kills the child
when the hard limit passes and starts another one. The child is forked before anything touches
CUDA (networks load with the first job and stay loaded, ``models.registry``), and it is never
recycled, so they load once per process. It ends with its parent: otherwise a killed parent would leave a
child that holds the lock of its job, and no process would enforce the time limit.
"""

import argparse
import os
import sys
from pathlib import Path

from celery.signals import worker_process_init, worker_ready

from pipelines.worker.app import QUEUE, make_app
from pipelines.worker.die_with_parent import die_with_parent
from pipelines.worker.logs import log_to


def main(arguments: list[str] | None = None) -> None:
    """Process jobs until SIGTERM; the running job is finished first."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.worker", description=__doc__)
    parser.add_argument("--broker", required=True, help="'embedded' or a URL (redis://...)")
    parser.add_argument("--embedded-folder", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=1, help="children, one per GPU")
    parser.add_argument("--time-limit-s", type=int, default=1800, help="of one examination")
    parser.add_argument("--ready-file", type=Path, help="made when the broker is connected")
    chosen = parser.parse_args(arguments)
    log_to(sys.stderr, process="worker")
    worker = os.getpid()

    def end_with_worker(**_: object) -> None:
        die_with_parent(worker)

    worker_process_init.connect(end_with_worker)

    def mark_ready(**_: object) -> None:
        if chosen.ready_file:
            chosen.ready_file.touch()

    worker_ready.connect(mark_ready)
    app = make_app(
        chosen.broker, embedded_folder=chosen.embedded_folder, time_limit_s=chosen.time_limit_s
    )
    app.worker_main(
        [
            "worker",
            "--pool=prefork",
            f"--concurrency={chosen.concurrency}",
            f"--queues={QUEUE}",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main()

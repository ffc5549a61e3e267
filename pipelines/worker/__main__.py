"""The worker process: ``python -m pipelines.worker.__main__ --broker URL --embedded-folder DIR``.

The pool is prefork, with one child by default. Solo and threads ignore time limits: a job stuck
inside a library call would block the worker for ever. With prefork the parent kills the child
when the hard limit passes and starts another one. The child is forked before anything touches
CUDA (networks load with the first job and stay loaded, ``models.registry``), and it is never
recycled, so they load once per process. It ends with its parent. Otherwise a killed parent would
leave a child that holds the lock of its job without a time limit.
"""

import argparse
from pathlib import Path

from celery.signals import worker_process_init, worker_ready

from pipelines.worker.app import QUEUE, make_app
from pipelines.worker.die_with_parent import die_with_parent
from pipelines.worker.logs import log_as_json


def _end_with_parent(**_: object) -> None:
    die_with_parent()


def main(arguments: list[str] | None = None) -> None:
    """Run jobs until SIGTERM, which lets the current job finish."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.worker.__main__", description=__doc__
    )
    parser.add_argument("--broker", required=True, help="'embedded' or a URL (redis://...)")
    parser.add_argument("--embedded-folder", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=1, help="children, one per GPU")
    parser.add_argument("--time-limit-s", type=int, default=1800, help="of one examination")
    parser.add_argument("--ready-file", type=Path, help="made when the broker is connected")
    chosen = parser.parse_args(arguments)
    log_as_json()
    worker_process_init.connect(_end_with_parent)

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

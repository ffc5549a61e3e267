"""Generate a dataset with several processes; finished items are not repeated."""

import fcntl
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pipelines.contract.durable import write_durably
from pipelines.worker.die_with_parent import die_with_parent
from training.cohort.errors import BadCohortConfig, CohortError
from training.cohort.write.dataset import DatasetPlan, is_finished, item_files, item_name, make_item

CONFIG_FILE: Final = "config.json"
MANIFEST_FILE: Final = "manifest.json"
LOCK_FILE: Final = ".lock"
WAITING_PER_JOB: Final = 2


class WorkerDied(CohortError):
    """A process that made items was killed; finished items stay and a new run resumes."""


def generate(
    plan: DatasetPlan,
    folder: Path,
    *,
    jobs: int = 1,
    on_item: Callable[[int], None] = lambda seed: None,
) -> int:
    """Generate the missing items of a dataset; the bytes do not depend on ``jobs``.

    Parameters
    ----------
    on_item
        Called with the seed of every finished item; those of an earlier run come first.

    Returns
    -------
    int
        Number of items that this run made.

    Raises
    ------
    BadCohortConfig
        The folder holds another dataset, or another process uses it.
    WorkerDied
        A process was killed, possibly because of low memory.
    """
    if not 1 <= jobs <= 256:
        raise BadCohortConfig(f"jobs = {jobs}", "1 to 256")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _claim(plan, folder)
        missing = []
        for seed in plan.seeds:
            if is_finished(folder, seed):
                on_item(seed)
            else:
                missing.append(seed)
        for seed in _made(plan, missing, folder, jobs):
            on_item(seed)
        _write_json(folder / MANIFEST_FILE, manifest(plan, folder))
    return len(missing)


def manifest(plan: DatasetPlan, folder: Path) -> dict[str, Any]:
    """Return the configuration, its digest, and every file with its digest."""
    return {
        "config": plan.config,
        "config_sha256": plan.digest,
        "subjects": plan.subjects,
        "items": [
            {
                "name": item_name(seed),
                "seed": seed,
                "files": {
                    str(path.relative_to(folder)): _digest(path)
                    for path in item_files(folder, seed)
                },
            }
            for seed in plan.seeds
        ],
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder; the system releases it at any end of the process."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadCohortConfig(
                f"out = {folder}, which another process uses for a dataset", "another folder"
            ) from error
        yield


def _claim(plan: DatasetPlan, folder: Path) -> None:
    """Write the configuration to the folder; refuse to mix two datasets."""
    file = folder / CONFIG_FILE
    if not file.exists():
        _write_json(file, plan.config)
        return
    found = json.loads(file.read_text("utf-8"))
    changed = sorted(
        name for name in {*found, *plan.config} if found.get(name) != plan.config.get(name)
    )
    if changed:
        raise BadCohortConfig(
            f"out = {folder} holds a dataset with another {', '.join(changed)}",
            "a new folder, or the same configuration",
        )


def _made(plan: DatasetPlan, seeds: list[int], folder: Path, jobs: int) -> Iterator[int]:
    """Make items; yield the seed of each finished item."""
    if jobs == 1:
        for seed in seeds:
            make_item(plan, seed, folder)
            yield seed
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
    ) as pool:
        rest = iter(seeds)
        running: dict[Future[None], int] = {}
        try:
            while True:
                # Few at a time, so that an interrupt does not wait for a long queue.
                for seed in islice(rest, WAITING_PER_JOB * jobs - len(running)):
                    running[pool.submit(make_item, plan, seed, folder)] = seed
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    yield running.pop(future)
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a process that made items was killed", "run the same command again to resume"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _write_json(file: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    write_durably(file, lambda path: path.write_text(text, "utf-8"))

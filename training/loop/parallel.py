"""Run a function for many rows in one or several processes, with a progress bar."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track


def for_each(
    work: Callable[[int], object], rows: Sequence[int], title: str, *, jobs: int = 1
) -> None:
    """Call ``work`` for every row. The first error stops the loop.

    Parameters
    ----------
    work
        Writes its result to files. It must be picklable if ``jobs`` is more than one.
    """
    console = Console(stderr=True)
    if jobs == 1:
        for row in track(rows, title, console=console):
            work(row)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for _ in track(pool.map(work, rows), title, total=len(rows), console=console):
            pass

"""Measure time and memory of one abdominal CT from its files to SEG and SR.

usage: python -m benchmarks.examination [--runs 3] [--folder DICOM] [--json]

Simulates an abdominal CT of 512x512x250 voxels at 1.25 mm (unless a folder is given). Runs
``python -m pipelines process`` on it in a new process each time, like a worker without its warm
start. Figures are medians over the runs.

seconds_total : from the start of the process to the outcome
stations : seconds of each station
peak_rss_mb : largest resident memory of the process
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from node.jobs.dispatch import make_job, write_job
from node.tools.read_folder import select_folder
from pipelines.contract.job import Outcome, read_outcome

SIMULATE = ["-m", "training.cohort", "simulate", "--preset", "benchmark", "--seed", "5"]


def process_once(dicom: Path, folder: Path) -> tuple[float, Outcome]:
    """Process a folder of DICOM in a new process; return seconds and outcome."""
    selection = select_folder(dicom).selection
    assert selection is not None
    job = make_job(selection, folder)
    path = write_job(job)
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipelines", "process", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    outcome = read_outcome(Path(job.output_folder))
    assert outcome is not None
    return seconds, outcome


def measure(dicom: Path, runs: int, folder: Path) -> dict[str, Any]:
    """Return medians over several runs."""
    results = [process_once(dicom, folder / str(index)) for index in range(runs)]
    outcomes = [outcome for _, outcome in results]
    return {
        "seconds_total": round(statistics.median(seconds for seconds, _ in results), 2),
        "stations": {
            name: round(statistics.median(one.seconds[name] for one in outcomes), 2)
            for name in outcomes[0].seconds
        },
        "peak_rss_mb": round(statistics.median(one.peak_rss_mb for one in outcomes)),
        "status": outcomes[0].status,
        "runs": runs,
        "cpus": os.cpu_count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="DICOM folder instead of the simulated CT")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dicom = arguments.folder
        if dicom is None:
            command = [sys.executable, *SIMULATE, "--out", str(folder / "ct")]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            dicom = folder / "ct" / "dicom"
        result = measure(dicom, arguments.runs, folder)
    if not arguments.json:
        for station, seconds in result["stations"].items():
            print(f"{station:10} {seconds:6.2f} s")
    print(json.dumps(result))


if __name__ == "__main__":
    main()

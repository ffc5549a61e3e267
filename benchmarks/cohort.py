"""Measure how long the virtual cohort needs for an abdomen, a vertebra and a femur.

usage: python -m benchmarks.cohort [--runs 5] [--threads 2] [--json]

Every figure is measured in its own process. The examination is the one of
``python -m training.cohort simulate --preset benchmark`` (512x512x250 at 1.25 mm, with findings),
without writing DICOM; the crops are those of ``python -m training.cohort generate``.

examination_s : seconds with ``--threads`` threads
examination_cpu_s : processor seconds of the same, over all threads
examination_peak_mib : largest resident memory of that process
vertebra_s, femur_s : median seconds of a crop on one core, truth and masks included
vertebra_cpu_s, femur_cpu_s : processor seconds, which depend less on other work on the machine
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import plan_body
from training.cohort.people.subject import draw_subject
from training.cohort.scan.crops import femur_grid, simulate_crop, vertebra_grid
from training.cohort.scan.protocols import usual_plan
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.simulate import simulate

SEED = 5


def examination(threads: int) -> dict[str, float]:
    """Simulate an abdomen once."""
    subject = draw_subject(SEED, with_findings=True)
    usual = usual_plan("abdomen", subject)
    scanner = replace(usual.scanner, slice_thickness_mm=1.25)
    plan = replace(usual, scanner=scanner, slice_spacing_mm=1.25, slices=250)
    wall, cpu = time.perf_counter(), time.process_time()
    made = simulate(plan, threads=threads)
    assert made.image.hu.shape == (250, 512, 512)
    return {
        "examination_s": time.perf_counter() - wall,
        "examination_cpu_s": time.process_time() - cpu,
        "examination_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def crops(runs: int) -> dict[str, float]:
    """Simulate crops of several patients one after another; the first is not counted."""

    def vertebra(seed: int) -> None:
        subject = draw_subject(seed, with_findings=True)
        grid = vertebra_grid(plan_body(subject), Level.L3)
        simulate_crop(subject, grid, Scanner(slice_thickness_mm=5.0))

    def femur(seed: int) -> None:
        subject = draw_subject(seed, with_findings=True)
        grid = femur_grid(plan_body(subject), 1)
        simulate_crop(subject, grid, Scanner(slice_thickness_mm=1.25))

    return _timed("vertebra", vertebra, runs) | _timed("femur", femur, runs)


def _timed(name: str, make: Callable[[int], None], runs: int) -> dict[str, float]:
    walls, cpus = [], []
    for seed in range(runs + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        make(seed)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        f"{name}_s": statistics.median(walls[1:]),
        f"{name}_cpu_s": statistics.median(cpus[1:]),
    }


def _apart(part: str, threads: int, runs: int) -> dict[str, float]:
    """Measure one part in a fresh process."""
    command = ["env", "OMP_NUM_THREADS=1", sys.executable, "-m", "benchmarks.cohort"]
    options = ["--part", part, "--threads", str(threads), "--runs", str(runs)]
    run = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="crops of each kind")
    parser.add_argument("--threads", type=int, default=2, help="threads of the examination")
    parser.add_argument("--json", action="store_true", help="print only one line")
    parser.add_argument("--part", choices=("examination", "crops"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part == "examination":
        print(json.dumps(examination(chosen.threads)))
        return
    if chosen.part == "crops":
        print(json.dumps(crops(chosen.runs)))
        return
    found = {
        name: round(value, 3)
        for part in ("examination", "crops")
        for name, value in _apart(part, chosen.threads, chosen.runs).items()
    }
    if not chosen.json:
        for name, value in found.items():
            print(f"{name:22} {value:9.3f}")
    print(json.dumps({**found, "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()

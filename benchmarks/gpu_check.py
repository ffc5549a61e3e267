"""Run all checks that need an accelerator, in at most eight minutes.

usage: python -m benchmarks.gpu_check [--out FOLDER] [--rehearse]

1. Runs the tests marked ``gpu``: every network has the same output on CUDA and on the CPU, can be
   trained on CUDA, and uses tiles and the CPU if memory is low.
2. Processes one simulated abdominal CT on CUDA and on the CPU, and compares numbers, codes and
   segments of both reports.
3. Measures the seconds of every station on both, and of the networks of study 1.

The command needs only a Python with the dependencies. It lists and skips models whose weights are
missing. ``--rehearse`` runs the same steps without an accelerator and compares two runs on the CPU.
The exit code is 0 if everything agrees, 1 if not, and 2 without CUDA. ``gpu_check.json`` in the
folder contains the figures.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.same_report import Limits, differences, read_report
from models.cards import WEIGHTS_FOLDER, model_cards
from node.jobs.dispatch import make_job, write_job
from node.tools.read_folder import select_folder
from pipelines.contract.job import Outcome, read_outcome

BUDGET_S: Final = 470.0
"""Seconds for all steps together; a step may use the time that earlier steps left."""
SIMULATE: Final = ("-m", "training.cohort", "simulate", "--preset", "demo", "--seed", "5")
WITHOUT_CUDA: Final = ("env", "CUDA_VISIBLE_DEVICES=")
LIMITS: Final = Limits(tolerance=0.01, absolute=0.01, dice=0.99)
"""A number may differ by 1 % or by 0.01 of its unit; the Dice of a segment must be at least 0.99.
The last bits of a probability change single voxels at a border."""


@dataclass(slots=True)
class Check:
    """Results of the steps, and the remaining time."""

    out: Path
    begin: float = field(default_factory=time.monotonic)
    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def left_s(self) -> float:
        """Seconds until the end of the budget."""
        return max(BUDGET_S - (time.monotonic() - self.begin), 1.0)

    def run(self, name: str, command: Sequence[str]) -> bool:
        """Run a command with its output in ``NAME.log``; record a failure as a fault."""
        start = time.monotonic()
        with (self.out / f"{name}.log").open("w", encoding="utf-8") as log:
            try:
                subprocess.run(
                    command, check=True, stdout=log, stderr=subprocess.STDOUT, timeout=self.left_s()
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                self.faults.append(f"{name}: {type(error).__name__}, see {name}.log")
                return False
        self.figures[f"{name}_s"] = round(time.monotonic() - start, 1)
        print(f"{name:24} {self.figures[f'{name}_s']:7.1f} s", flush=True)
        return True


def describe(check: Check) -> None:
    """Record device, versions, and the models whose weights are missing."""
    is_cuda = torch.cuda.is_available()
    missing = [one.name for one in model_cards() if not (WEIGHTS_FOLDER / one.file).exists()]
    check.figures |= {
        "device": torch.cuda.get_device_name() if is_cuda else "cpu",
        "torch": torch.__version__,
        "weights_missing": missing,
    }
    print(json.dumps(check.figures), flush=True)


def run_tests(check: Check) -> None:
    """Run the tests marked ``gpu``."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "gpu",
        "tests/gpu",
        "tests/training/loop",
    ]
    check.run("tests", command)


def process(check: Check, name: str, dicom: Path, *, with_cuda: bool) -> Outcome | None:
    """Process one examination in its own process."""
    selection = select_folder(dicom).selection
    assert selection is not None
    job = make_job(selection, check.out / name)
    path = write_job(job)
    environment = () if with_cuda else WITHOUT_CUDA
    command = [*environment, sys.executable, "-m", "pipelines", "process", str(path)]
    return read_outcome(Path(job.output_folder)) if check.run(name, command) else None


def compare_reports(check: Check, *, rehearse: bool) -> None:
    """Compare reports and seconds of one CT on CUDA and on the CPU."""
    ct = check.out / "ct"
    if not check.run("simulate", [sys.executable, *SIMULATE, "--out", str(ct)]):
        return
    dicom = ct / "dicom"
    first = process(check, "cuda", dicom, with_cuda=not rehearse)
    second = process(check, "cpu", dicom, with_cuda=False)
    if first is None or second is None:
        return
    check.figures["stations"] = {
        name: {"cuda": round(first.seconds[name], 2), "cpu": round(second.seconds.get(name, 0), 2)}
        for name in first.seconds
    }
    reports = [read_report(check.out / name) for name in ("cuda", "cpu")]
    found = differences(reports[0], reports[1], LIMITS)
    check.figures |= {"values": len(reports[0].values), "differences": found}
    check.faults += [f"report: {line}" for line in found]


def time_networks(check: Check, *, rehearse: bool) -> None:
    """Time both networks of study 1 on four vertebrae, as the product runs them."""
    for device in ("cpu",) if rehearse else ("cuda", "cpu"):
        name = f"networks_{device}"
        command = ["-m", "benchmarks.dxa_equivalent", "--device", device, "--json"]
        if check.run(name, [sys.executable, *command]):
            line = (check.out / f"{name}.log").read_text(encoding="utf-8").splitlines()[-1]
            check.figures[name] = json.loads(line)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check"))
    parser.add_argument(
        "--rehearse", action="store_true", help="run the steps without an accelerator"
    )
    arguments = parser.parse_args()
    if not (torch.cuda.is_available() or arguments.rehearse):
        print("no CUDA device is visible to PyTorch; --rehearse runs the steps without one")
        return 2
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    check = Check(out=arguments.out)
    describe(check)
    run_tests(check)
    compare_reports(check, rehearse=arguments.rehearse)
    time_networks(check, rehearse=arguments.rehearse)
    check.figures |= {"seconds": round(time.monotonic() - check.begin), "faults": check.faults}
    text = json.dumps(check.figures, indent=1)
    (check.out / "gpu_check.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Command-line options that all trainers share, and the line printed at the end of a run."""

import argparse
import math
from pathlib import Path
from typing import Final

import torch

from training.loop.checkpoint import TrainingState
from training.loop.patches import LEARNING_RATE

CACHE: Final = Path("runs/cache")
"""Folder that keeps specimens between runs, because computing them is slow."""


def trainer_parser(
    description: str | None, *, minutes: float = math.inf, threads: int = 1
) -> argparse.ArgumentParser:
    """Parser with the options of every trainer.

    Parameters
    ----------
    description
        Docstring of the trainer; the help text keeps its line breaks.
    minutes, threads
        Default values of the options.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="duration of this part of the run"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def patch_trainer_parser(
    description: str | None, *, minutes: float, patients: int
) -> argparse.ArgumentParser:
    """Parser of a trainer that draws random patches from specimens (`training.loop.patches`)."""
    parser = trainer_parser(description, minutes=minutes)
    parser.add_argument("--steps", type=int, help="steps of this part, instead of --minutes")
    parser.add_argument("--data", type=Path, help="folder with real masks and phantoms")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--patients", type=int, default=patients, help="number of virtual patients")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw patches")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="learning rate")
    parser.add_argument("--start-from", type=Path, help="weights to start from")
    return parser


def print_run(state: TrainingState) -> None:
    """Print steps, duration and precision of the run."""
    print(f"{state.step} steps in {state.seconds / 60:.1f} min, {state.precision}")

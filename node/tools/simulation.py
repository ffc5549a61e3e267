"""Simulate examinations for demonstration and self-test, with the virtual cohort.

The cohort runs as a child process (``python -m training.cohort``), so that the node does not import
``training`` with the libraries of the trainers.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from node.errors import OsteoNodeError


class SimulationFailed(OsteoNodeError):
    """The examination could not be simulated or converted."""


def simulate_examination(folder: Path, options: Sequence[str] = ()) -> Path:
    """Simulate an examination into ``folder``: ``dicom/`` and ``truth.json``.

    Returns
    -------
    Path
        The folder of DICOM.

    Raises
    ------
    SimulationFailed
        The command failed; it has printed why.
    """
    _run(["simulate", *options, "--out", str(folder)])
    return folder / "dicom"


def nifti_as_dicom(nifti: Path, folder: Path) -> Path:
    """Write a NIfTI file as a CT series into ``folder``.

    Raises
    ------
    SimulationFailed
        The command failed; it has printed why.
    """
    _run(["to-dicom", str(nifti), "--out", str(folder)])
    return folder


def _run(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "training.cohort", *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        raise SimulationFailed(
            f"python -m training.cohort {arguments[0]} failed", "", "see its message above"
        )

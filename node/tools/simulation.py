"""Simulated examinations for demonstration and self-test: the virtual cohort as a child process.

Takes  options of ``python -m training.cohort``
Gives  folder of DICOM, truth.json
Next   node.tools.demo, node.tools.selftest

The node never imports ``training`` (it would load every library of the trainers); it runs it as a
user would.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from node.errors import OsteoNodeError


class SimulationFailed(OsteoNodeError):
    """No examination could be simulated or converted."""


def simulate_examination(folder: Path, options: Sequence[str] = ()) -> Path:
    """Simulate an examination into ``folder``: ``dicom/`` and ``truth.json``.

    Returns
    -------
    Path
        The folder of DICOM.

    Raises
    ------
    SimulationFailed
        The command failed; it has said why.
    """
    _run(["simulate", *options, "--out", str(folder)])
    return folder / "dicom"


def nifti_as_dicom(nifti: Path, folder: Path) -> Path:
    """Write a NIfTI file as a CT series into ``folder``.

    Raises
    ------
    SimulationFailed
        The command failed; it has said why.
    """
    _run(["to-dicom", str(nifti), "--out", str(folder)])
    return folder


def _run(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "training.cohort", *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        raise SimulationFailed(
            f"python -m training.cohort {arguments[0]} failed", "", "see its message above"
        )

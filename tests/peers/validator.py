"""dciodvfy: David Clunie's check of a DICOM object against its IOD."""

import subprocess
from pathlib import Path


def dciodvfy_errors(file: Path) -> list[str]:
    """Lines in which dciodvfy reports an error; empty for a conformant object."""
    run = subprocess.run(
        ["dciodvfy", str(file)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.stdout.strip(), "dciodvfy printed nothing"
    return [line for line in run.stdout.splitlines() if line.startswith("Error")]

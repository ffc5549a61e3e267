"""Equipment of the output: software, version, algorithm, intended use.

Takes  ModelUse
Gives  AlgorithmIdentification
Next   pipelines.reporting.seg, pipelines.reporting.sr_content
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from highdicom import AlgorithmIdentificationSequence
from highdicom.sr import AlgorithmIdentification

from pipelines.contract.findings import ModelUse
from pipelines.reporting import codes

MANUFACTURER: Final = "OsteoNode developers"
MODEL_NAME: Final = "OsteoNode"
SERIAL_NUMBER: Final = "research"
"""Type 1 in Enhanced General Equipment; software has no serial number."""
SERIES_DESCRIPTION: Final = "RESEARCH - OPPORTUNISTIC BMD"
INTENDED_USE: Final = (
    "RESEARCH USE ONLY - NOT FOR DIAGNOSIS. Investigational software, not cleared or approved by "
    "FDA, NMPA or under EU MDR/IVDR. Not to be used for diagnosis or treatment decisions. "
    "Validated only on simulated (virtual) data. Requires review by a qualified radiologist."
)


def software_version() -> str:
    """Version of the installed package."""
    return version("osteonode")


def algorithm_of_report(models: Sequence[ModelUse]) -> AlgorithmIdentification:
    """Algorithm identification of TID 4019: software version, networks and weights digests."""
    return AlgorithmIdentification(
        name=MODEL_NAME,
        version=software_version(),
        parameters=[f"{model.name} {model.version} sha256:{model.digest}" for model in models]
        or None,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )


def algorithm_of_segments(models: Sequence[ModelUse]) -> AlgorithmIdentificationSequence:
    """Algorithm identification macro of a segment (PS3.3 10.16)."""
    return AlgorithmIdentificationSequence(
        name=MODEL_NAME,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=software_version(),
        source=MANUFACTURER,
        parameters={model.name: f"{model.version} sha256:{model.digest}" for model in models}
        or None,
    )

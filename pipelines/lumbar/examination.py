"""What the density path leaves for the secondary pipelines.

Takes  everything of `pipelines.run` before the report
Gives  Examination
Next   pipelines.secondary.registry
"""

from dataclasses import dataclass

from pipelines.contract.job import Job
from pipelines.density.choose import DensityPath
from pipelines.gates.all_gates import Quality
from pipelines.locate.localize import Localization
from pipelines.lumbar.measure import LumbarResult
from pipelines.read.volume import CtVolume, Segmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One examination, measured.

    Parameters
    ----------
    segmentation
        Vertebral bodies on the grid of the CT.
    lumbar
        Findings and regions of L1 to L4; its levels carry their reasons of exclusion.
    """

    job: Job
    ct: CtVolume
    localization: Localization
    segmentation: Segmentation
    quality: Quality
    density: DensityPath
    lumbar: LumbarResult

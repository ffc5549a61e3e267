"""What the density path leaves for the secondary pipelines.

Takes  everything of `pipelines.run` before the report
Gives  Examination
Next   pipelines.secondary
"""

from dataclasses import dataclass

from pipelines.density.choose import DensityPath
from pipelines.job import Job
from pipelines.localize import Localization
from pipelines.lumbar import LumbarResult
from pipelines.quality import Quality
from pipelines.volume import CtVolume, Segmentation


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

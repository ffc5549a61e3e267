"""Types of one examination: input of the secondary pipelines, and results of all pipelines.

Takes  LumbarResult, PipelineResult
Gives  Examination, ExaminationResult
Next   pipelines.secondary.registry, pipelines.reporting.sr_content
"""

from dataclasses import dataclass

from pipelines.contract.findings import ModelUse, Status
from pipelines.contract.job import Job
from pipelines.contract.secondary_findings import PipelineResult, SegmentMask
from pipelines.density.attenuation_to_density import DensityPath
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationResult:
    """Results of the density path and of every secondary pipeline.

    Parameters
    ----------
    secondary
        One per secondary pipeline that ran, in the order of the report.
    """

    lumbar: LumbarResult
    secondary: tuple[PipelineResult, ...] = ()

    @property
    def status(self) -> Status:
        """Status of the examination.

        Nothing to report: ``NOT_REPORTED``. A reason for caution, or a secondary result without a
        density: ``CAUTION``. Otherwise ``RESULT``.
        """
        findings = self.lumbar.findings
        if findings.is_reported:
            return Status.CAUTION if findings.reasons else Status.RESULT
        has_secondary = any(one.has_content for one in self.secondary)
        return Status.CAUTION if has_secondary else Status.NOT_REPORTED

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that was used, each once."""
        secondary = (model for one in self.secondary for model in one.models)
        return tuple(dict.fromkeys((*self.lumbar.findings.models, *secondary)))

    @property
    def masks(self) -> tuple[SegmentMask, ...]:
        """Structures that secondary pipelines outlined."""
        return tuple(mask for one in self.secondary for mask in one.masks)

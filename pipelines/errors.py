"""Errors of the pipeline layer: each means that this job cannot continue.

A value that is withheld is no error: it is data (``pipelines.contract.findings.Abstained``).
"""

from models.errors import OsteoNodeError


class PipelineError(OsteoNodeError):
    """A job cannot continue."""


class GeometryMismatch(PipelineError):
    """Two arrays that must share a grid and a frame of reference do not."""


class UnreadablePixels(PipelineError):
    """The pixel data of an instance cannot be decoded to Hounsfield units."""


class EngineNotInstalled(PipelineError):
    """The settings name a radiomics engine that this environment lacks."""


class BadDensityTable(PipelineError):
    """A density table, or data for one, cannot be used."""

"""Results of the secondary pipelines: coded measurements by site, for report and ``result.json``.

Names are keys of ``pipelines.reporting.codes``: `quantity` for numbers, of `STATEMENT` and
`STATEMENT_VALUE` for coded statements. Free of torch and DICOM libraries.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.findings import Abstained, Measured, ModelUse
from pipelines.contract.reasons import Reason
from pipelines.space.coordinates import Box


class Pipeline(StrEnum):
    """The secondary pipelines; the density path of `pipelines.lumbar.measure` is the first."""

    DXA_EQUIVALENT = "dxa_equivalent"
    R_SCORE = "r_score"
    HIP = "hip"
    CHEST = "chest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number, or the reason why it is withheld.

    Parameters
    ----------
    name
        As ``codes.quantity`` takes it: a key of ``codes.QUANTITY`` or ``codes.CONTRIBUTION``, or a
        radiomic feature.
    """

    name: str
    value: Measured | Abstained
    decimals: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A coded statement, or the reason why it is withheld.

    Parameters
    ----------
    name, value
        Keys of ``codes.STATEMENT`` and ``codes.STATEMENT_VALUE``.
    """

    name: str
    value: str | Abstained


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementGroup:
    """Results for one site.

    Parameters
    ----------
    label
        Unique within the pipeline: "L1", "left hip", "examination".
    site
        Vertebra or side of the hip; ``None`` for the lumbar spine as a whole.
    segment
        Label of the segment in the Segmentation object that was measured.
    """

    label: str
    site: Level | Side | None
    quantities: tuple[Quantity, ...] = ()
    statements: tuple[Statement, ...] = ()
    sentences: tuple[str, ...] = ()
    segment: str | None = None

    @property
    def has_content(self) -> bool:
        """Whether at least one number or statement is given."""
        values = [*(q.value for q in self.quantities), *(s.value for s in self.statements)]
        return any(not isinstance(value, Abstained) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMask:
    """A structure that a secondary pipeline outlined, for the Segmentation object.

    Parameters
    ----------
    label
        Segment label and tracking identifier, unique within the examination.
    site
        What it is: a side for a proximal femur, a level for (part of) a vertebral body.
    box
        Index ranges (slices, rows, columns) in the CT.
    mask : (slices, rows, columns) bool
        On ``box``.
    """

    label: str
    site: Level | Side
    box: Box
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """Results of one secondary pipeline.

    Parameters
    ----------
    reasons
        Why results are withheld or need caution. A pipeline that does not apply (no hip in the
        scan) has no group and one reason.
    """

    pipeline: Pipeline
    groups: tuple[MeasurementGroup, ...] = ()
    reasons: tuple[Reason, ...] = ()
    masks: tuple[SegmentMask, ...] = ()
    models: tuple[ModelUse, ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether at least one group has content."""
        return any(group.has_content for group in self.groups)

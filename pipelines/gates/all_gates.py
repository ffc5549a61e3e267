"""All gates over one examination: what may be reported, and the reasons for caution.

Takes  CtVolume, Segmentation
Gives  Quality
Next   pipelines.lumbar.measure
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.gates.age import check_age
from pipelines.gates.concern import Concern, Reach
from pipelines.gates.contrast import check_contrast
from pipelines.gates.contrast_phase import contrast_phase
from pipelines.gates.kernel import check_kernel
from pipelines.gates.rescaling import check_rescaling
from pipelines.gates.slice_distance import check_slice_distance
from pipelines.gates.tilt import check_tilt
from pipelines.read.volume import CtVolume, Segmentation

HEADER_GATES: Final[tuple[Callable[[CtVolume], Concern | None], ...]] = (
    check_age,
    check_rescaling,
    check_slice_distance,
    check_kernel,
    check_tilt,
)
"""Asked before any network runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The concerns of an examination, in the order of the gates, and its contrast phase."""

    concerns: tuple[Concern, ...]
    phase: ContrastPhase = ContrastPhase.UNKNOWN

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Reasons of all concerns."""
        return tuple(concern.reason for concern in self.concerns)

    @property
    def withheld_because(self) -> Reason | None:
        """Why nothing is reported, if nothing is."""
        return self._first(Reach.WITHHOLD_ALL)

    @property
    def density_withheld_because(self) -> Reason | None:
        """Why no density is reported, if none is."""
        return self._first(Reach.WITHHOLD_DENSITY)

    def _first(self, reach: Reach) -> Reason | None:
        found = (concern.reason for concern in self.concerns if concern.reach >= reach)
        return next(found, None)


def check_header(ct: CtVolume) -> Quality:
    """Ask the gates that need no segmentation."""
    return Quality(concerns=tuple(c for gate in HEADER_GATES if (c := gate(ct)) is not None))


def check_image(ct: CtVolume, segmentation: Segmentation, header: Quality) -> Quality:
    """Ask the remaining gates and join their concerns to those of the header."""
    phase = contrast_phase(ct, segmentation)
    concern = check_contrast(phase)
    concerns = header.concerns if concern is None else (*header.concerns, concern)
    return Quality(concerns=concerns, phase=phase)

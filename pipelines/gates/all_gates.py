"""The list of all gates, and their result for one examination.

Takes  CtVolume, Segmentation
Gives  Quality
Next   pipelines.lumbar.measure, pipelines.density.attenuation_to_density

A new gate is a module of this folder with one function of type `Gate`, one line in a list here, and
a reason in `pipelines.contract.reasons`.
"""

from dataclasses import dataclass
from typing import Final

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.gates.age import check_age
from pipelines.gates.concern import Concern, Gate, Reach, Scan
from pipelines.gates.contrast import check_contrast
from pipelines.gates.contrast_phase import contrast_phase
from pipelines.gates.kernel import check_kernel
from pipelines.gates.rescaling import check_rescaling
from pipelines.gates.slice_distance import check_slice_distance
from pipelines.gates.tilt import check_tilt
from pipelines.gates.voltage import check_voltage
from pipelines.read.volume import CtVolume, Segmentation

HEADER_GATES: Final[tuple[Gate, ...]] = (
    check_age,
    check_rescaling,
    check_slice_distance,
    check_kernel,
    check_tilt,
)
"""They run before any network."""
IMAGE_GATES: Final[tuple[Gate, ...]] = (check_contrast,)
"""They run after segmentation, when the contrast phase is known."""
DENSITY_GATES: Final[tuple[Gate, ...]] = (check_voltage,)
"""They run when the calibration of the scanner is known; see `pipelines.density.attenuation_to_density`."""


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
        """First reason to report nothing, if there is one."""
        return self._first(Reach.WITHHOLD_ALL)

    @property
    def density_withheld_because(self) -> Reason | None:
        """First reason to report no density, if there is one."""
        return self._first(Reach.WITHHOLD_DENSITY)

    def _first(self, reach: Reach) -> Reason | None:
        found = (concern.reason for concern in self.concerns if concern.reach >= reach)
        return next(found, None)


def check_header(ct: CtVolume) -> Quality:
    """Run the gates that need the header and the geometry only."""
    return Quality(concerns=_concerns(HEADER_GATES, Scan(ct=ct)))


def check_image(ct: CtVolume, segmentation: Segmentation, header: Quality) -> Quality:
    """Find the contrast phase, run the gates of the image and join their concerns to the header's."""
    phase = contrast_phase(ct, segmentation)
    found = _concerns(IMAGE_GATES, Scan(ct=ct, phase=phase))
    return Quality(concerns=header.concerns + found, phase=phase)


def check_density(ct: CtVolume, quality: Quality, *, is_calibrated: bool) -> Quality:
    """Run the gates of the density and join their concerns to those before.

    Parameters
    ----------
    is_calibrated
        Whether the density table has an entry for this scanner.
    """
    scan = Scan(ct=ct, phase=quality.phase, is_calibrated=is_calibrated)
    return Quality(concerns=quality.concerns + _concerns(DENSITY_GATES, scan), phase=quality.phase)


def _concerns(gates: tuple[Gate, ...], scan: Scan) -> tuple[Concern, ...]:
    return tuple(concern for gate in gates if (concern := gate(scan)) is not None)

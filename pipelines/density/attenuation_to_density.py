"""Choose the best calibration for a scan, and compute density with it.

Takes  CtVolume, Segmentation, Quality, DensityTable
Gives  DensityPath
Next   pipelines.lumbar.measure

The line from HU to mg/cm3 with its uncertainty is `pipelines.contract.calibration.Calibration`.
"""

from dataclasses import dataclass
from math import hypot
from typing import Final

from pipelines.contract.calibration import GENERIC, Calibration, CalibrationKind
from pipelines.contract.density_table import ContrastCorrection, DensityTable
from pipelines.contract.findings import Abstained, ContrastPhase, Measured
from pipelines.contract.reasons import Reason
from pipelines.density.internal import fit_tissues, internal_calibration
from pipelines.density.tissues import measure_tissues
from pipelines.gates.all_gates import Quality, check_density
from pipelines.read.volume import CtVolume, Segmentation

DENSITY_UNIT: Final = "mg/cm3"


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityPath:
    """How attenuation becomes density in one examination.

    Parameters
    ----------
    correction
        For contrast medium; ``None``: none.
    withheld_because
        Reason why the examination gets no density; ``None``: it gets one.
    """

    calibration: Calibration
    correction: ContrastCorrection | None = None
    withheld_because: Reason | None = None

    def density(
        self, attenuation: Measured | Abstained, withheld_because: Reason | None = None
    ) -> Measured | Abstained:
        """Density (mg/cm3) of a mean attenuation (HU), with its standard uncertainty.

        Abstains
        --------
        With the reason of the examination, the given one, or that of the attenuation.
        """
        why = self.withheld_because or withheld_because
        if why is not None:
            return Abstained(reason=why)
        if isinstance(attenuation, Abstained):
            return attenuation
        value, uncertainty = self.calibration.density(attenuation.value)
        if self.correction is not None:
            value = self.correction.factor * value + self.correction.offset_mg_cm3
            own = self.correction.factor * uncertainty
            uncertainty = hypot(own, self.correction.uncertainty_mg_cm3)
        return Measured(value=value, unit=DENSITY_UNIT, standard_uncertainty=uncertainty)

    def flags(self, mean: Measured | Abstained) -> tuple[Reason, ...]:
        """Return reasons for caution about a reported density."""
        flags = []
        if self.calibration.kind is CalibrationKind.GENERIC:
            flags.append(Reason.UNCALIBRATED)
        if self.calibration.kind is CalibrationKind.INTERNAL:
            flags.append(Reason.CALIBRATED_INTERNALLY)
        if isinstance(mean, Measured) and not self.calibration.covers(mean.value):
            flags.append(Reason.OUTSIDE_CALIBRATION)
        return tuple(flags)


def choose_density(
    ct: CtVolume, segmentation: Segmentation, quality: Quality, table: DensityTable
) -> DensityPath:
    """Use the entry of the table for this scanner, else the patient's tissues, else the generic line.

    A tube voltage other than 120 kV withholds density unless an entry was fitted at it (from 100 kV).
    Implausible attenuation of the tissues withholds density unless there is an entry.
    """
    entry = table.entry_for(ct.header)
    correction = table.correction_for(quality.phase)
    why = check_density(ct, quality, is_calibrated=entry is not None).density_withheld_because
    if entry is not None:
        return DensityPath(
            calibration=entry.calibration(), correction=correction, withheld_because=why
        )
    if why is not None:
        return DensityPath(calibration=GENERIC, withheld_because=why)
    enhanced = quality.phase is not ContrastPhase.NONE
    fit = fit_tissues(measure_tissues(ct, segmentation), enhanced=enhanced)
    if fit is None:
        return DensityPath(calibration=GENERIC, correction=correction)
    if not fit.is_plausible:
        return DensityPath(calibration=GENERIC, withheld_because=Reason.TISSUES_IMPLAUSIBLE)
    return DensityPath(calibration=internal_calibration(fit), correction=correction)

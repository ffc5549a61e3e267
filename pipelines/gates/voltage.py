"""Gate of the tube voltage: attenuation of bone depends on it, and no conversion is validated.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates, pipelines.secondary.scope
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan

REFERENCE_KV: Final = 120.0
LOWEST_KV: Final = 100.0
TOLERANCE_KV: Final = 0.5


def other_voltage(kvp: float | None) -> Reason | None:
    """Reason why a scan is not like the training scans at 120 kV; ``None`` if it is."""
    if kvp is None:
        return Reason.KVP_MISSING
    return Reason.KVP_NOT_120 if abs(kvp - REFERENCE_KV) > TOLERANCE_KV else None


def check_voltage(scan: Scan) -> Concern | None:
    """Withhold density at a voltage without a conversion; a calibration allows 100 kV and more.

    Source
    ------
    Attenuation of the same bone at 80, 100, 120 and 140 kV relates as 1.38 : 1.13 : 1 : 0.90 by
    spectrum, but as 1.08 : 1 : 0.95 (100, 120, 140) in patients: the factor depends on the
    filter, so no factor is applied without local validation.
    """
    kvp = scan.ct.header.kvp
    if kvp is not None and kvp < LOWEST_KV:
        return Concern(reason=Reason.KVP_TOO_LOW, reach=Reach.WITHHOLD_DENSITY)
    why = None if scan.is_calibrated and kvp is not None else other_voltage(kvp)
    return None if why is None else Concern(reason=why, reach=Reach.WITHHOLD_DENSITY)

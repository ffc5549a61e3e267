"""Tube voltage: attenuation of bone depends on it, and no conversion here is validated.

Takes  KVP (0018,0060)
Gives  Concern
Next   pipelines.density.choose
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach

REFERENCE_KV: Final = 120.0
LOWEST_KV: Final = 100.0
TOLERANCE_KV: Final = 0.5


def other_voltage(kvp: float | None) -> Reason | None:
    """Why a scan is not one at 120 kV, as all training scans were; ``None``: it is."""
    if kvp is None:
        return Reason.KVP_MISSING
    return Reason.KVP_NOT_120 if abs(kvp - REFERENCE_KV) > TOLERANCE_KV else None


def check_voltage(kvp: float | None, *, has_entry: bool) -> Concern | None:
    """What a tube voltage takes away.

    Parameters
    ----------
    has_entry
        Whether this scanner was calibrated at this voltage.

    Source
    ------
    Attenuation of the same bone at 80, 100, 120 and 140 kV stands as 1.38 : 1.13 : 1 : 0.90 by
    spectrum, but as 1.08 : 1 : 0.95 (100, 120, 140) in patients: the factor depends on the
    filter, so none is applied without local validation.
    """
    if kvp is None:
        return Concern(reason=Reason.KVP_MISSING, reach=Reach.WITHHOLD_DENSITY)
    if kvp < LOWEST_KV:
        return Concern(reason=Reason.KVP_TOO_LOW, reach=Reach.WITHHOLD_DENSITY)
    why = None if has_entry else other_voltage(kvp)
    return None if why is None else Concern(reason=why, reach=Reach.WITHHOLD_DENSITY)

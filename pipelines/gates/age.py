"""Gate of the patient's age: reference ranges and networks are for adults only.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan

ADULT_YEARS: Final = 18.0


def check_age(scan: Scan) -> Concern | None:
    """Withhold everything for a patient under 18 years; an unknown age passes."""
    age = scan.ct.header.patient_age_years
    if age is not None and age < ADULT_YEARS:
        return Concern(reason=Reason.MINOR, reach=Reach.WITHHOLD_ALL)
    return None

"""Coded concepts: each one once, in one place, as the dictionaries have it."""

import re
from pathlib import Path
from typing import Any

import pytest
from highdicom.sr import CodedConcept
from pydicom.sr._concepts_dict import concepts

from pipelines.contract.reasons import Reason
from pipelines.reporting import codes

ROOT = Path(__file__).parents[3]
ELSEWHERE = {
    # Not in the dictionaries of pydicom: SNOMED CT, PS3.16 CID 7150 and UBERON themselves.
    ("SCT", "3572006"): "Body of vertebra",
    ("SCT", "123037004"): "Anatomical Structure",
    ("UBERON", "0002483"): "trabecular bone tissue",
    # Intensity statistics: IBSI reference manual, 3.3; no context group of DICOM has them.
    ("IBSI", "Q4LE"): "Mean intensity",
    ("IBSI", "ECT3"): "Intensity variance",
    ("IBSI", "KE2A"): "Intensity skewness",
    ("IBSI", "Y12H"): "Median intensity",
    ("IBSI", "1GSF"): "Minimum intensity",
    ("IBSI", "QG58"): "10th intensity percentile",
    ("IBSI", "8DWT"): "90th intensity percentile",
    ("IBSI", "84IY"): "Maximum intensity",
    ("IBSI", "SALO"): "Intensity interquartile range",
    ("IBSI", "2OJQ"): "Intensity range",
    ("IBSI", "4FUA"): "Intensity-based mean absolute deviation",
    ("IBSI", "1128"): "Intensity-based robust mean absolute deviation",
    ("IBSI", "N8CA"): "Intensity-based energy",
    ("IBSI", "5ZWQ"): "Root mean square intensity",
    # UCUM: units of derived quantities.
    ("UCUM", "/mm"): "/mm",
    ("UCUM", "g/cm2"): "g/cm2",
    ("UCUM", "[hnsf'U]2"): "square Hounsfield unit",
}


def all_codes() -> list[CodedConcept]:
    found: list[CodedConcept] = []
    for value in vars(codes).values():
        if isinstance(value, CodedConcept):
            found.append(value)
        elif isinstance(value, dict):
            found += [one for one in value.values() if isinstance(one, CodedConcept)]
    return found


def in_dictionary(code: CodedConcept) -> bool:
    known: dict[str, Any] = concepts.get(code.scheme_designator, {})
    return any(
        value == code.value and meaning.lower() == code.meaning.lower()
        for names in known.values()
        for value, (meaning, _) in names.items()
    )


@pytest.mark.parametrize(
    "code", all_codes(), ids=lambda code: f"{code.scheme_designator}-{code.value}"
)
def test_code_is_standard_or_declared_private(code: CodedConcept) -> None:
    """Value and meaning as in pydicom's dictionary, unless private or listed above."""
    key = (code.scheme_designator, code.value)

    assert (
        code.scheme_designator == codes.PRIVATE_SCHEME
        or ELSEWHERE.get(key) == code.meaning
        or in_dictionary(code)
    )


def test_every_private_value_is_used_once() -> None:
    """One value, one meaning."""
    private: dict[str, str] = {}
    for code in all_codes():
        if code.scheme_designator == codes.PRIVATE_SCHEME:
            assert private.setdefault(code.value, code.meaning) == code.meaning


def test_every_reason_has_a_code() -> None:
    """A reason without a code could not be in the report."""
    assert set(codes.REASON_VALUE) == set(Reason)


def test_no_code_is_built_elsewhere() -> None:
    """Codes are written in pipelines/reporting/codes.py and nowhere else."""
    built = [
        str(path)
        for folder in ("node", "pipelines", "models", "training")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "codes.py"
        and re.search(r"\b(Code|CodedConcept)\(", path.read_text("utf-8"))
    ]

    assert built == []


def test_every_private_code_is_documented() -> None:
    """docs/dicom.md lists the private scheme whole."""
    text = (ROOT / "docs" / "dicom.md").read_text("utf-8")
    missing = [
        code.value
        for code in all_codes()
        if code.scheme_designator == codes.PRIVATE_SCHEME and f"`{code.value}`" not in text
    ]

    assert missing == []

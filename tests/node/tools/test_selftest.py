"""The checks of the self-test: values that pass and values that fail."""

import copy
from typing import Any

import pytest

from node.config import Settings
from node.tools.selftest import Check, calling_ae_title, own_address, vertebrae

TRUTH: dict[str, Any] = {
    "levels": {
        "L1": {
            "trabecular_hu": 120.0, "vbmd_mg_cm3": 90.0, "body_centroid_lps_mm": [0.0, 1.0, 2.0],
        },
    },
}  # fmt: skip
RESULT: dict[str, Any] = {
    "status": "caution",
    "vertebrae": [
        {
            "level": "L1",
            "centroid_lps_mm": [0.0, 1.0, 4.0],
            "trabecular_hu_mean": 128.0,
            "vbmd_mg_cm3": 84.0,
        }
    ],
}


def failed(change: dict[str, Any]) -> list[Check]:
    result = copy.deepcopy(RESULT)
    result["vertebrae"][0].update(change)
    return [one for one in vertebrae("L1")(TRUTH, result) if not one.passed]


def test_values_within_their_tolerance_pass() -> None:
    """All of them."""
    assert failed({}) == []


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        ({"trabecular_hu_mean": 140.0}, "attenuation, HU"),
        ({"trabecular_hu_mean": None}, "attenuation, HU"),
        ({"vbmd_mg_cm3": 60.0}, "density, mg/cm3"),
        ({"vbmd_mg_cm3": None}, "density, mg/cm3"),
        ({"centroid_lps_mm": [0.0, 1.0, 30.0]}, "distance of the centre, mm"),
    ],
)
def test_a_value_off_or_withheld_fails(change: dict[str, Any], quantity: str) -> None:
    """Also where a level has the body of its neighbour."""
    assert [one.quantity for one in failed(change)] == [quantity]


def test_a_level_under_another_name_fails_twice() -> None:
    """Missing, and invented."""
    assert [one.quantity for one in failed({"level": "L6"})] == [
        "level",
        "measured but not in the scan",
    ]


def test_nothing_reported_fails() -> None:
    """The status of the examination counts."""
    result = {"status": "not_reported", "vertebrae": []}
    assert [one.quantity for one in vertebrae("L1")(TRUTH, result) if not one.passed] == [
        "status",
        "level",
    ]


def test_the_node_is_called_at_its_own_address() -> None:
    """The loopback address if it listens on all; with an AE title that it accepts."""
    settings = Settings.model_validate(
        {
            "node": {"bind": "0.0.0.0", "port": 11113, "ae_title": "BONES"},
            "intake": {"accepted_calling_ae_titles": ["RADIOLOGY"]},
        }
    )
    assert str(own_address(settings)) == "BONES@127.0.0.1:11113"
    assert calling_ae_title(settings) == "RADIOLOGY"

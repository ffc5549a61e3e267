"""Compare the cohort with published values that need no scan; VALIDATION.md has the others."""

import re
from pathlib import Path

import pytest

from training.cohort.check.literature import tissues, trabecular_by_age, tube_voltage

PAGE = Path(__file__).parents[4] / "training" / "cohort" / "VALIDATION.md"


@pytest.mark.parametrize("comparison", [tissues(), trabecular_by_age()], ids=lambda one: one.title)
def test_attenuation_lies_in_the_published_ranges(comparison):
    """Soft tissue at 120 kVp; trabecular bone from 25 to 85 years (Jang 2019)."""
    assert [row.what for row in comparison.rows if not row.agrees] == []


def test_tube_voltage_acts_as_computed_from_spectra():
    """The first three rows are physics; rows of patients may differ, and the page reports it."""
    assert all(row.agrees for row in tube_voltage().rows[:3])


def test_pictures_of_the_page_exist_and_are_small():
    """Under 300 kB each."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) == 2
    for picture in pictures:
        assert 0 < (PAGE.parent / picture).stat().st_size < 300_000


def test_mismatches_are_listed_at_the_top():
    """Every "no" of a table appears in the summary."""
    text = PAGE.read_text(encoding="utf-8")
    off = re.findall(r"^\| (.+?) \|.*\*\*no\*\* \|$", text, re.M)
    summary = text.split("\n## ")[0]
    assert off
    assert all(what in summary for what in off)

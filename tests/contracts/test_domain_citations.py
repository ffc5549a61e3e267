"""Every citation of ``docs/domain.md`` leads to a section or finding that the page has."""

import re
from pathlib import Path

import pytest

from training.tables.errata import ERRATA

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "domain.md"
SUFFIXES = {".py", ".md", ".toml", ".json", ".yaml", ".lua"}
FOLDERS = ("node", "pipelines", "models", "training", "tests", "benchmarks", "deploy", "docs")

ANCHOR = r"(?:[ABCD]\d{1,2}|[1-4]\.[A-E1-9])"
CITATION = re.compile(rf"docs/domain\.md ({ANCHOR}(?:(?:, | and | to ){ANCHOR})*)(?!\w)")
"""``docs/domain.md A9``, ``docs/domain.md 1.A, 3.7``."""
UNREADABLE = re.compile(rf"docs/domain\.md(?! {ANCHOR})[ \n]+(?:#? *)?(?=[A-D]?\d)")
"""The page, then a number that is no anchor, or a line break before it."""
ABSENT = re.compile(
    rf"(?i:\b(?:domain|cohort)(?:'s)?\s+(?:#\s)?(?:report|specification)\b)"
    rf"|(?<!docs/)\bdomain\.md {ANCHOR}|\b[Ss]pecification,? {ANCHOR}|\bthe specification\b"
    rf"|\([ABCD]\d{{1,2}}(?:, [ABCD]\d{{1,2}})*[):]"
)
"""Documents that the repository does not hold, and findings cited without the page."""


def texts() -> list[tuple[str, str]]:
    """Path and content of every file that may contain a citation, except this one."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("*.toml")]
    paths += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in sorted(paths)
        if path.suffix in SUFFIXES and path != Path(__file__).resolve()
    ]


TEXTS = texts()


def anchors(page: str) -> set[str]:
    """Numbers of the sections, and of the findings in bold at the start of a list item."""
    sections = re.findall(rf"^#+ ({ANCHOR}) ", page, re.M)
    findings = re.findall(r"^\* \*\*([ABCD]\d{1,2})\*\* ", page, re.M)
    assert len(sections + findings) == len(set(sections + findings)), "an anchor occurs twice"
    return {*sections, *findings}


def cited(text: str) -> set[str]:
    return {one for citation in CITATION.findall(text) for one in re.findall(ANCHOR, citation)}


def test_every_citation_leads_to_an_anchor():
    """Code, tests and documents cite sections and findings that exist."""
    there = anchors(PAGE.read_text(encoding="utf-8"))
    citations = {name: cited(text) for name, text in TEXTS}
    assert sum(map(len, citations.values())) > 50, "the pattern finds no citations"
    lost = {name: found - there for name, found in citations.items() if found - there}
    assert lost == {}


def test_every_erratum_is_on_the_page():
    """The codes of the printed errors are findings of the page."""
    there = anchors(PAGE.read_text(encoding="utf-8"))
    assert {one.code for one in ERRATA} <= there


@pytest.mark.parametrize("pattern", [ABSENT, UNREADABLE], ids=["absent", "unreadable"])
def test_no_citation_leads_nowhere(pattern):
    """No absent document is cited, and every citation can be read by the pattern above."""
    found = [(name, match[0]) for name, text in TEXTS for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "(domain.md A9)",
        "domain report 4.4",
        "the cohort's\n    specification",
        "Domain specification 3.7",
        "(specification 2.5)",
        "those of the specification",
        "put right (B1, B2)",
    ],
)
def test_the_old_forms_are_recognised(text):
    """Each form in which absent documents were cited."""
    assert ABSENT.search(text)


def test_lists_of_anchors_are_read():
    assert cited("(docs/domain.md 1.A to 1.D, 3.2 and A10). docs/domain.md 3.5.") == {
        "1.A", "1.D", "3.2", "A10", "3.5",
    }  # fmt: skip

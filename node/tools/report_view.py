"""Print ``result.json`` as a table on the terminal.

Takes  result.json
Gives  rich table
Next   node.tools.demo, node.tools.process_folder
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from pipelines.contract.reasons import EXPLANATION, Reason

RESEARCH_USE: Final = "RESEARCH USE ONLY - not for diagnosis"
STATUS_STYLE: Final = {"result": "green", "caution": "yellow", "not_reported": "red"}
STATUS_WORDS: Final = {
    "result": "result",
    "caution": "result, with caution",
    "not_reported": "not reported",
}


PIPELINE_WORDS: Final = {
    "dxa_equivalent": "DXA-equivalent areal density of L1 to L4",
    "r_score": "R-score of the vertebral bodies",
    "hip": "Proximal femora",
    "chest": "L1 and L2 of the chest",
}
DETAIL: Final = re.compile(r"(contribution|shape|firstorder|glcm|glrlm|glszm|gldm|ngtdm)_")
"""Radiomic features and their contributions to a score: not listed on the terminal."""
UNIT_WORDS: Final = {"[hnsf'U]": "HU", "1": ""}
"""Of UCUM codes that are unusual in radiology."""


def show_result(path: Path, console: Console) -> None:
    """Print one examination."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    status = str(result["status"])
    console.print(Panel(f"[bold red]{RESEARCH_USE}[/]", expand=False))
    style = STATUS_STYLE.get(status, "white")
    console.print(f"Status: [bold {style}]{STATUS_WORDS.get(status, status)}[/]")
    for reason in result.get("reasons", []):
        console.print(f"  - {reason['text']} [dim]({reason['code']})[/]")
    if result.get("vertebrae"):
        console.print(_table(result))
    for secondary in result.get("secondary", []):
        _show_secondary(secondary, console)


def in_words(code: str | None) -> str:
    """Sentence of a coded reason; the code itself if it is unknown, empty for ``None``."""
    if not code:
        return ""
    try:
        return EXPLANATION[Reason(code)]
    except ValueError:
        return code


def _table(result: dict[str, Any]) -> Table:
    table = Table("level", title="Trabecular bone of the vertebral bodies", title_justify="left")
    for title in ("HU", "SD", "vBMD mg/cm³", "volume cm³"):
        table.add_column(title, justify="right")
    table.add_column("used")
    table.add_column("reason for exclusion")
    for one in result["vertebrae"]:
        table.add_row(
            one["level"] + (" (presumed)" if one.get("presumed") else ""),
            _number(one.get("trabecular_hu_mean")),
            _number(one.get("trabecular_hu_sd")),
            _number(one.get("vbmd_mg_cm3")),
            _number(one.get("roi_volume_mm3"), 1000, 1),
            "yes" if one.get("used") else "no",
            in_words(one.get("excluded_reason")),
            style=None if one.get("used") else "dim",
        )
    mean = result.get("mean") or {}
    if mean.get("levels"):
        table.add_section()
        table.add_row(
            "mean",
            _number(mean.get("trabecular_hu_mean")),
            _number(mean.get("trabecular_hu_sd")),
            _number(mean.get("vbmd_mg_cm3")),
            style="bold",
        )
    return table


def _show_secondary(secondary: dict[str, Any], console: Console) -> None:
    """Print one secondary pipeline: numbers and statements by site, or its reasons."""
    title = f"{PIPELINE_WORDS.get(secondary['pipeline'], secondary['pipeline'])} (experimental)"
    reasons = "; ".join(reason["text"] for reason in secondary["reasons"])
    if not secondary["reported"]:
        console.print(f"[bold]{title}[/]: nothing reported. {reasons}", highlight=False)
        return
    table = Table("site", "what", title=title, title_justify="left")
    table.add_column("value", justify="right")
    table.add_column("withheld because")
    for group in secondary["groups"]:
        site, shown_reason = group["label"], None
        shown = [one for one in group["quantities"] if not DETAIL.match(one["name"])]
        for one in (*shown, *group["statements"]):
            why = one["withheld_reason"]
            table.add_row(
                site,
                one["name"].replace("_", " "),
                _secondary_value(one),
                in_words(why if why != shown_reason else None),
            )
            site, shown_reason = "", why
        table.add_section()
    console.print(table)
    names = [one["name"] for group in secondary["groups"] for one in group["quantities"]]
    if any(DETAIL.match(name) for name in names):
        console.print("  Features and their contributions: see the report and result.json.")
    if reasons:
        console.print(f"  {reasons}", highlight=False)


def _secondary_value(one: dict[str, Any]) -> str:
    value, unit = one["value"], str(one.get("unit") or "")
    if value is None:
        return "-"
    words = str(value).replace("_", " ")
    return f"{words} {UNIT_WORDS.get(unit, unit)}".strip()


def _number(value: float | None, divisor: float = 1, decimals: int = 0) -> str:
    return "-" if value is None else f"{value / divisor:.{decimals}f}"

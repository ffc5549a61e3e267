"""Write the result table of a study, published beside reproduced: ``table.json``, ``table.md``."""

import json
import math
import shlex
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from training.statistics.estimate import Estimate
from training.tables.published import Published

VIRTUAL = "virtual cohort"
"""Label of every reproduced figure."""
DIGITS = 4
PROSE_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; the fields are the keys of ``table.json``.

    Parameters
    ----------
    published
        Printed value; ``None`` if the study does not state it.
    baseline
        The same figure of a simple method, for example mean HU.
    n
        Number of vertebrae, patients or images, as named in the metric.
    cohort
        Cohort of the figure: "virtual cohort" with its part.
    """

    metric: str
    published: float | None
    reproduced: float | None
    ci_low: float | None
    ci_high: float | None
    baseline: float | None
    n: int
    cohort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a table was made.

    Parameters
    ----------
    command
        Command line that makes the table again.
    """

    command: str
    seed: int
    device: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTable:
    """All rows of one study.

    Parameters
    ----------
    notes
        Sentences below the table: tuned parameters, shortcomings.
    """

    study: str
    run: Run
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())


class Stopwatch:
    """Measure command and duration of the current run."""

    def __init__(self, *, module: str, seed: int, device: str = "cpu") -> None:
        self._start = time.perf_counter()
        self._module = module
        self._seed = seed
        self._device = device

    def stop(self) -> Run:
        """Return the run so far; the command is that of this process."""
        return Run(
            command=shlex.join(["python", "-m", self._module, *sys.argv[1:]]),
            seed=self._seed,
            device=self._device,
            duration_s=round(time.perf_counter() - self._start, 1),
        )


def row(
    published: Published | str,
    reproduced: Estimate | float | None,
    *,
    n: int,
    cohort: str = VIRTUAL,
    baseline: float | None = None,
) -> Row:
    """Return a row from a published figure, or the name of an unpublished one, and an estimate."""
    name, printed = (
        (published, None) if isinstance(published, str) else (published.metric, published.value)
    )
    value, low, high = (
        (reproduced.value, reproduced.ci_low, reproduced.ci_high)
        if isinstance(reproduced, Estimate)
        else (reproduced, None, None)
    )
    return Row(
        metric=name,
        published=printed,
        reproduced=_rounded(value),
        ci_low=_rounded(low),
        ci_high=_rounded(high),
        baseline=_rounded(baseline),
        n=n,
        cohort=cohort,
    )


def write_table(table: StudyTable, folder: Path) -> None:
    """Write ``table.json`` and ``table.md``; create the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "study": table.study,
        **asdict(table.run),
        "rows": [asdict(one) for one in table.rows],
        "notes": list(table.notes),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "table.json").write_text(text + "\n", encoding="utf-8")
    (folder / "table.md").write_text(markdown(table), encoding="utf-8")


def markdown(table: StudyTable) -> str:
    """Return the table as Markdown."""
    lines = [
        f"# {table.study}: published and reproduced",
        "",
        *_wrapped(
            f"`{table.run.command}` (seed {table.run.seed}, {table.run.device}, "
            f"{table.run.duration_s:g} s). Simulated subjects are not patients."
        ),
        "",
        "| metric | published | reproduced (95 % CI) | baseline | n | cohort |",
        "|---|---|---|---|---|---|",
    ]
    for one in table.rows:
        found = _number(one.reproduced)
        if one.ci_low is not None and one.ci_high is not None:
            found += f" ({_number(one.ci_low)} to {_number(one.ci_high)})"
        cells = (
            one.metric,
            _number(one.published),
            found,
            _number(one.baseline),
            one.n,
            one.cohort,
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    if table.notes:
        lines += ["", *(line for note in table.notes for line in _wrapped(f"* {note}", "  "))]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Wrap prose into lines; break only between words."""
    return textwrap.wrap(
        text,
        PROSE_WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.0001" if 0 < abs(value) < 5e-5 else f"{value:.{DIGITS}g}"


def _rounded(value: float | None) -> float | None:
    """Round to six significant digits; NaN becomes ``None``."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")

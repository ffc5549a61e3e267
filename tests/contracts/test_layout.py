"""Every station documents its input, its output and the next module, and every module its task."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATION = re.compile(r"^Takes  (?P<takes>.+)\nGives  (?P<gives>.+)\nNext   (?P<next>.+)$", re.M)


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


STATIONS = [
    path for path in modules("node", "pipelines", "training") if STATION.search(docstring(path))
]


def test_there_are_stations():
    """The pattern still finds them."""
    assert len(STATIONS) > 20


@pytest.mark.parametrize("path", STATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_next_station_exists(path):
    """Each module named under ``Next`` can be imported from its name."""
    match = STATION.search(docstring(path))
    assert match is not None
    for name in match["next"].split(", "):
        assert name == "nothing" or importlib.util.find_spec(name.strip()) is not None, name


@pytest.mark.parametrize(
    "path",
    modules("node", "pipelines", "models", "training"),
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_module_has_a_first_line(path):
    """First line of the docstring, a sentence; migrations' too."""
    assert docstring(path).split("\n")[0].strip(), path


def test_no_path_of_a_machine_is_written_down():
    """Nothing in the tree names a home folder or a mount of one computer."""
    pattern = re.compile(r"(?<![\w.])/(root|home/\w+|work)/")
    tracked = [
        path
        for folder in ("node", "pipelines", "models", "training", "deploy", "docs", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md", ".toml", ".json", ".lua", ".yaml"}
    ]
    found = [path for path in tracked if pattern.search(path.read_text(encoding="utf-8"))]
    assert found == []

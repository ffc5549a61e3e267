"""Limits of size that keep every file readable; the reasons are in docs/ARCHITECTURE.md."""

import ast
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("node", "pipelines", "models", "training", "benchmarks", "tests")
SOURCES = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
PROSE = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
    *sorted((ROOT / "training").rglob("*.md")),
]

LONGEST_FILE = 450
LONGEST_FUNCTION = 60
MOST_PARAMETERS = 8
MOST_MODULES = 16
MOST_BLIND_EXCEPTS = 7
LONGEST_LINE_OF_PROSE = 120
MORE_MODULES = {"training/statistics": 20}
"""One method a module, each with its source."""
MOST_WORDS = {"docs/results/README.md": 900, "docs/ARCHITECTURE.md": 1800}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False)
    documented = 0 if docstring is None else (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - documented


def parameters(function: Function) -> int:
    """Parameters without ``self`` and ``cls``."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def is_command(function: Function) -> bool:
    """Whether typer reads the parameters as options of a command line."""
    annotations = [ast.unparse(one.annotation) for one in function.args.args if one.annotation]
    return any("typer." in one for one in annotations)


def test_no_file_is_too_long():
    """450 lines."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: count for path, count in lengths.items() if count > LONGEST_FILE} == {}


def test_no_function_is_long_and_most_are_short():
    """60 lines at most, 8 in the median; a command line lists its options, which need lines."""
    found = [
        (f"{path.relative_to(ROOT)}:{one.name}", length(one))
        for path in SOURCES
        for one in functions(path)
        if not is_command(one) and "migrations" not in path.parts
    ]
    product = [lines for name, lines in found if not name.startswith("tests")]
    assert [item for item in found if item[1] > LONGEST_FUNCTION] == []
    assert statistics.median(product) <= 8


def test_no_function_has_many_parameters():
    """Eight at most; options of a command line aside."""
    found = [
        (f"{path.relative_to(ROOT)}:{one.name}", parameters(one))
        for path in SOURCES
        for one in functions(path)
        if not is_command(one)
    ]
    assert [item for item in found if item[1] > MOST_PARAMETERS] == []


def test_no_folder_is_crowded():
    """16 modules; ``training/statistics`` may have 20."""
    modules = Counter(
        str(path.parent.relative_to(ROOT)) for path in SOURCES if path.name != "__init__.py"
    )
    crowded = {
        folder: count
        for folder, count in modules.items()
        if count > MORE_MODULES.get(folder, MOST_MODULES)
    }
    assert crowded == {}


def test_the_root_of_pipelines_holds_the_flow_alone():
    """The flow, the errors, the command; every other module is in a folder."""
    assert len(list((ROOT / "pipelines").glob("*.py"))) <= 5


def test_packages_import_nothing_when_they_are_opened():
    """An ``__init__`` that imports would load PyTorch into the node; the version is the exception."""
    allowed = {
        ROOT / "node" / "__init__.py",
        ROOT / "tests" / "training" / "golden" / "__init__.py",
    }
    importing = [
        path
        for path in SOURCES
        if path.name == "__init__.py"
        and path not in allowed
        and any(
            isinstance(node, ast.Import | ast.ImportFrom)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert importing == []


def test_few_handlers_catch_every_exception():
    """A blind ``except`` is an edge of the system: seven at most."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if not path.is_relative_to(ROOT / "tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and is_blind(node)
    ]
    assert len(found) <= MOST_BLIND_EXCEPTS, found


def is_blind(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches every exception."""
    names = [node.id for node in ast.walk(handler.type or handler) if isinstance(node, ast.Name)]
    return handler.type is None or bool({"Exception", "BaseException"} & set(names))


def is_generated(path: Path) -> bool:
    """Whether a command writes the page."""
    return path.name == "table.md"


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_has_short_lines(path):
    """120 characters at most; only rows of generated tables may be longer."""
    lines = path.read_text(encoding="utf-8").splitlines()
    prose = [line for line in lines if not (is_generated(path) and line.startswith("|"))]
    assert [line for line in prose if len(line) > LONGEST_LINE_OF_PROSE] == []


@pytest.mark.parametrize(("name", "most"), MOST_WORDS.items())
def test_pages_stay_short(name, most):
    """Results in at most 900 words, the architecture in 1,800; details have pages of their own."""
    assert len((ROOT / name).read_text(encoding="utf-8").split()) <= most

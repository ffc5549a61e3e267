"""Digests of the sources and weights that decide results, and the command that records them.

python -m tests.pipelines.contract.result_digests
"""

import ast
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from pipelines.contract.generation import GENERATION

ROOT: Final = Path(__file__).parents[3]
RECORD: Final = Path(__file__).with_name("result_digests.json")
ROOMS: Final = ("pipelines", "models")
BESIDE: Final = ("pipelines/worker/", "pipelines/__main__.py", "pipelines/contract/generation.py")
"""These start jobs and write logs; no result depends on them."""


def recorded() -> dict[str, Any]:
    """Content of the file: the generation, and a digest by path."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def current() -> dict[str, Any]:
    """Content that the file would have if it were written now."""
    return {"generation": GENERATION, "files": {name: _digest(ROOT / name) for name in _names()}}


def code_digest(source: str) -> str:
    """Digest of a module that comments, docstrings and layout do not change."""
    return _short(repr(_plain(ast.parse(source))).encode())


def _names() -> list[str]:
    """Modules, tables and weights; no model cards, which only describe."""
    paths = [
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".json", ".safetensors"} and not _is_card(path)
    ]
    names = sorted(path.relative_to(ROOT).as_posix() for path in paths)
    return [name for name in names if not name.startswith(BESIDE)]


def _is_card(path: Path) -> bool:
    return path.parent.name == "weights" and path.suffixes == [".json"]


def _digest(path: Path) -> str:
    content = path.read_bytes()
    return code_digest(content.decode()) if path.suffix == ".py" else _short(content)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _plain(node: object) -> object:
    """A syntax tree as tuples: no positions, no bare strings, no empty fields.

    ``ast.dump`` differs between versions of Python; names and values of fields that are not empty
    do not.
    """
    if isinstance(node, list):
        return tuple(_plain(one) for one in node if not _is_bare_string(one))
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node))
        return (type(node).__name__, *(one for one in fields if one[1] not in (None, ())))
    return node


def _is_bare_string(node: object) -> bool:
    """A docstring, or the text below a constant."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def main() -> None:
    """Record the digests of now."""
    RECORD.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

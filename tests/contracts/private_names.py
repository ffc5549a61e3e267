"""Which names of pynetdicom the sources of the node use, beside its public ones."""

import ast
import functools
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.intake import reactor, server

ROOT = Path(__file__).parents[2]
LIBRARY = "pynetdicom"


@dataclass(frozen=True)
class Use:
    """A name in a source file."""

    line: int
    name: str


def foreign_private_names(tree: ast.Module) -> Iterator[Use]:
    """Private names that are imported from pynetdicom or read from another object than ``self``."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == LIBRARY:
                names = [*module.split("."), *(alias.name for alias in node.names)]
                yield from (Use(node.lineno, name) for name in names if is_private(name))
            case ast.Attribute(value=ast.Name(id="_config"), attr=name):
                yield Use(node.lineno, name)
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if is_private(name):
                yield Use(node.lineno, name)
            case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr")):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                yield from (
                    Use(node.lineno, one)
                    for one in texts
                    if isinstance(one, str) and is_private(one)
                )


def own_names(tree: ast.ClassDef) -> Iterator[Use]:
    """Names that a class defines or assigns, and private names that it reads from ``self``."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name):
                yield Use(node.lineno, name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                if isinstance(node.ctx, ast.Store) or is_private(name):
                    yield Use(node.lineno, name)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def library_names(kind: type) -> set[str]:
    """Names of methods and attributes that the classes of the library below ``kind`` have.

    Classes of the standard library are included, because pynetdicom derives from them.
    """
    names = set()
    for base in kind.__mro__:
        if base is object or base.__module__.startswith("node."):
            continue
        names |= set(vars(base))
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if isinstance(node.value, ast.Name) and node.value.id == "self"
        }
    return names


@functools.cache
def users() -> dict[str, ast.Module]:
    """Modules of the node that import pynetdicom, or the servers built on it."""
    found = {}
    for path in sorted((ROOT / "node").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            module
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for module in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
        }
        servers = {reactor.__name__, server.__name__}
        if imported & servers or any(one.split(".")[0] == LIBRARY for one in imported):
            found[name] = tree
    return found


def classes_on_the_library() -> list[type]:
    """Classes of the node that derive from one of pynetdicom."""
    return [
        kind
        for name in users()
        for kind in vars(importlib.import_module(name)).values()
        if isinstance(kind, type)
        and kind.__module__ == name
        and any(base.__module__.split(".")[0] == LIBRARY for base in kind.__mro__)
    ]

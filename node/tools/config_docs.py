"""Write the example settings file and the page of the settings from `Settings`.

usage: python -m node.tools.config_docs --example | --markdown
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from node.config import (
    CONFIG_VARIABLE,
    DEFAULT_FILES,
    ENVIRONMENT_PREFIX,
    Destination,
    Settings,
)

WIDTH: Final = 98
EXAMPLE_HEAD: Final = """\
# Settings of OsteoNode with their defaults. Uncomment what you change.
# Check the file with: osteonode config check FILE
# The environment takes precedence over this file: OSTEONODE_NODE__PORT=104
# Written by "python -m node.tools.config_docs --example".
"""
MARKDOWN_HEAD: Final = """\
<!-- Written by "python -m node.tools.config_docs --markdown". -->
# Configuration

Settings come from one TOML file and the environment. `osteonode config check` prints every mistake and
`osteonode config show` prints the current settings.

* **File**: `--config FILE`, else the file that `{variable}` names, else the first existing file of
  {files}, else the defaults.
* **Environment**: `{prefix}SECTION__KEY`, e.g. `{prefix}NODE__PORT=104`; it takes precedence over the
  file. Lists are JSON: `{prefix}INTAKE__ACCEPTED_CALLING_AE_TITLES='["PACS"]'`.
* Unknown names in the file are mistakes. The node ignores unknown *variables*; `config check` lists
  them.
* `deploy/osteonode.example.toml` has every setting with its default.
"""
SAMPLE_DESTINATION: Final = {
    "name": "pacs",
    "ae_title": "ORTHANC",
    "host": "127.0.0.1",
    "port": 4242,
    "calling_ae_title": "OSTEONODE",
    "radiomics": False,
}


def example() -> str:
    """Text of ``deploy/osteonode.example.toml``."""
    parts = [EXAMPLE_HEAD]
    for name, section in _sections():
        lines = [f"# {_doc(section)}", f"[{name}]"]
        for key, field in section.model_fields.items():
            lines += textwrap.wrap(_text(field), WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"#{key} = {_toml(_default(field))}")
        parts.append("\n".join(lines) + "\n")
    lines = [f"# {_doc(Destination)} One block for each.", "#[[destinations]]"]
    for key, field in Destination.model_fields.items():
        lines.append(f"# {_text(field)}")
        lines.append(f"#{key} = {_toml(SAMPLE_DESTINATION[key])}")
    parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def markdown() -> str:
    """Text of ``docs/configuration.md``."""
    files = " and ".join(f"`{path}`" for path in DEFAULT_FILES)
    parts = [MARKDOWN_HEAD.format(variable=CONFIG_VARIABLE, files=files, prefix=ENVIRONMENT_PREFIX)]
    for name, section in _sections():
        items = [
            f"* `{key} = {_toml(_default(field))}`: {_text(field)}"
            for key, field in section.model_fields.items()
        ]
        parts.append(_section(f"[{name}]", _doc(section), items))
    items = [
        f"* `{key}`{' (required)' if field.is_required() else ''}: {_text(field)}"
        for key, field in Destination.model_fields.items()
    ]
    parts.append(_section("[[destinations]]", f"{_doc(Destination)} One block for each.", items))
    return "\n".join(parts)


def _section(title: str, text: str, items: list[str]) -> str:
    lines = [
        line
        for item in items
        for line in textwrap.wrap(
            item, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]
    return "\n".join([f"## `{title}`", "", text, "", *lines, ""])


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _doc(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _text(field: FieldInfo) -> str:
    return field.description or ""


def _default(field: FieldInfo) -> Any:
    return None if field.default is PydanticUndefined else field.default


def _toml(value: Any) -> str:
    match value:
        case None:
            return '""'
        case bool():
            return "true" if value else "false"
        case Path() | str():
            return json.dumps(str(value))
        case tuple() | list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return str(value)


def main() -> None:
    """Print the text that the argument names."""
    match sys.argv[1:]:
        case ["--example"]:
            sys.stdout.write(example())
        case ["--markdown"]:
            sys.stdout.write(markdown())
        case _:
            sys.exit("usage: python -m node.tools.config_docs --example | --markdown")


if __name__ == "__main__":
    main()

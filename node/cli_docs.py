"""Write the page of the command line from the commands.

usage: python -m node.cli_docs
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import typer

from node.cli import app

WIDTH: Final = 96
HEAD: Final = """\
<!-- Written by "python -m node.cli_docs". -->
# Command line

`osteonode COMMAND --help` prints the same text. Exit codes: 0 done, 1 something failed (an object was
refused, no result was returned), 2 a mistake in the call or in the settings, printed in one line.
"""


def page() -> str:
    """Text of ``docs/cli.md``."""
    parts = [HEAD]
    for name, text in _helps(typer.main.get_command(app), "osteonode"):
        parts.append(f"## `{name}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def _helps(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    """Name and help of a command and of those below it (typer bundles its own click)."""
    context = command.context_class(
        command, info_name=name.split()[-1], parent=parent, terminal_width=WIDTH
    )
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if hasattr(command, "list_commands"):
        for child in command.list_commands(context):
            yield from _helps(command.get_command(context, child), f"{name} {child}", context)


if __name__ == "__main__":
    sys.stdout.write(page())

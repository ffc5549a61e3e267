"""Links, commands, settings and codes of the documents exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from node.config import Settings, load_settings
from pipelines.contract.reasons import EXPLANATION, Reason

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").glob("*.md")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    """Relative links and pictures exist."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


def test_every_command_of_the_readme_exists():
    """``osteonode NAME`` in the README is a command."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"osteonode (\w+)", text)) - {"toml"}
    for name in sorted(names):
        run = subprocess.run(
            [sys.executable, "-m", "node", name, "--help"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert run.returncode == 0, name


def test_the_redis_settings_are_valid():
    """deploy/osteonode.redis.toml loads."""
    settings = load_settings(ROOT / "deploy" / "osteonode.redis.toml")
    assert isinstance(settings, Settings)
    assert settings.queue.broker.startswith("redis://")


def test_every_reason_has_its_sentence():
    """Every reason code has a sentence."""
    assert set(EXPLANATION) == set(Reason)


def test_every_dependency_is_pinned():
    """Each name of pyproject.toml is in constraints.txt with ``==``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {canonicalize_name(Requirement(line).name) for group in groups for line in group}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    assert wanted <= pinned, wanted - pinned

"""Fixtures shared by all tests: real peers and real CTs; a skip fails in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.peers.orthanc import Orthanc, running_orthanc
from tests.peers.ports import free_port
from tests.peers.processes import find_program
from tests.peers.redis import running_redis

PROGRAMS = {
    "dcmtk": "storescu",
    "orthanc": "Orthanc",
    "redis": "redis-server",
    "dciodvfy": "dciodvfy",
}
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
"""Times of examples are not limited, because other processes use the same cores."""

DATA = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose peers or data are not on this machine; in CI that is a failure."""
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            if not _is_installed(name):
                _skip(f"{name} is not installed: run `make peers`")
    if item.get_closest_marker("data") and not DATA.is_dir():
        _skip(f"no real CTs at {DATA}")


def _skip(why: str) -> None:
    if os.environ.get("CI"):  # noqa: TID251  the tests have no settings object
        pytest.fail(f"nothing may be skipped in CI, but: {why}", pytrace=False)
    pytest.skip(why)


def _is_installed(peer: str) -> bool:
    if peer == "postgres":
        return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return find_program(PROGRAMS[peer]) is not None


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real CTs (``../shared/data``)."""
    return DATA


@pytest.fixture
def node_port() -> int:
    """Loopback port for the node under test."""
    return free_port()


@pytest.fixture
def orthanc(tmp_path: Path, node_port: int) -> Iterator[Orthanc]:
    """Orthanc that routes CTs to ``node_port``, on the settings of ``deploy/orthanc``."""
    folder = tmp_path / "pacs"
    folder.mkdir()
    with running_orthanc(folder, node_port=node_port) as server:
        yield server


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server of this test alone."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with running_redis(folder) as url:
        yield url

"""A real Redis server on a free loopback port, nothing persisted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import free_port
from tests.peers.processes import find_program, running


@contextmanager
def running_redis(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run Redis for the time of the context; return its URL."""
    program = find_program("redis-server")
    assert program is not None
    port = port or free_port()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with running(command, port=port, log=folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"

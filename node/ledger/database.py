"""Engine and migrations: SQLite (WAL, full synchronisation) by default, PostgreSQL by URL."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError

from node.errors import LedgerError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_LOCK: Final = 7_220_011
"""Key of PostgreSQL's advisory lock while tables change."""
BUSY_TIMEOUT_S: Final = 30
"""Longest wait of a writer for another writer (SQLite)."""
CONNECT_TIMEOUT_S: Final = 10
READS_ONLY: Final = "reads_only"
"""Execution option of a connection that writes nothing."""


class Database:
    """Transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def begin(self) -> AbstractContextManager[Connection]:
        """Transaction that writes: committed and on disk when its context ends without error."""
        return self._engine.begin()

    def read(self, query: Any) -> Sequence[Any]:
        """Rows of a query, read without the writer's lock."""
        with self._engine.connect().execution_options(**{READS_ONLY: True}) as connection:
            return connection.execute(query).all()

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Insert statement of the dialect, which has ``ON CONFLICT``."""
        return self._insert(table)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_engine(url: str) -> Engine:
    """Engine whose committed transactions are durable."""
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"timeout": BUSY_TIMEOUT_S} if is_sqlite else {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=not is_sqlite)
    event.listen(engine, "handle_error", _translate)
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def _translate(context: ExceptionContext) -> LedgerError | None:
    """Translate errors of the database to `LedgerError`; no other function does."""
    if context.is_pre_ping:  # a connection has ended: the pool opens a new one
        return None
    found = f"ledger: {context.original_exception}"
    return LedgerError(found, "", "check the disk and ledger.url")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let SQLAlchemy, not the driver, begin transactions; flush every commit to disk."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Take the lock of the writer at the start of a transaction that writes.

    Two transactions that read first and then write would deadlock.
    A transaction that only reads waits for no writer: it sees the last commit before its first
    query (WAL).
    """
    reads_only = connection.get_execution_options().get(READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate the tables to a revision; one process at a time.

    Raises
    ------
    LedgerError
        The database cannot be opened, or is newer than this program.
    """
    try:
        engine.connect().close()
    except SQLAlchemyError as error:  # a connection that fails early escapes `_translate`
        raise LedgerError(f"ledger: {error}", "", "check ledger.url and the folder") from error
    script = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if revision == "head" and current == script.get_current_head():
        return
    known = {one.revision for one in script.walk_revisions()}
    if current is not None and current not in known:
        raise LedgerError(
            f"ledger of revision {current}",
            f"at most {script.get_current_head()}",
            "install the release that wrote it, or a newer one",
        )
    with _one_at_a_time(engine), engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the tables back to an older revision."""
    with _one_at_a_time(engine), engine.begin() as connection:
        command.downgrade(_config(connection), revision)


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.migrating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))

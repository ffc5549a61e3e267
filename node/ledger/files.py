"""Ledger of the files of received objects: record files as lost or as found again."""

import time
from typing import Any

from sqlalchemy import Connection, select, update

from node.ledger.database import Database
from node.ledger.records import FileRow
from node.ledger.states import InstanceState, JobState, SeriesState
from node.ledger.tables import instances, jobs, series
from pipelines.contract.reasons import Reason


class Files:
    """Files of received objects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, *, after: int, limit: int) -> list[FileRow]:
        """Files of up to ``limit`` objects in the order of their rows, beginning after row ``after``."""
        waiting = instances.c.state == InstanceState.WAITING
        unmade = (series.c.state == SeriesState.OPEN) | (jobs.c.state == JobState.QUEUED)
        query = (
            select(instances, (waiting & unmade).label("is_needed"))
            .join(series, series.c.series_instance_uid == instances.c.series_instance_uid)
            .outerjoin(jobs, jobs.c.key == instances.c.job_key)
            .where(instances.c.id > after)
            .order_by(instances.c.id)
            .limit(limit)
        )
        return [_file_row(row) for row in self._database.read(query)]

    def record_lost(self, row: FileRow) -> bool:
        """Record that a file is missing or damaged; sending the object again restores it.

        An object that was waiting counts as failed, and its study is decided again without it.

        Returns
        -------
        bool
            ``False``, without a change, if the object was sent again in the meantime.
        """
        mine = (instances.c.id == row.id) & (instances.c.resent == row.resent)
        lost = {"state": InstanceState.FAILED, "reason": Reason.FILE_LOST, "job_key": None}
        with self._database.begin() as connection:
            marked = connection.execute(update(instances).where(mine).values(lost_at=time.time()))
            waiting = mine & (instances.c.state == InstanceState.WAITING)
            if connection.execute(update(instances).where(waiting).values(lost)).rowcount:
                self._reopen(connection, row)
        return bool(marked.rowcount)

    def record_found(self, row: FileRow) -> bool:
        """Record that a lost file is complete again (its disk was not mounted at the last check).

        Returns
        -------
        bool
            ``False``, without a change, if the object was sent again in the meantime.
        """
        mine = (instances.c.id == row.id) & (instances.c.resent == row.resent)
        with self._database.begin() as connection:
            marked = connection.execute(update(instances).where(mine).values(lost_at=None))
            failed = mine & (instances.c.reason == Reason.FILE_LOST)
            waiting = {"state": InstanceState.WAITING, "reason": None}
            if connection.execute(update(instances).where(failed).values(waiting)).rowcount:
                self._reopen(connection, row)
        return bool(marked.rowcount)

    def _reopen(self, connection: Connection, row: FileRow) -> None:
        connection.execute(
            update(series)
            .where(series.c.series_instance_uid == row.series_instance_uid)
            .values(state=SeriesState.OPEN, reason=None)
        )


def _file_row(row: Any) -> FileRow:
    return FileRow(
        id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        resent=row.resent,
        is_needed=bool(row.is_needed),
        is_lost=row.lost_at is not None,
    )

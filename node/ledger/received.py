"""Ledger of station 1: received objects, their headers, and refusals."""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from node.errors import DuplicateContent
from node.ledger.database import Database
from node.ledger.records import Recorded, StoredInstance
from node.ledger.states import InstanceState, SeriesState
from node.ledger.tables import UNREAD, instances, refusals, series


class Received:
    """Objects as they arrive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, instance: StoredInstance) -> Recorded:
        """Record a stored object; the row is on disk when this returns.

        Raises
        ------
        DuplicateContent
            The ledger has other content with this SOP Instance UID and transfer syntax. (The same
            object in another transfer syntax counts as sent again.)
        LedgerError
            The database cannot be written.
        """
        now = instance.received_at.timestamp()
        values = {
            "sop_instance_uid": instance.sop_instance_uid,
            "sop_class_uid": instance.sop_class_uid,
            "series_instance_uid": instance.series_instance_uid,
            "study_instance_uid": instance.study_instance_uid,
            "transfer_syntax_uid": instance.transfer_syntax_uid,
            "path": str(instance.path),
            "size_bytes": instance.size_bytes,
            "sha256": instance.sha256,
            "calling_ae_title": instance.calling_ae_title,
            "called_ae_title": instance.called_ae_title,
            "received_at": now,
            "state": InstanceState.WAITING,
        }
        with self._database.begin() as connection:
            insert = self._database.insert(instances).values(values).on_conflict_do_nothing()
            if connection.execute(insert.returning(instances.c.id)).first() is None:
                return self._record_again(connection, instance, values)
            self._open_series(connection, instance, now)
        return Recorded.NEW

    def _record_again(
        self, connection: Connection, instance: StoredInstance, values: Mapping[str, Any]
    ) -> Recorded:
        mine = instances.c.sop_instance_uid == instance.sop_instance_uid
        known = connection.execute(
            select(instances.c.sha256, instances.c.transfer_syntax_uid, instances.c.lost_at).where(
                mine
            )
        ).one()
        is_same = known.sha256 == instance.sha256
        same_syntax = known.transfer_syntax_uid == instance.transfer_syntax_uid
        counted = {"resent": instances.c.resent + 1}
        if known.lost_at is not None:
            fresh = {**values, **counted, "lost_at": None, "header": None, "reason": None}
            connection.execute(update(instances).where(mine).values({**fresh, "job_key": None}))
            self._open_series(connection, instance, float(values["received_at"]))
            return Recorded.HEALED
        if same_syntax and not is_same:
            raise DuplicateContent(
                f"other content under SOP Instance UID {instance.sop_instance_uid}",
                "one object per UID",
                "the first object is kept; a changed object needs a new UID",
            )
        connection.execute(update(instances).where(mine).values(counted))
        return Recorded.RESENT if is_same else Recorded.RECODED

    def _open_series(self, connection: Connection, instance: StoredInstance, now: float) -> None:
        """Open the series of new content, also if it was decided before."""
        insert = self._database.insert(series).values(
            series_instance_uid=instance.series_instance_uid,
            study_instance_uid=instance.study_instance_uid,
            state=SeriesState.OPEN,
            last_received_at=now,
        )
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[series.c.series_instance_uid],
                set_={"state": SeriesState.OPEN, "reason": None, "last_received_at": now},
            )
        )

    def record_refusal(
        self,
        *,
        calling_ae: str,
        called_ae: str,
        sop_class_uid: str | None,
        sop_instance_uid: str | None,
        status: int,
        reason: str,
    ) -> None:
        """Record a refused object or association, with the reason."""
        with self._database.begin() as connection:
            connection.execute(
                refusals.insert().values(
                    refused_at=time.time(),
                    calling_ae_title=calling_ae[:16],
                    called_ae_title=called_ae[:16],
                    sop_class_uid=sop_class_uid,
                    sop_instance_uid=sop_instance_uid,
                    status=status,
                    reason=reason,
                )
            )

    def without_header(self, limit: int) -> list[tuple[str, str]]:
        """(SOP Instance UID, path) of objects whose header is not in the ledger yet."""
        query = (
            select(instances.c.sop_instance_uid, instances.c.path)
            .where(UNREAD)
            .order_by(instances.c.id)
            .limit(limit)
        )
        return [(row.sop_instance_uid, row.path) for row in self._database.read(query)]

    def record_headers(self, headers: Mapping[str, Mapping[str, Any]]) -> None:
        """Record the headers of objects by SOP Instance UID."""
        with self._database.begin() as connection:
            for uid, header in headers.items():
                connection.execute(
                    update(instances)
                    .where(instances.c.sop_instance_uid == uid)
                    .values(header=dict(header))
                )

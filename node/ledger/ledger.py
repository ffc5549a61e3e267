"""The ledger: every change of state of objects, series, jobs and results.

Only this folder writes to the database. Each change is one transaction and is on disk when its
function returns. Rows change only along the steps of ``node.ledger.states``. The ledger has one
attribute for each station: ``ledger.received.record(instance)``,
``ledger.studies.decide(decision, seen=snapshot)``.
"""

from collections import Counter

from sqlalchemy import func, select

from node.ledger.balance import Balance
from node.ledger.database import Database, open_engine, upgrade
from node.ledger.files import Files
from node.ledger.jobs import Jobs
from node.ledger.outbox import Outbox
from node.ledger.received import Received
from node.ledger.states import InstanceState
from node.ledger.studies import Studies
from node.ledger.tables import instances, refusals


class Ledger:
    """An open ledger; threads can share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.received = Received(database)
        self.studies = Studies(database)
        self.jobs = Jobs(database)
        self.outbox = Outbox(database)
        self.files = Files(database)

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """Open, and migrate, the ledger at a SQLAlchemy URL.

        Raises
        ------
        LedgerError
            The database cannot be opened, or is newer than this program.
        """
        engine = open_engine(url)
        upgrade(engine)
        return cls(Database(engine))

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def balance(self) -> Balance:
        """Number of objects in each state."""
        columns = instances.c.state, instances.c.reason
        query = select(*columns, func.count(), func.sum(instances.c.resent)).group_by(*columns)
        states: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        resent = 0
        for state, reason, count, sent_again in self._database.read(query):
            states[state] += count
            resent += int(sent_again)
            if reason is not None:
                reasons[reason] += count
        refused = self._database.read(select(func.count()).select_from(refusals))[0][0]
        lost = self._database.read(select(func.count()).where(instances.c.lost_at.is_not(None)))[0][
            0
        ]
        return Balance(
            received=states.total(),
            **{state.value: states[state.value] for state in InstanceState},
            refused=int(refused),
            resent=resent,
            lost=int(lost),
            reasons=dict(reasons),
        )

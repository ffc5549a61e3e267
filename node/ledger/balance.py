"""The balance of the ledger: received = skipped + waiting + failed + delivered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Number of objects in each state.

    Parameters
    ----------
    received
        Objects that were acknowledged with 0x0000, each counted once.
    refused
        Refused objects and associations; not part of ``received``.
    resent
        Number of times that a known object was sent again.
    lost
        Objects whose file is missing or damaged; those not yet processed also count in ``failed``.
    reasons
        Code -> number of objects, for everything skipped or failed.
    """

    received: int
    skipped: int
    waiting: int
    failed: int
    delivered: int
    refused: int
    resent: int
    lost: int
    reasons: dict[str, int]

    @property
    def is_balanced(self) -> bool:
        """Whether the states add up to ``received``."""
        return self.received == self.skipped + self.waiting + self.failed + self.delivered

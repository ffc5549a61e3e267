"""The balance: received = skipped + waiting + failed + delivered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What became of every object.

    Parameters
    ----------
    received
        Objects that were acknowledged with 0x0000 for the first time.
    refused
        Objects and associations that were not taken; not part of ``received``.
    resent
        Times that a known object came again.
    lost
        Objects whose file is missing or damaged; those not yet processed also count as failed.
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
        """Whether every received object is accounted for."""
        return self.received == self.skipped + self.waiting + self.failed + self.delivered

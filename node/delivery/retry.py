"""When a failed delivery is tried again, and when the node gives up.

The times are settings: ``delivery.first_retry_s``, ``retry_factor``, ``max_retry_s`` and
``give_up_after_h`` (`node.config.DeliverySection`).
"""

from typing import Final

from node.config import DeliverySection

MOST_STEPS: Final = 30
"""Steps after which the wait stops growing; no power overflows."""


def retry_wait_s(rules: DeliverySection, attempts: int) -> float:
    """Seconds until the next try: the first wait, times the factor for each attempt so far."""
    growth = rules.retry_factor ** min(attempts, MOST_STEPS)
    return min(rules.first_retry_s * growth, rules.max_retry_s)


def is_given_up(rules: DeliverySection, age_s: float) -> bool:
    """Whether an object that has waited this long is not tried again."""
    return age_s > rules.give_up_after_h * 3600

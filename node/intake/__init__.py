"""Station 1: received objects are stored durably, or refused with a reason."""

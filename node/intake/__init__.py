"""Station 1: what comes in over the network becomes durable, or is refused with a reason."""

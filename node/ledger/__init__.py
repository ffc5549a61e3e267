"""The ledger: every object and every change of state, durable before it is acknowledged."""

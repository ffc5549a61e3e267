"""Selection -> job on the queue -> outcome in the ledger."""

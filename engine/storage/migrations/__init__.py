"""The ledger's tables, one revision a file; run by `engine.storage.migrate` only."""

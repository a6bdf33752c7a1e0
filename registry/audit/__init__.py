"""The audit trail and the outbox: what happened, and what must be told to whom."""

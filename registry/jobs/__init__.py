"""Job requests, their state machine, leases, events and dispatch."""

"""The one door: gathers facts, asks the gate, records the answer."""

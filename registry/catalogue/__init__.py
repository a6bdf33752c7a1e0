"""What repositories say about themselves: cards, derived facts, tags, search, lineage, counters."""

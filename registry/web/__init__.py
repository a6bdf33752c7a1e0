"""The pages people browse."""

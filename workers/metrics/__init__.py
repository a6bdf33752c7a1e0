"""Metrics with intervals, paired comparisons and the cheap baselines every result is held against."""

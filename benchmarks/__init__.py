"""Ratios of things that are timed in turns, in one run. `make bench` writes RESULTS.md; no test depends on a time."""

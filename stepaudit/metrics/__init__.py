"""Metrics, one file each: `score(maps, **measurements and options)`, a value per frame or per clip."""

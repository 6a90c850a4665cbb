"""`stepaudit explain`: maps of one video."""

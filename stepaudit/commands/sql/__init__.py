"""`stepaudit sql`: an interactive, read-only SQL shell."""

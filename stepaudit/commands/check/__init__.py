"""`stepaudit check`: missing, damaged and stale results."""

"""`stepaudit init`: a configuration for somebody's own videos."""

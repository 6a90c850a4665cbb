"""`stepaudit init`: a configuration for a folder of videos."""

"""`stepaudit doctor`: problems of the machine, the videos and the configuration before a run."""

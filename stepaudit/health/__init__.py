"""`stepaudit doctor`: what is amiss with a machine, a configuration or its videos."""

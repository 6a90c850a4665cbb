"""`stepaudit compare`: two models, or two audits, on the same clips."""

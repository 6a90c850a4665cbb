"""`stepaudit check` of results: what should lie in an audit's folder, what does, and what to run."""

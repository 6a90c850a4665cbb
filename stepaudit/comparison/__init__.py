"""Two models, or two audits of one, on the same clips: what differs, how surely, and whether a release may pass."""

"""Rows on disk: schema, writing, reading, checksums, formats, the read-only database."""

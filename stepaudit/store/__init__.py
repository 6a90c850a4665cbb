"""How rows lie on disk: schema, writing, reading, checksums, formats, the read-only database."""

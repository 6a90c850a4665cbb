"""The request and its files: configuration, registry, planning, jobs, fingerprints."""

"""What is requested, and where it lies: configuration, registry, shards, planning, jobs and their files."""

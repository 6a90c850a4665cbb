"""The life of one job: device, guard, watchdog, locks, finished parts, notes, progress, records."""

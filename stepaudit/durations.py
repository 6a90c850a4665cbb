"""Seconds for people to read."""


def duration(seconds: float) -> str:
    """Seconds as `1 h 05 min`, `3 min 20 s`, `45 s` or `4.5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

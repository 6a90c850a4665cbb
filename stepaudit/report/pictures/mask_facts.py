"""Words for how faint a mask is: the mean of a faint mask says nothing about how much of the clip it shows."""

from stepaudit.store.formats import two_digits


def visible(row: dict) -> list[str]:
    """Share of the clip that a mask shows with more than a tenth of its contrast, and its crispness.

    Args:
        row: of `maps`.

    Returns:
        One text; none for a map that is no mask, or that failed.
    """
    if row["kept_probability"] is None or row["shown"] is None:
        return []
    return [f"visible on {two_digits(100 * row['shown'])} % of the clip (crispness {row['crispness']:.2f})"]

"""One failing row does not take its batch with it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from stepaudit.errors import AuditError

Item = TypeVar("Item")
Row = TypeVar("Row")


def each(
    items: Sequence[Item], work: Callable[[Sequence[Item]], list[Row]], failed: Callable[[Item, AuditError], Row]
) -> list[Row]:
    """A row for each item: of the batch, or, if an expected failure stops it, of each item alone.

    Args:
        work: rows of a batch of items; may raise an AuditError.
        failed: the row of an item that failed.
    """
    if not items:
        return []
    try:
        return work(items)
    except AuditError as error:
        if len(items) == 1:
            return [failed(items[0], error)]
    return [row for item in items for row in each([item], work, failed)]

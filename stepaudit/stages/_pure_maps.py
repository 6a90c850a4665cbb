"""Check that a method of the user's gives a clip the same map each time, alone and in a batch."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from stepaudit.errors import AuditError, UsageError

APART = 0.05  # of values in [0, 1]; sums over batches of other sizes differ by far less


def require_pure(rows: Sequence[dict], alone: Callable[[int], dict], method: str) -> None:
    """Raise UsageError if the map of a batch's first or last row is another one without the others, or made again.

    Args:
        rows: of the table `maps`.
        alone: makes a row of them by itself.
    """
    for place in sorted({0, len(rows) - 1}):
        if rows[place]["status"] != "ok":
            continue
        with suppress(AuditError):
            if _maps_differ(rows[place], once := alone(place)):
                raise UsageError(_impurity_text(len(rows), _maps_differ(once, alone(place)), method))


def _impurity_text(count: int, random: bool, method: str) -> str:
    if random or count == 1:
        return (
            f"method '{method}' gives the same clip another map each time; draw with a generator that `seed` seeds, "
            "such as `torch.Generator().manual_seed(seed)`"
        )
    return (
        f"method '{method}' gives a clip another map alone than in a batch of {count}; scale each map by itself and "
        "keep the order of the clips, or set `batch_size: 1`"
    )


def _maps_differ(one: dict, other: dict) -> bool:
    """True if the maps of two rows differ."""
    grids = [np.asarray(row["grid"], np.float32).reshape(row["grid_shape"]) for row in (one, other)]
    return grids[0].shape != grids[1].shape or bool(np.abs(grids[0] - grids[1]).max() > APART)

"""The area term: the distance of a mask from one with exactly its ratio of ones."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor


def area_loss(masks: Tensor, ratios: Sequence[float], tie: float = 0.0) -> Tensor:
    """Squared distance of the sorted masks from `ratio` ones followed by zeros. Li et al. 2021, eq. 6.

    Sorting is not needed: Σ (sort(m) − r)² = Σ m² + k − 2 · (sum of the k largest).

    Args:
        masks: [N, ...] in [0, 1].
        ratios: N shares of voxels to keep, in (0, 1).
        tie: voxels this near to the smallest kept one share its place, see `Settings.tie`; 0 is the equation.

    Returns:
        [N], mean over voxels, so it does not grow with the clip.
    """
    flat = masks.flatten(1)
    size = flat.shape[1]
    ones = [round(ratio * size) for ratio in ratios]
    with torch.no_grad():
        template = kept_share(flat, ones, tie)
        total = template.sum(dim=1)
    return ((flat * (flat - 2 * template)).sum(dim=1) + total) / size


def area_loss_per_frame(masks: Tensor, ratios: Sequence[float], tie: float = 0.0) -> Tensor:
    """The area term with the same ratio in every frame, averaged over frames. Li et al. 2021, eq. 11.

    Args:
        masks: [N, T, H, W] in [0, 1].
        ratios, tie: as for `area_loss`.

    Returns:
        [N].
    """
    count, frames = masks.shape[:2]
    each = [ratio for ratio in ratios for _ in range(frames)]
    return area_loss(masks.flatten(0, 1), each, tie).view(count, frames).mean(dim=1)


def kept_share(values: Tensor, counts: Sequence[int], tie: float = 0.0) -> Tensor:
    """1 for the largest values of each row, 0 for the others; those within `tie` of the edge share the rest.

    Args:
        values: [N, n].
        counts: how many of each row to keep, at most n.

    Returns:
        [N, n]; each row adds up to its count.
    """
    return by_count(counts, values.device, lambda rows, count: _share_of_largest(values[rows], int(count), tie))


def _share_of_largest(values: Tensor, count: int, tie: float) -> Tensor:
    """1 for the `count` largest values of each row; values within `tie` of the edge share what is left. Both [N, n]."""
    if count == 0:
        return torch.zeros_like(values)
    edge = values.kthvalue(values.shape[1] - count + 1, dim=1, keepdim=True).values
    above, tied = values > edge + tie, (values - edge).abs() <= tie
    left = count - above.sum(dim=1, keepdim=True)
    return above + tied * (left / tied.sum(dim=1, keepdim=True))


def by_count(counts: Sequence[float], device: torch.device, work: Callable[[slice | Tensor, float], Tensor]) -> Tensor:
    """Results of `work` for all rows of one count together, put back into the rows' order.

    Counts stay in Python, and places on the device from one iteration to the next, so that no GPU is made to wait.

    Args:
        counts: N numbers.
        work: rows and their count to [rows, ...].

    Returns:
        [N, ...].
    """
    groups, order = _rows_by_count(tuple(counts), device)
    if len(groups) == 1:
        return work(slice(None), counts[0])
    return torch.cat([work(rows, count) for count, rows in groups])[order]


@lru_cache(maxsize=64)
def _rows_by_count(counts: tuple[float, ...], device: torch.device) -> tuple[list[tuple[float, Tensor]], Tensor]:
    """Each distinct count with the indices of its rows, and the order that puts the joined rows back."""
    places: dict[float, list[int]] = {}
    for place, count in enumerate(counts):
        places.setdefault(count, []).append(place)
    order = torch.tensor([place for rows in places.values() for place in rows]).argsort().to(device)
    return [(count, torch.tensor(rows, device=device)) for count, rows in places.items()], order

"""The area term: how far a mask is from having exactly its ratio of ones."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor


def area_loss(masks: Tensor, ratios: Sequence[float], tie: Tensor | float = 0.0) -> Tensor:
    """Squared distance of the sorted masks from `ratio` ones followed by zeros. Li et al. 2021, eq. 6.

    Sorting is not needed: Σ (sort(m) − r)² = Σ m² + k − 2 · (sum of the k largest).

    Args:
        masks: [N, ...] in [0, 1].
        ratios: N shares of voxels to keep, in (0, 1).
        tie: voxels this near to the smallest kept one share its place, see `Settings.tie`; a number, or [N]. 0 is the
            equation.

    Returns:
        [N], mean over voxels, so it does not grow with the clip.
    """
    flat = masks.flatten(1)
    size = flat.shape[1]
    ones = [round(ratio * size) for ratio in ratios]
    with torch.no_grad():
        share = kept_share(flat, ones, tie)
        kept = share.sum(dim=1)
    return ((flat * (flat - 2 * share)).sum(dim=1) + kept) / size


def area_loss_per_frame(masks: Tensor, ratios: Sequence[float], tie: Tensor | float = 0.0) -> Tensor:
    """The area term with the same ratio in every frame, averaged over frames. Li et al. 2021, eq. 11.

    Args:
        masks: [N, T, H, W] in [0, 1].
        ratios: N shares.
        tie: a number, or [N].

    Returns:
        [N].
    """
    count, frames = masks.shape[:2]
    each = [ratio for ratio in ratios for _ in range(frames)]
    ties = tie.repeat_interleave(frames) if isinstance(tie, Tensor) else tie
    return area_loss(masks.flatten(0, 1), each, ties).view(count, frames).mean(dim=1)


def kept_share(values: Tensor, counts: Sequence[int], tie: Tensor | float = 0.0) -> Tensor:
    """Which are the largest of each row: 1 for them, 0 for the others; those within `tie` of the edge share the rest.

    Args:
        values: [N, n].
        counts: how many of each row to keep, at most n.
        tie: a number, or [N].

    Returns:
        [N, n]; each row adds up to its count.
    """
    near = torch.as_tensor(tie, device=values.device).expand(len(values))
    return by_count(counts, values.device, lambda rows, count: _share(values[rows], int(count), near[rows, None]))


def _share(values: Tensor, count: int, tie: Tensor) -> Tensor:
    if count == 0:
        return torch.zeros_like(values)
    edge = values.kthvalue(values.shape[1] - count + 1, dim=1, keepdim=True).values
    above, tied = values > edge + tie, (values - edge).abs() <= tie
    left = count - above.sum(dim=1, keepdim=True)
    return above + tied * (left / tied.sum(dim=1, keepdim=True))


def by_count(counts: Sequence[float], device: torch.device, work: Callable[[slice | Tensor, float], Tensor]) -> Tensor:
    """What `work` gives for all rows of one count together, put back into the rows' order.

    Counts stay in Python, and places on the device from one iteration to the next, so that no GPU is made to wait.

    Args:
        counts: N numbers.
        work: rows and their count to [rows, ...].

    Returns:
        [N, ...].
    """
    groups, order = _groups(tuple(counts), device)
    if len(groups) == 1:
        return work(slice(None), counts[0])
    return torch.cat([work(rows, count) for count, rows in groups])[order]


@lru_cache(maxsize=64)
def _groups(counts: tuple[float, ...], device: torch.device) -> tuple[list[tuple[float, Tensor]], Tensor]:
    """Each count with the places of its rows, and where each row stands in all these."""
    places: dict[float, list[int]] = {}
    for place, count in enumerate(counts):
        places.setdefault(count, []).append(place)
    order = torch.tensor([place for rows in places.values() for place in rows]).argsort().to(device)
    return [(count, torch.tensor(rows, device=device)) for count, rows in places.items()], order

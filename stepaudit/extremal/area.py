"""The area term: how far a mask is from having exactly its ratio of ones."""

import torch
from torch import Tensor


def area_loss(masks: Tensor, ratios: Tensor, tie: float = 0.0) -> Tensor:
    """Squared distance of the sorted masks from `ratio` ones followed by zeros. Li et al. 2021, eq. 6.

    Sorting is not needed: Σ (sort(m) − r)² = Σ m² + k − 2 · (sum of the k largest).

    Args:
        masks: [N, ...] in [0, 1].
        ratios: [N], shares of voxels to keep, in (0, 1).
        tie: voxels this near to the smallest kept one share its place, see `Settings.tie`; 0 is the equation.

    Returns:
        [N], mean over voxels, so it does not grow with the clip.
    """
    flat = masks.flatten(1)
    size = flat.shape[1]
    ones = [round(ratio * size) for ratio in ratios.tolist()]
    largest = torch.stack([top_sum(row, count, tie) for row, count in zip(flat, ones, strict=True)])
    return ((flat**2).sum(dim=1) + torch.tensor(ones, dtype=flat.dtype, device=flat.device) - 2 * largest) / size


def area_loss_per_frame(masks: Tensor, ratios: Tensor, tie: float = 0.0) -> Tensor:
    """The area term with the same ratio in every frame, averaged over frames. Li et al. 2021, eq. 11.

    Args:
        masks: [N, T, H, W] in [0, 1].
        ratios: [N].

    Returns:
        [N].
    """
    count, frames = masks.shape[:2]
    return area_loss(masks.flatten(0, 1), ratios.repeat_interleave(frames), tie).view(count, frames).mean(dim=1)


def top_sum(values: Tensor, count: int, tie: float = 0.0) -> Tensor:
    """Sum of the `count` largest of `values` [n]; those within `tie` of the edge share the rest of the count."""
    if count == 0:
        return values.sum() * 0
    with torch.no_grad():
        edge = values.kthvalue(len(values) - count + 1).values
        above, tied = values > edge + tie, (values - edge).abs() <= tie
        share = above + tied * ((count - above.sum()) / tied.sum())
    return (values * share).sum()

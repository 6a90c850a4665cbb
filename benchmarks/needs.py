"""What trained models need of clips: one search each, the same masks under other fills, and paired comparisons."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from stepaudit.extremal.answers import Answer
from stepaudit.extremal.crisp import crisp
from stepaudit.extremal.fills import Fills, measure_fills, target_probability
from stepaudit.extremal.perturbation import blend
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sweep import Snapshot
from stepaudit.layers import frozen
from stepaudit.methods import ep3d
from stepaudit.report.statistics import classes
from stepaudit.report.statistics.classes import Estimate


def asked(
    model: nn.Module,
    clip: Tensor,
    target: int,
    background: Tensor,
    *,
    own: int | None = None,
    start: int = 0,
    controls: bool = False,
) -> Answer:
    """Need of one clip [3, T, H, W] for a class, by the product's search; the arguments are those of `ep3d`."""
    return ep3d.sufficiency(
        model,
        clip[None],
        torch.tensor([target]),
        own=None if own is None else torch.tensor([own]),
        backgrounds=background[None],
        seed=start,
        controls=controls,
    )[0][0]


@torch.no_grad()
def reverified(model: nn.Module, clip: Tensor, target: int, answer: Answer, contents: dict[str, Tensor]) -> Answer:
    """The same masks, with the share that each keeps under other fills; they are not asked again with more shown.

    Args:
        clip: [3, T, H, W] in [0, 1].
        contents: fills of the clip by name, each [1, 3, T, H, W].
    """
    with frozen(model):
        fills = measure_fills(model, contents, torch.tensor([target]), torch.tensor([answer.reference]), 1)
        asks = fills.asking(0, fills.names)
        masks = answer.masks if asks else []
        shares = [_kept(model, clip, target, mask.snapshot, fills, asks) for mask in masks]
    again = [replace(mask, share=share, with_more=share) for mask, share in zip(masks, shares, strict=True)]
    return replace(answer, asks=[fills.names[place] for place in asks], masks=again)


def _kept(model: nn.Module, clip: Tensor, target: int, snapshot: Snapshot, fills: Fills, asks: Sequence[int]) -> float:
    geometry = replace(SmoothMax.of(*clip.shape[-2:]), padded=False)
    mask = crisp(geometry(snapshot.seed_masks[None].float()), [snapshot.ratio])
    levels = torch.stack([fills.chosen(asks, [0] * len(asks)), clip.expand(len(asks), *clip.shape)])
    shown = target_probability(model, blend(levels, mask.expand(len(asks), *mask.shape[1:])), _same(target, len(asks)))
    shares = [fills.share(place, 0, probability) for place, probability in zip(asks, shown.tolist(), strict=True)]
    return sum(shares) / len(shares)


def _same(target: int, count: int) -> Tensor:
    return torch.full((count,), target)


def difference(one: Sequence[Answer], other: Sequence[Answer], labels: Sequence[int]) -> Estimate:
    """Mean of log₂ G of one minus that of the other, over the clips that need something in both, as reports have it."""
    pairs = [
        (first - second, label)
        for first, second, label in zip(octaves(one), octaves(other), labels, strict=True)
        if first is not None and second is not None
    ]
    return classes.mean(np.array([value for value, _ in pairs]), np.array([label for _, label in pairs]))


def octaves(answers: Sequence[Answer]) -> list[float | None]:
    """log₂ G of each clip; None for those that need nothing."""
    return [answer.log2_area for answer in answers]


def spread(one: Sequence[Answer], other: Sequence[Answer]) -> float:
    """Standard deviation of log₂ G of a clip between two starts, octaves."""
    pairs = zip(octaves(one), octaves(other), strict=True)
    squares = [(first - second) ** 2 / 2 for first, second in pairs if first is not None and second is not None]
    return float(np.mean(squares) ** 0.5) if squares else float("nan")


def text(estimate: Estimate) -> str:
    """An estimate in octaves, with its interval, its p value and its clips."""
    if estimate.value is None or estimate.low is None:
        return f"not known ({estimate.clips} clips)"
    interval = f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
    return f"{interval}, p {estimate.p:.2g}, {estimate.clips} clips"


def two(value: float | None) -> str:
    """Two digits after the point; nothing if there is no value."""
    return "" if value is None else f"{value:.2f}"

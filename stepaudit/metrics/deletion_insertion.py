"""Deletion and insertion curves: the class's probability while a clip is emptied, or filled, in the map's order."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.errors import UsageError
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.layers import TUBELET, frozen
from stepaudit.metrics._masked_clip import MaskedClip, cached, content_hash
from stepaudit.metrics._peak import require_peak
from stepaudit.metrics._units import coming_first, grids_of, ranks_at_random, ranks_by_importance, whole_shares

ranges = {
    "shares": (0.0001, 1),
    "side": (0.001, 1),
    "frames": (1, 1_024),
    "random_orders": (0, 1_000),
    "blur_sigma": (0, 1_000),
    "at_once": (1, 1_024),
}


def score(
    importance: Tensor,
    clip: Tensor,
    model: nn.Module,
    target: int,
    *,
    fills: tuple[Literal["blur", "blur-pyramid", "fade", "freeze", "noise"], ...] = ("blur", "fade", "freeze"),
    units: tuple[Literal["pixels", "blocks", "tubelets"], ...] = ("pixels", "blocks", "tubelets"),
    shares: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5),
    side: float = 0.125,
    frames: int | None = None,
    random_orders: int = 2,
    blur_sigma: float | None = None,
    at_once: int = 16,
) -> dict[str, float]:
    """Softmax probability of the target against the share of units that left (deletion) or came (insertion).

    Deletion replaces the most important units by the fill first, insertion brings them into the fill first (Petsiuk et
    al. 2018, who change pixels of an image). A third curve, `random`, brings the units in at random: what it has left
    out at a share is what it has brought in at one minus the share, so that it serves both orders. It depends on no
    map, and is measured once for each clip while the model lives.

    With S points within a curve (7 by default) a map costs fills · (2 + 2 · units · S) passes through the model, and
    each clip another fills · units · random orders · S: by default 132 and 126.

    Args:
        importance: [T, H, W].
        clip: [3, T, H, W] in [0, 1].
        target: class index.
        fills: what stands in the place of units that are not seen: perturbations, each with curves of its own. `noise`
            shows every model a texture that it never saw.
        units: what leaves or comes at once: `pixels` of one frame, square `blocks` of one frame, or `tubelets`, blocks
            of several frames. Single pixels leave holes that no video has; a unit's importance is its pixels' mean.
        shares: of the units, where the probability is measured; each brings one minus itself with it, and 0 and 1 are
            always measured. The area is taken between the whole units that they are rounded to.
        side: of blocks and tubelets, as a share of the frame's shorter side; rounded so that whole ones fill a frame.
        frames: length of a tubelet, by default a quarter of the clip's, rounded so that whole ones fill the clip.
        random_orders: how many there are; their mean is the random curve.
        blur_sigma: of blurred fills, pixels; by default 20 for a shorter side of 112, and in proportion.
        at_once: clips in one call of the model.

    Returns:
        `<direction>.<fill>.<unit>.<share>` for each point of a curve, and `<direction>.<fill>.<unit>.auc` for the area
        under it (trapezoids), with `deletion`, `insertion` or `random` as direction.

    Raises:
        NoPeakError: the map is constant, so that it puts nothing first.
        NonFiniteError: a model's logits are NaN.
        UsageError: an option is out of its range.
    """
    length = max(1, round(TUBELET * clip.shape[1])) if frames is None else frames
    _check_options(fills, units, shares, side, min(length, random_orders, at_once))
    require_peak(importance)
    points, seed, grids = _shares_both_ways(shares), content_hash(clip), grids_of(clip.shape[1:], units, side, length)
    ranks = {unit: ranks_by_importance(importance.cpu(), grid, _generator(seed)) for unit, grid in grids.items()}
    values: dict[str, float] = {}
    with frozen(model), torch.no_grad():
        for fill in fills:
            masked = MaskedClip(model, clip, Perturbation(fill, blur_sigma).levels(clip[None])[0, 0], target, at_once)
            ends = masked.end_logits()
            key = (seed, fill, blur_sigma, target, at_once, *points, *ends.flatten().tolist())
            for unit, grid in grids.items():
                measure = partial(_curve_at_random, masked, grid, points, random_orders, seed)
                chance = cached(model, (*key, unit, side, length, random_orders), measure)
                curves = _curves(masked.target_probabilities(ends), _rank_curves(masked, ranks[unit], points), chance)
                values |= _named_points(f"{fill}.{unit}", points, whole_shares(grid, points), curves)
    return values


def _check_options(fills: Sequence, units: Sequence, shares: Sequence[float], side: float, least: int) -> None:
    if not (fills and units and shares):
        raise UsageError("options 'fills', 'units' and 'shares' of deletion_insertion: give each at least one value")
    if not all(0 < share < 1 for share in shares):
        raise UsageError(f"option 'shares' is {list(shares)}; set each above 0 and below 1")
    if not 0 < side <= 1 or least < 1:
        raise UsageError(
            "set 'side' above 0 and to 1 at most, and 'frames', 'random_orders' and 'at_once' to 1 or more"
        )


def _shares_both_ways(shares: Sequence[float]) -> list[float]:
    """Shares of a curve in ascending order: each requested share and one minus it."""
    return sorted({round(each, 6) for share in shares for each in (share, 1 - share)})


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _rank_curves(masked: MaskedClip, ranks: Tensor, points: Sequence[float]) -> tuple[list[float], list[float]]:
    """Probability without the units that come first, and with nothing but them, for each share of them."""
    first = coming_first(ranks, points)
    values = masked.probabilities([*(~mask for mask in first), *first])
    return values[: len(points)], values[len(points) :]


def _curve_at_random(masked: MaskedClip, grid: Tensor, points: Sequence[float], orders: int, seed: int) -> list[float]:
    """Mean probability, over random orders, with nothing but the units that come first, for each share of them."""
    ranks = [ranks_at_random(grid, _generator(seed + order)) for order in range(1, orders + 1)]
    values = masked.probabilities([mask for rank in ranks for mask in coming_first(rank, points)])
    return torch.tensor(values, dtype=torch.float64).view(orders, -1).mean(dim=0).tolist()


def _curves(
    ends: Sequence[float], by_rank: tuple[list[float], list[float]], chance: list[float]
) -> dict[str, list[float]]:
    """Whole curves, from the share 0 to the share 1, by direction; `ends` are the clip untouched, and filled."""
    untouched, filled = ends
    return {
        "deletion": [untouched, *by_rank[0], filled],
        "insertion": [filled, *by_rank[1], untouched],
        "random": [filled, *chance, untouched],
    }


def _named_points(
    part: str, points: Sequence[float], reached: Sequence[float], curves: dict[str, list[float]]
) -> dict[str, float]:
    """Each point of each curve, and the area under it, by the name of the part.

    Args:
        points: shares requested; they name the points.
        reached: the same in whole units, between which the area is taken.
    """
    shares = torch.tensor([0, *reached, 1], dtype=torch.float64)
    result: dict[str, float] = {}
    for direction, values in curves.items():
        named = {f"{share:g}": value for share, value in zip((0, *points, 1), values, strict=True)}
        area = torch.trapezoid(torch.tensor(values, dtype=torch.float64), shares).item()
        named["auc"] = min(1.0, area)  # rounding may lift it above 1
        result |= {f"{direction}.{part}.{name}": value for name, value in named.items()}
    return result


def passes(
    size: tuple[int, int, int],
    *,
    fills: tuple[str, ...] = ("blur", "fade", "freeze"),
    units: tuple[str, ...] = ("pixels", "blocks", "tubelets"),
    shares: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5),
    random_orders: int = 2,
    **_options: object,
) -> int:
    """Forward passes of the model for a map, random orders among them."""
    points = len(_shares_both_ways(shares))
    return len(fills) * (2 + len(units) * points * (2 + random_orders))

"""Tokens of transformers: their places in a clip, and relevance that attention carries from one to another.

Relevance [N, L] goes from the answer back to the clip: through attention with weights [N, queries, keys] the keys get
what their queries had, beside what they have as tokens of the residual stream. Chefer et al. 2021, eq. 6.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

Grid = Sequence[int]  # tokens in time, rows and columns


def joint(weights: Sequence[Tensor], count: int) -> Tensor:
    """Relevance [N, L] of tokens that attend to each other in all layers.

    It starts at the class token, if there is one more than `count`; at the queries of a last attention that pools the
    tokens, if there is one; else at all tokens alike.
    """
    layers, length = list(weights), weights[0].shape[-1]
    if layers[-1].shape[1] != length:
        relevance = layers.pop().mean(dim=1)
    elif length > count:
        relevance = torch.eye(length).to(layers[0])[:1]
    else:
        relevance = layers[0].new_full((1, length), 1 / length)
    for layer in reversed(layers):
        relevance = carried(relevance, layer)
    return relevance


def divided(weights: Sequence[Tensor], grid: Grid) -> Tensor:
    """Relevance [1, t, h, w] to the class token of attention in time, then in space, in turn. Bertasius et al. 2021.

    Args:
        weights: of each layer [h · w, t, t], then, with the class token in each frame, [t, 1 + h · w, 1 + h · w].
    """
    frames, places = grid[0], prod(grid[1:])
    own, rest = weights[0].new_ones(1), weights[0].new_zeros(frames, places)
    for in_time, in_space in reversed(list(zip(weights[::2], weights[1::2], strict=True))):
        moved = pulled(torch.cat([own.expand(frames, 1) / frames, rest], dim=1), in_space)
        own, rest = own + moved[:, 0].sum(), rest + moved[:, 1:]
        rest = carried(rest.T, in_time).T
    return rest.unflatten(1, grid[1:])[None]


def carried(relevance: Tensor, weights: Tensor) -> Tensor:
    """Relevance [N, L] of tokens before attention among them with weights [N, L, L]."""
    return relevance + pulled(relevance, weights)


def pulled(relevance: Tensor, weights: Tensor) -> Tensor:
    """Relevance [N, keys] that attention takes to its keys from its queries' [N, queries]."""
    return (relevance[:, None] @ weights)[:, 0]


def spread(relevance: Tensor, grid: Grid) -> Tensor:
    """Relevance [N, t, h, w] in equal parts to the tokens of a finer grid that each token was pooled from."""
    for axis, count in enumerate(grid, start=1):
        coarse = relevance.shape[axis]
        places = torch.arange(count, device=relevance.device) * coarse // count
        shares = torch.bincount(places, minlength=coarse).to(relevance)[places]
        shape = [-1 if axis == each else 1 for each in range(relevance.ndim)]
        relevance = relevance.index_select(axis, places) / shares.view(shape)
    return relevance


def windowed(values: Tensor, window: Grid, shift: Grid) -> Tensor:
    """Values [N, t, h, w], padded with 0 and shifted, in windows: [N · windows, tokens of a window]."""
    t, h, w = values.shape[1:]
    (a, b, c), (tp, hp, wp) = window, _padded_grid((t, h, w), window)
    padded = torch.nn.functional.pad(values, (0, wp - w, 0, hp - h, 0, tp - t))
    shifted = padded.roll([-each for each in shift], dims=(1, 2, 3))
    split = shifted.reshape(len(values), tp // a, a, hp // b, b, wp // c, c)
    return split.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, a * b * c)


def unwindowed(values: Tensor, grid: Grid, window: Grid, shift: Grid) -> Tensor:
    """The reverse of `windowed`: [N · windows, tokens of a window] to [N, *grid]."""
    (t, h, w), (a, b, c), (tp, hp, wp) = grid, window, _padded_grid(grid, window)
    split = values.reshape(-1, tp // a, hp // b, wp // c, a, b, c).permute(0, 1, 4, 2, 5, 3, 6)
    return split.reshape(-1, tp, hp, wp).roll(list(shift), dims=(1, 2, 3))[:, :t, :h, :w]


def _padded_grid(grid: Grid, window: Grid) -> tuple[int, ...]:
    """The smallest grid of whole windows that holds a grid."""
    return tuple(-(-count // side) * side for count, side in zip(grid, window, strict=True))

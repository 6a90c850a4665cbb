"""Occlusion: fall of the class's probability when a tubelet of the clip is hidden. Zeiler and Fergus 2014."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.layers import TUBELET, frozen
from stepaudit.maps import Maps
from stepaudit.methods._fill import filling, masked_log_probabilities
from stepaudit.methods._options import at_least_one, share
from stepaudit.methods._scale import rectified, scaled

ranges = {
    "frames": (1, 1_024),
    "side": (0.001, 1),
    "stride": (0.001, 1),
    "blur_sigma": (0, 1_000),
    "at_once": (1, 1_024),
}
explains_change = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    frames: int | None = None,
    side: float = 0.25,
    stride: float = 0.5,
    fill: Literal["black", "blur", "fade", "freeze"] = "fade",
    blur_sigma: float | None = None,
    score: Literal["probability", "log_probability"] = "probability",
    at_once: int = 8,
) -> Maps:
    """The mean fall over all tubelets that hide a place, rectified, scaled to a maximum of 1 in each clip.

    Tubelets begin and end at the borders of cells as long as the stride, so that the map is constant within a cell:
    the grid holds the cells. Sizes that do not divide the clip are rounded to whole cells, and cells to whole pixels.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        frames: length of a tubelet; by default a quarter of the clip's.
        side: height and width of a tubelet, in shares of the frame's.
        stride: from a tubelet to the next, in shares of its length, height and width; 1 leaves no overlap.
        fill: what stands in the tubelet's place: the clip's mean colour (`fade`, the paper's grey), `black`, the
            blurred clip (`blur`), or its mean frame (`freeze`, which hides motion alone).
        blur_sigma: of the fill `blur`, pixels; by default 20 for a shorter side of 112, and in proportion.
        score: what falls: the class's probability (the paper) or its logarithm.
        at_once: hidden clips in one call of the model.
    """
    at_least_one(frames=1 if frames is None else frames, at_once=at_once)
    share(side=side, stride=stride)
    size = clips.shape[-3:]
    tubelets = _tubelets(size, _tubelet_extent(size, frames, side), stride).to(clips)
    masks = 1 - torch.cat([torch.zeros_like(tubelets[:1]), tubelets])  # the first one hides nothing
    fills, name = filling(clips, fill, blur_sigma)
    importance = []
    with frozen(model), torch.no_grad():
        for row in zip(clips, fills, targets, strict=True):
            parts = (functional.interpolate(part[:, None], size)[:, 0] for part in masks.split(at_once))
            values = masked_log_probabilities(model, *row, parts)
            values = values if score == "log_probability" else values.exp()
            importance.append(torch.tensordot(values[0] - values[1:], tubelets, 1) / tubelets.sum(dim=0))
    return Maps(scaled(rectified(torch.stack(importance))), "nearest", size, {"perturbation": name})


def _tubelet_extent(size: tuple[int, ...], frames: int | None, side: float) -> tuple[float, float, float]:
    """Frames, height and width of a tubelet."""
    return TUBELET * size[0] if frames is None else frames, side * size[1], side * size[2]


def _tubelets(size: tuple[int, ...], extent: tuple[float, float, float], stride: float) -> Tensor:
    """1 in the cells that each tubelet hides, in all places. [M, t, h, w]."""
    axes = [_intervals(*pair, stride) for pair in zip(size, extent, strict=True)]
    return torch.einsum("at,bh,cw->abcthw", *axes).flatten(0, 2)


def _intervals(size: int, extent: float, stride: float) -> Tensor:
    """Places of an interval of `extent` pixels on an axis of `size`, in cells of stride × extent. [places, cells]."""
    cells = min(size, max(1, round(size / (extent * stride))))
    span = min(cells, max(1, round(extent * cells / size)))
    return torch.ones(cells - span + 1, cells).triu().tril(span - 1)


def passes(
    size: tuple[int, ...], *, frames: int | None = None, side: float = 0.25, stride: float = 0.5, **_options: object
) -> int:
    """Forward passes of the model for a row, clips of a size [T, H, W]: one a tubelet, and one for the clip."""
    return 1 + len(_tubelets(size, _tubelet_extent(size, frames, side), stride))

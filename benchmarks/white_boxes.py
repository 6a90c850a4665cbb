"""White boxes: models of which it is known how little of a clip they need, and what the search finds of it."""

import math
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from stepaudit.extremal.answers import LEVELS, Answer
from stepaudit.layers import without_gradient
from stepaudit.methods import ep3d, ep3d_evenly, step

SLOPE = 12.0  # of the logit, from no evidence to all of it
BLOCKS = 4  # pixels of a block of texture
FORWARD = "forward passes alone"
METHODS = {"ep3d": ep3d, "step": step, "ep3d_evenly": ep3d_evenly}
SIZES = {(side, frames): (0, 1) if side == 48 else (0,) for side in (48, 112, 172) for frames in (8, 16, 32)}  # starts


class WhiteBox(nn.Module):
    """Two classes; evidence of the second is how much of one clip's texture stands in some places.

    Args:
        clip: [3, T, H, W], whose values are all equally far from 0.5.
        places: P places [P, T, H, W] of ones and zeros.
        either: one of the places suffices; otherwise all are needed, each by its size.
    """

    def __init__(self, clip: Tensor, places: Tensor, either: bool = False):
        super().__init__()
        self.clip, self.places, self.either = clip, places.float(), either

    def forward(self, clips: Tensor) -> Tensor:
        lost = ((clips - self.clip) ** 2).sum(dim=1)[:, None] * self.places
        whole = ((self.clip - 0.5) ** 2).sum(dim=0) * self.places
        there = 1 - lost.sum(dim=(2, 3, 4)) / whole.sum(dim=(1, 2, 3))
        evidence = there.mul(20).logsumexp(dim=1) / 20 if self.either else there.mean(dim=1)
        logit = SLOPE * (evidence - 0.5)
        return torch.stack([-logit / 2, logit / 2], dim=1)

    def needed(self, level: float, answer: Answer) -> float:
        """Share of the clip of the smallest set of voxels that keeps a level over a grey clip, by arithmetic."""
        on_fill = answer.fill_probabilities["grey"]
        kept = on_fill + level * (answer.probability - on_fill)
        evidence = math.log(kept / (1 - kept)) / SLOPE + 0.5
        voxels = self.places.flatten(1).mean(dim=1)
        return evidence * (voxels.mean() if self.either else voxels.sum()).item()


def texture(frames: int, side: int, seed: int) -> Tensor:
    """A clip of blocks whose channels are 0.2 or 0.8, [3, T, side, side]."""
    coarse = torch.rand(
        frames, 3, side // BLOCKS + 1, side // BLOCKS + 1, generator=torch.Generator().manual_seed(seed)
    )
    return (interpolate((coarse > 0.5).float(), size=(side, side)) * 0.6 + 0.2).transpose(0, 1)


def boxes(frames: int, side: int) -> dict[str, tuple[Tensor, bool]]:
    """Places of evidence [P, T, side, side] by name, and whether either of them suffices."""
    eighth, quarter, half = side // 8, side // 4, side // 2

    def box(share: float, length: int, first: int, top: int, left: int) -> Tensor:
        length, first = max(1, length * frames // 16), first * frames // 16
        edge = round((share * frames / length) ** 0.5 * side)
        place = torch.zeros(frames, side, side)
        place[first : first + length, top : top + edge, left : left + edge] = 1
        return place

    corners = ((0, eighth, eighth), (10, half, half), (4, eighth, half), (8, half, eighth))
    return {
        "0.5 % in 2 of 16 frames": (box(0.005, 2, 5, quarter, quarter)[None], False),
        "2 % in 4": (box(0.02, 4, 4, quarter, quarter)[None], False),
        "5 % in 8": (box(0.05, 8, 4, quarter, quarter)[None], False),
        "10 % in all": (box(0.10, 16, 0, quarter, quarter)[None], False),
        "20 % in half": (box(0.20, 8, 4, eighth, eighth)[None], False),
        "two of 3 %, either": (torch.stack([box(0.03, 4, *corner) for corner in corners[:2]]), True),
        "four of 1 %, all": (torch.stack([box(0.01, 4, *corner) for corner in corners]), False),
        "two frames far apart": (torch.stack([box(0.01, 1, first, quarter, quarter) for first in (2, 13)]), False),
    }


def white_box(name: str, frames: int, side: int) -> WhiteBox:
    """The model of some places in the clip of this size."""
    places, either = boxes(frames, side)[name]
    return WhiteBox(texture(frames, side, 3), places, either).eval()


def found(model: WhiteBox, method: str = "ep3d", start: int = 0) -> Answer:
    """Answer of the search for the model's clip."""
    frames, side = model.clip.shape[1:3]
    backgrounds = texture(frames, side, 9)[None]
    clips, targets = model.clip[None], torch.tensor([1])
    return METHODS[method].sufficiency(model, clips, targets, backgrounds=backgrounds, seed=start)[0][0]


def found_without_gradients(model: WhiteBox) -> Answer:
    """Answer of the search by forward passes alone."""
    with without_gradient(model):
        return found(model)


def white_boxes() -> list[str]:
    """Measured needs as multiples of the true ones."""
    lines = [
        "What a clip needs as the search finds it, in multiples of the truth: a*(0.9) of each start, and the",
        "geometric mean over levels (G). A border of a mask shows voxels in part, so that values a little below 1",
        "are possible; masks are verified after moves by 4 % of the side, so that a place of a few pixels costs more.",
        "`ep3d_evenly` has to show as much in every frame as in any other: for evidence in few frames it needs more.",
        f"`{FORWARD}` is the search where no gradient reaches the clip; its masks have borders on the grid of seeds.",
        "",
        "| pixels, frames | method | evidence | a*(0.9) | below it, what fails | G | passes |",
        "|---|---|---|---|---|---|---|",
    ]
    for (side, frames), starts in SIZES.items():
        lines += [_line(side, frames, "ep3d", name, starts) for name in boxes(frames, side)]
    for method in ("step", "ep3d_evenly"):
        lines += [_line(48, 16, method, name, (0,)) for name in boxes(16, 48)]
    for side, frames in ((48, 16), (112, 16)):
        lines += [_without_gradients(side, frames, name) for name in boxes(frames, side)]
    return lines


def _without_gradients(side: int, frames: int, name: str) -> str:
    model = white_box(name, frames, side)
    return _cells(model, side, frames, FORWARD, name, [found_without_gradients(model)])


def _line(side: int, frames: int, method: str, name: str, starts: Sequence[int]) -> str:
    model = white_box(name, frames, side)
    answers = [found(model, method, start) for start in starts]
    return _cells(model, side, frames, method, name, answers)


def _cells(model: WhiteBox, side: int, frames: int, method: str, name: str, answers: Sequence[Answer]) -> str:
    upper = [_times(answer.upper(0.9), model.needed(0.9, answer)) for answer in answers]
    lower = [_times(answer.lower(0.9), model.needed(0.9, answer)) for answer in answers]
    octaves = [(answer.log2_area or 0) - _log2_needed(model, answer) for answer in answers]
    ends, passes = map(" / ".join, (upper, lower)), max(answer.passes for answer in answers)
    cells = [f"{side}, {frames}", method, name, *ends, f"{2 ** median(octaves):.2f}", f"{passes:.0f}"]
    return "| " + " | ".join(cells) + " |"


def _times(value: float | None, truth: float) -> str:
    return "open" if value is None else f"{value / truth:.2f}"


def _log2_needed(model: WhiteBox, answer: Answer, levels: Sequence[float] = LEVELS) -> float:
    return sum(math.log2(model.needed(level, answer)) for level in levels) / len(levels)

"""Further readings of white boxes: the fewest frames, the smallest tube and disjoint pieces beside the truth."""

import torch
from torch import Tensor

from benchmarks.white_boxes import WhiteBox, boxes, texture, white_box
from stepaudit.extremal.answers import Answer
from stepaudit.extremal.readings import LEVEL, READ
from stepaudit.methods import ep3d

SIDE, FRAMES = 48, 16
ROUNDING = 1e-3  # evidence of exactly a half may fall on either side


def readings() -> list[str]:
    """Readings of the white boxes, beside what arithmetic says."""
    lines = [
        f"Clips of {FRAMES} frames of {SIDE} px, EP-3D. Frames: the fewest found, in brackets the greatest number of",
        "which every choice was ruled out (one less: proven). Tube: share of the picture, in multiples of the truth.",
        "",
        "| evidence | frames | in truth | tube | below it, what fails | pieces | in truth | passes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return lines + [_line(name) for name in boxes(FRAMES, SIDE)]


def _line(name: str) -> str:
    model = white_box(name, FRAMES, SIDE)
    backgrounds, target = texture(FRAMES, SIDE, 9)[None], torch.tensor([1])
    answer = ep3d.sufficiency(model, model.clip[None], target, backgrounds=backgrounds, readings=list(READ))[0][0]
    found, picture = answer.readings, SIDE**2
    pixels = _fewest(model, answer, (1,))
    tube, fails = (found.tube or 1) * picture / pixels, (found.tube_lower or 0) * picture / pixels
    frames = f"{len(found.frames or [])} ({found.frames_lower})"
    pieces = [found.pieces, len(model.places) if model.either else 1]
    cells = [
        name,
        frames,
        _fewest(model, answer, (2, 3)),
        f"{tube:.2f}",
        f"{fails:.2f}",
        *pieces,
        f"{found.passes:.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _fewest(model: WhiteBox, answer: Answer, dims: tuple[int, ...]) -> int:
    """The fewest parts of the clip with enough evidence; what they hold along `dims` of [P, T, H, W] is shown whole."""
    voxels = model.places.flatten(1).mean(dim=1)
    needed = model.needed(LEVEL, answer) / (voxels.mean() if model.either else voxels.sum()).item()
    shares = model.places.sum(dim=dims).flatten(1) / model.places.flatten(1).sum(dim=1, keepdim=True)
    options = shares if model.either else shares.mean(dim=0, keepdim=True)
    return min(_count(parts, needed) for parts in options)


def _count(parts: Tensor, needed: float) -> int:
    """The number of the greatest parts that add up to what is needed."""
    return int((parts.sort(descending=True).values.cumsum(dim=0) < needed - ROUNDING).sum()) + 1

"""Schedules on a pretrained network and real clips (see real_network.py), at the paper's size and a larger one."""

import sys

import torch

from benchmarks.audits import Case
from benchmarks.real_network import data_of, is_here, pretrained
from benchmarks.schedules import METHOD, NOISE, PRESET, RATIO, agreement, differences, quality, seed_masks
from stepaudit.extremal.settings import settings

SIDES, CLIPS = (112, 172), 8
SCHEDULES = ("paper", "fast", "short")


def real_schedules() -> list[str]:
    """Each schedule at each size, as differences to `paper`, clip by clip."""
    if not is_here():
        return []
    lines = [
        f"EfficientNet-Lite0 of ImageNet, frozen, with an LSTM trained on six classes of UCF101, 8 frames; {METHOD},",
        f"preset `{PRESET}`, ratio {RATIO}, {CLIPS} clips of groups that were not trained on. As in the table above;",
        "agreement with `paper`, and of two starts (of `paper` not measured, for its time): median soft IoU.",
        "",
        "| size | schedule | passes | Δ energy, % | Δ kept | Δ kept, hard | Δ area error | with `paper` | two starts |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for side in SIDES:
        for line in _at(side):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            lines.append(line)
    return lines


def _at(side: int) -> list[str]:
    data = data_of(side)
    model = pretrained(data, side)
    with torch.no_grad():
        right = torch.cat([model(clip[None]) for clip in data.tested]).argmax(dim=1) == data.tested_targets
    rows = right.nonzero()[:, 0][:: max(1, int(right.sum()) // CLIPS)][:CLIPS]  # of all classes
    case = Case(f"{side} px", model, data.tested[rows], data.tested_targets[rows])
    lines, reference = [], None
    for schedule in SCHEDULES:
        chosen = settings(METHOD, PRESET, schedule, None)
        seeds = seed_masks(case, chosen, 0.0)
        masks = quality(case, seeds)
        reference = reference or (masks, seeds)
        cells = [case.name, schedule, chosen.calls, *differences(masks, reference[0])]
        same = "" if schedule == "paper" else f"{agreement(case, seeds, reference[1]):.2f}"
        starts = "" if schedule == "paper" else f"{agreement(case, seeds, seed_masks(case, chosen, NOISE)):.2f}"
        lines.append("| " + " | ".join(map(str, [*cells, same, starts])) + " |")
    return lines

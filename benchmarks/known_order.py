"""Trained models of which it is known which needs more of a clip, and what the comparison of the product says."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from benchmarks.needs import difference, octaves, spread, text, two
from stepaudit.extremal.answers import Answer
from stepaudit.methods import ep3d
from stepaudit.report.statistics import classes
from stepaudit.report.statistics.intervals import holm

FRAMES, SIDE, PATCH, CLASSES = 8, 24, 8, 4
BLOCKS = 4  # in time and in both directions of the picture
TRAINED, EPOCHS, BATCH, RATE = 160, 14, 16, 6e-3
TESTED, CLIPS_A_CLASS = 60, 3
BASES = ("base", "base, trained again", "base, trained a third time")  # with seeds 0, 1, 2
SAMPLES = 2000


class Story(nn.Module):
    """Logits of each frame by three convolutions and a maximum over the picture; the mean over some frames."""

    def __init__(self, frames: slice = slice(None)):
        super().__init__()
        self.frames = frames
        layers: list[nn.Module] = []
        for before, after, kernel in ((3, 12, 5), (12, 24, 3), (24, 32, 3)):
            layers += [nn.Conv2d(before, after, kernel, 2, kernel // 2), nn.BatchNorm2d(after), nn.ReLU()]
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(32, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        frames = clips[:, :, self.frames].transpose(1, 2)
        maps = self.features(frames.flatten(0, 1) - 0.5)
        return self.classifier(maps.amax(dim=(2, 3))).unflatten(0, frames.shape[:2]).mean(dim=1)


class Ensemble(nn.Module):
    """Logarithm of the mean probability of some models."""

    def __init__(self, models: list[nn.Module]):
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, clips: Tensor) -> Tensor:
        return torch.stack([model(clips).softmax(dim=1) for model in self.models]).mean(dim=0).log()


@dataclass(frozen=True)
class Planted:
    """Clips [N, 3, T, H, W], their classes [N], and the voxels of the class's patch [N, T, H, W]."""

    clips: Tensor
    targets: Tensor
    places: Tensor


def planted(count: int, seed: int) -> Planted:
    """Clips of a patch of stripes that moves over a soft coloured ground; its pattern is the class."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % CLASSES
    grounds = interpolate(torch.rand(count, 3, 4, 4, generator=generator), size=(SIDE, SIDE), mode="bicubic")
    clips = (0.25 + 0.5 * grounds.clamp(0, 1))[:, :, None].repeat(1, 1, FRAMES, 1, 1)
    places = torch.zeros(count, FRAMES, SIDE, SIDE, dtype=torch.bool)
    ends = torch.rand(count, 2, 2, generator=generator) * (SIDE - PATCH)
    for row, target in enumerate(targets.tolist()):
        for frame in range(FRAMES):
            top, left = ends[row, 0].lerp(ends[row, 1], frame / (FRAMES - 1)).round().int().tolist()
            where = (frame, slice(top, top + PATCH), slice(left, left + PATCH))
            clips[(row, slice(None), *where)] = patterns()[target]
            places[(row, *where)] = True
    clips += 0.03 * torch.randn(clips.shape, generator=generator)
    return Planted(clips.clamp(0, 1), targets, places)


def patterns() -> Tensor:
    """Stripes across, down, and along both diagonals, [CLASSES, PATCH, PATCH]."""
    down, across = torch.meshgrid(torch.arange(PATCH), torch.arange(PATCH), indexing="ij")
    phases = torch.stack([2 * down, 2 * across, down + across, down - across + PATCH])
    return (phases // 4 % 2).float() * 0.8 + 0.1


def whole(data: Planted, rows: Tensor) -> Tensor:
    """The clips as they are."""
    return data.clips[rows]


def half_hidden(data: Planted, rows: Tensor) -> Tensor:
    """The patch is replaced by grey in half of the frames, which are drawn for each clip."""
    ranks = torch.rand(len(rows), FRAMES).argsort(dim=1)
    hidden = ranks < FRAMES // 2
    return torch.where((data.places[rows] & hidden[..., None, None])[:, None], 0.5, data.clips[rows])


def dropped_blocks(data: Planted, rows: Tensor) -> Tensor:
    """About half of the clip's blocks are grey."""
    kept = (torch.rand(len(rows), 1, BLOCKS, BLOCKS, BLOCKS) < 0.5).float()
    return torch.where(interpolate(kept, size=(FRAMES, SIDE, SIDE)) > 0, data.clips[rows], 0.5)


# What was expected of log₂ G, minus that of the base, before anything was trained: -1 less, 0 not different, 1 more.
EXPECTED = {
    "base, other start": (0, "the same: it is the same model"),
    "base, trained again": (0, "the same: only the seed of the training differs"),
    "base, trained a third time": (0, "the same"),
    "half hidden in training": (-1, "less: it learned to be sure of half of the frames"),
    "dropped blocks": (-1, "less: it learned to be sure of parts (of images: more, Carter et al. 2020)"),
    "ensemble of three": (1, "more: a piece has to convince all three (Carter et al. 2020)"),
    "single frame": (-1, "far less: one frame counts"),
}
VERDICTS = {-1: "less", 0: "no clear difference", 1: "more"}


def trained(
    data: Planted, seed: int, show: Callable[[Planted, Tensor], Tensor] = whole, frames: slice = slice(None)
) -> Story:
    """A model trained on clips as one of the functions above shows them."""
    torch.manual_seed(seed)
    model = Story(frames)
    chosen = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    steps = EPOCHS * (len(data.targets) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(chosen, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(data.targets)).split(BATCH):
            chosen.zero_grad()
            cross_entropy(model(show(data, rows)), data.targets[rows], label_smoothing=0.05).backward()
            chosen.step()
            schedule.step()
    return model.eval()


def known_order() -> list[str]:
    """Differences of models to the base, as expected and as they came out."""
    data, tested = planted(TRAINED, 0), planted(TESTED, 1)
    models = _models(data)
    right = {name: _is_right(model, tested) for name, model in models.items()}
    rows = _chosen(torch.stack(list(right.values())).all(dim=0), tested.targets)
    found = {name: _ask(model, tested, rows, 0) for name, model in models.items()}
    bases = [found[name] for name in BASES]
    again = [_ask(models[name], tested, rows, 1) for name in BASES]
    labels = tested.targets[rows].tolist()
    shares = "; ".join(f"{name} {int(each.sum())}" for name, each in right.items())
    volume = 100 * tested.places[rows].float().mean().item()
    return [
        f"Narrow networks on generated clips of {FRAMES} frames of {SIDE} px. A patch of {PATCH} px moves over a soft",
        f"ground, {volume:.1f} % of the clip; its stripes are the class. The base takes the mean over all frames.",
        f"Expectations were written before anything was trained. Of {TESTED} clips these are right: {shares}.",
        f"Asked are {len(rows)} that all have right. p after Holm over the table.",
        "",
        "| model | expected | G, % | log₂ G minus that of the base (95 %) | Holm's p | came out |",
        "|---|---|---|---|---|---|",
        *_table({"base": bases[0], "base, other start": again[0]} | found, labels),
        "",
        *_starts(bases, again, labels),
    ]


def _models(data: Planted) -> dict[str, nn.Module]:
    """The models by name, the bases first."""
    bases: dict[str, nn.Module] = {name: trained(data, seed) for seed, name in enumerate(BASES)}
    return bases | {
        "half hidden in training": trained(data, 0, half_hidden),
        "dropped blocks": trained(data, 0, dropped_blocks),
        "ensemble of three": Ensemble(list(bases.values())).eval(),
        "single frame": trained(data, 0, frames=slice(FRAMES // 2, FRAMES // 2 + 1)),
    }


def _is_right(model: nn.Module, data: Planted) -> Tensor:
    with torch.no_grad():
        return model(data.clips).argmax(dim=1) == data.targets


def _chosen(right: Tensor, targets: Tensor) -> list[int]:
    """The first right clips of each class."""
    by_class = [(right & (targets == each)).nonzero()[:CLIPS_A_CLASS, 0] for each in range(CLASSES)]
    return torch.cat(by_class).tolist()


def _ask(model: nn.Module, data: Planted, rows: list[int], start: int) -> list[Answer]:
    backgrounds = data.clips[[(row + 1) % len(data.clips) for row in rows]]
    answers, _ = ep3d.sufficiency(model, data.clips[rows], data.targets[rows], backgrounds=backgrounds, seed=start)
    sys.stdout.write(f"{type(model).__name__}, start {start}: {' '.join(map(two, octaves(answers)))}\n")
    sys.stdout.flush()
    return answers


def _table(found: dict[str, list[Answer]], labels: list[int]) -> list[str]:
    """A line for each model; clips that need nothing do not count."""
    base = found["base"]
    estimates = {name: difference(found[name], base, labels) for name in EXPECTED}
    adjusted = holm(np.array([np.nan if each.p is None else each.p for each in estimates.values()]))
    lines = [f"| base | | {_percent(base)} | | | |"]
    for (name, estimate), p in zip(estimates.items(), adjusted.tolist(), strict=True):
        sign, why = EXPECTED[name]
        came_out = verdict(estimate.value, p)
        cells = [name, why, _percent(found[name]), text(estimate), f"{p:.2g}"]
        agrees = "as expected" if came_out == sign else "**not as expected**"
        lines.append(f"| {' | '.join(cells)} | {VERDICTS[came_out]}, {agrees} |")
    return lines


def verdict(value: float | None, p: float) -> int:
    """-1 or 1, the sign of a difference whose test is clear; 0 if it is not, or not known."""
    return 0 if value is None or not p < 0.05 else int(np.sign(value))


def _percent(answers: list[Answer]) -> str:
    known = [value for value in octaves(answers) if value is not None]
    nothing = f", {len(answers) - len(known)} need nothing" if len(known) < len(answers) else ""
    return f"{100 * 2 ** np.mean(known):.2f}{nothing}" if known else "all need nothing"


def _starts(bases: list[list[Answer]], again: list[list[Answer]], labels: list[int]) -> list[str]:
    """Spread between two starts of one model, and how often a model is called different from itself."""
    spreads = [f"{spread(one, other):.2f}" for one, other in zip(bases, again, strict=True)]
    own = [text(difference(one, other, labels)) for one, other in zip(bases, again, strict=True)]
    retrained = [text(difference(one, other, labels)) for one, other in combinations(bases, 2)]
    pairs = [
        pair for one, other in zip(bases, again, strict=True) for pair in zip(octaves(one), octaves(other), strict=True)
    ]
    found = [one - other for one, other in pairs if one is not None and other is not None]
    listed = ", ".join(spreads)
    return [
        f"Three trainings of the base, two starts each: standard deviation of log₂ G between starts {listed}",
        f"octaves. One start minus the other: {'; '.join(own)}. One training minus another: {'; '.join(retrained)}.",
        f"Of {SAMPLES} samples of {len(labels)} of these {len(found)} differences between starts, with random signs,",
        f"{100 * false_alarms(np.array(found), np.array(labels)):.1f} % were called different at p < 0.05.",
    ]


def false_alarms(differences: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples of differences with random signs, whose mean is 0, that a test calls different from 0."""
    random = np.random.default_rng(0)
    samples = (random.choice(differences, len(labels)) * random.choice([-1, 1], len(labels)) for _ in range(SAMPLES))
    return float(np.mean([(classes.mean(sample, labels).p or 0) < 0.05 for sample in samples]))

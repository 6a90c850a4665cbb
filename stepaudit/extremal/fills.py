"""Fills: what a clip shows where a mask hides it, such as its blur, and the model's answers to the fill alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stepaudit.errors import NonFiniteError
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.layers import gaussian_blur

SEARCH = ("blur", "mean-colour", "grey")
VERIFY = ("half-blur", "background")
MIN_GAIN = 0.1  # least probability that the clip must add to that on a fill


@dataclass(frozen=True)
class Fills:
    """The fills of N clips, and the probabilities between which a mask's share is measured.

    Args:
        names: F of `SEARCH` and `VERIFY`.
        clips: F fills, each [N, 3, T, H, W] in [0, 1].
        probabilities: F lists of the target's probability on the fill alone, [N].
        reference: [N], the probability that counts as the whole: that of the clip's own class on the clip.
    """

    names: tuple[str, ...]
    clips: tuple[Tensor, ...]
    probabilities: list[list[float]]
    reference: list[float]

    def asking(self, row: int, names: Sequence[str]) -> list[int]:
        """Indices of the named fills over which the clip of a row adds at least `MIN_GAIN` to the probability."""
        gains = [self.reference[row] - on_fill[row] for on_fill in self.probabilities]
        return [place for place, name in enumerate(self.names) if name in names and gains[place] >= MIN_GAIN]

    def share(self, place: int, row: int, probability: float) -> float:
        """Share that is kept of what the clip adds to its fill: (p − p₀) / (p₁ − p₀), in [0, 1]."""
        on_fill = self.probabilities[place][row]
        return min(max((probability - on_fill) / max(self.reference[row] - on_fill, MIN_GAIN), 0.0), 1.0)

    def chosen(self, places: Sequence[int], rows: Sequence[int]) -> Tensor:
        """The fill of each row, by its index in `clips`, [n, 3, T, H, W]."""
        return torch.stack([self.clips[place][row] for place, row in zip(places, rows, strict=True)])


def fills_of(clips: Tensor, backgrounds: Tensor | None, blur_sigma: float | None = None) -> dict[str, Tensor]:
    """Fills of clips by name, each [N, 3, T, H, W].

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        backgrounds: [N, 3, T, H, W], for each clip another one, whose blurred version is the fill `background`; without
            them there is no such fill.
        blur_sigma: pixels; by default 20 for a shorter side of 112, and in proportion.
    """
    sigma = Perturbation("blur", blur_sigma).sigma_of(*clips.shape[-2:])
    fills = {
        "blur": gaussian_blur(clips, sigma),
        "mean-colour": clips.mean(dim=(2, 3, 4), keepdim=True).expand_as(clips),
        "grey": torch.full_like(clips, 0.5),
        "half-blur": gaussian_blur(clips, sigma / 2),
    }
    return fills if backgrounds is None else {**fills, "background": gaussian_blur(backgrounds, sigma)}


@torch.no_grad()
def measure_fills(
    model: nn.Module, fills: dict[str, Tensor], targets: Tensor, reference: Tensor, at_once: int
) -> Fills:
    """The fills with the target's probability on each.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        fills: by name, each [N, 3, T, H, W].
        targets: [N] class indices.
        reference: [N], see `Fills`.
        at_once: clips in a forward pass.
    """
    answers = [
        torch.cat([target_probability(model, clips[part], targets[part]) for part in parts(len(targets), at_once)])
        for clips in fills.values()
    ]
    return Fills(tuple(fills), tuple(fills.values()), torch.stack(answers).tolist(), reference.tolist())


def parts(count: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover `count` rows."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def target_probability(model: nn.Module, clips: Tensor, targets: Tensor) -> Tensor:
    """Softmax probability of each clip's target, [N]. Raises NonFiniteError for NaN."""
    probability = model(clips).softmax(dim=1).gather(1, targets[:, None])[:, 0]
    require_finite(probability)
    return probability


def require_finite(values: Tensor) -> None:
    """Raises NonFiniteError if a value is NaN or infinite: it would count as a clip that needs nothing."""
    if not values.isfinite().all():
        raise NonFiniteError("the model's answers to masked clips hold NaN or infinite values")

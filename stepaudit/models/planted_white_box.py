"""Networks set by hand for the data set `planted`: their evidence is known to the voxel; nothing is trained."""

from typing import Literal

import torch
from torch import Tensor, nn

ranges = {"gain": (0.001, 1_000)}
STRIP = 12  # the frame's border that `background` looks at is a twelfth of the frame on each side
PARTS = {"whole": (0, 3), "head": (0, 1), "middle": (1, 2), "tail": (2, 3)}


class WhiteBox(nn.Module):
    """A convolution, a ReLU, a mean over places and a linear layer: clips [N, 3, T, H, W] to logits [N, K].

    A voxel takes part if it excites a detector in a place that the mean looks at; others have a gradient of 0.
    """

    def __init__(self, detector: nn.Conv3d, places: "Places", weights: Tensor):
        super().__init__()
        self.detector = nn.Sequential(detector, nn.ReLU())
        self.places = places
        self.classifier = nn.Linear(weights.shape[1], len(weights))
        self.classifier.load_state_dict({"weight": weights, "bias": torch.zeros(len(weights))})

    @property
    def activation_layer(self) -> nn.Module:
        """The detectors' activations, at the clip's resolution."""
        return self.detector

    def forward(self, clips: Tensor) -> Tensor:
        return self.classifier(self.places(self.detector(clips)))


class Places(nn.Module):
    """Mean of activations [N, C, T, H, W] over a part of the frames and, in each, over columns or the border.

    Args:
        part: `whole`, or a third of the frames: `head`, `middle` or `tail`.
        columns: how many means stand side by side for each channel.
        border: looks at the border of the frame alone.
    """

    def __init__(self, part: str, columns: int = 1, border: bool = False):
        super().__init__()
        self.part, self.columns, self.border = part, columns, border

    def forward(self, activations: Tensor) -> Tensor:
        seen = activations * self.seen(*activations.shape[-3:]).to(activations)
        return nn.functional.adaptive_avg_pool3d(seen, (1, 1, self.columns)).flatten(1)

    def seen(self, frames: int, height: int, width: int) -> Tensor:
        """[T, H, W]: 1 where the network looks, 0 elsewhere."""
        first, last = (end * frames // 3 for end in PARTS[self.part])
        looked_at = torch.zeros(frames, height, width)
        looked_at[first:last] = 1
        if self.border:
            down, across = max(1, height // STRIP), max(1, width // STRIP)
            looked_at[:, down:-down, across:-across] = 0
        return looked_at


def build(
    classes: int,
    *,
    looks_at: Literal["object", "decoy", "background"] = "object",
    part: Literal["whole", "head", "middle", "tail"] = "whole",
    gain: float = 8.0,
) -> nn.Module:
    """A network set by hand for `planted`: its evidence is known to the voxel; nothing is trained.

    It classifies videos that show its evidence: `object` needs `colours: class`, `background` needs stripes. Changes
    of other voxels leave its logits unchanged, unless they imitate that evidence.

    Args:
        looks_at: `object`: the hue that is the class's own; `decoy`: in which part of the frame, from left to right,
            there is something pale and bright, which says nothing about the class; `background`: the direction of fine
            structure along the frame's border, the shortcut of `background: confounded`.
        part: all frames, or the third of them that it looks at.
        gain: logit of a class whose evidence is as large as usual.
    """
    detector, usual, places = LOOKS[looks_at](classes, part)
    weights = gain / usual * torch.eye(classes)
    return WhiteBox(detector, places, weights)


def _object(classes: int, part: str) -> tuple[nn.Conv3d, float, Places]:
    """A detector for each hue: the colour's component in its direction, above those of backgrounds and decoys."""
    hues = torch.arange(classes) / classes
    weights = 2 / 3 * torch.cos(2 * torch.pi * (hues[:, None] - torch.arange(3) / 3))
    return _convolution(weights[..., None, None, None], -0.25), 0.003, Places(part)


def _decoy(classes: int, part: str) -> tuple[nn.Conv3d, float, Places]:
    """One detector of brightness above that of backgrounds and of objects in the colour of their class."""
    return _convolution(torch.full((1, 3, 1, 1, 1), 1 / 3), -0.64), 0.002 * classes, Places(part, columns=classes)


def _background(classes: int, part: str) -> tuple[nn.Conv3d, float, Places]:
    """A detector for each direction: rising brightness, more than in smooth backgrounds."""
    angles = torch.pi * torch.arange(classes) / classes
    across, down = torch.tensor([[-1.0, 0, 1]] * 3) / 18, torch.tensor([[-1.0, 0, 1]] * 3).T / 18
    weights = angles.cos()[:, None, None] * across + angles.sin()[:, None, None] * down
    return _convolution(weights[:, None, None].expand(-1, 3, -1, -1, -1), -0.03), 0.003, Places(part, border=True)


def _convolution(weights: Tensor, bias: float) -> nn.Conv3d:
    """A convolution of these weights, whose border is repeated. [C, 3, t, h, w]."""
    time, height, width = weights.shape[-3:]
    padding = time // 2, height // 2, width // 2
    layer = nn.Conv3d(3, len(weights), (time, height, width), padding=padding, padding_mode="replicate")
    layer.load_state_dict({"weight": weights, "bias": torch.full((len(weights),), bias)})
    return layer


LOOKS = {"object": _object, "decoy": _decoy, "background": _background}

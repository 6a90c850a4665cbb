"""SmoothGrad: the gradient, averaged over noisy copies of the clip. Smilkov et al. 2017."""

import zlib
from typing import Literal

import torch
from torch import Tensor, nn

from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._gradients import mean_gradients, strongest_channel
from stepaudit.methods._options import at_least_one
from stepaudit.methods._scale import scaled

ranges = {"samples": (1, 10_000), "noise": (0, 10)}
explains_output = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    samples: int = 25,
    noise: float = 0.15,
    score: Literal["logit", "probability"] = "logit",
) -> Maps:
    """Absolute value of the mean gradient, the greatest of the colour channels; scaled to a maximum of 1 in each clip.

    Clip and seed decide the noise, so that a row depends on no other. Noisy copies may leave [0, 1], as in the paper.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        seed: another seed draws other noise.
        samples: noisy copies of each clip.
        noise: standard deviation of the Gaussian noise, in shares of the clip's own range, greatest minus least value.
        score: what is differentiated: the class's logit (the paper) or its probability.
    """
    at_least_one(samples=samples)
    sigma = noise * (clips.amax(dim=(1, 2, 3, 4)) - clips.amin(dim=(1, 2, 3, 4)))
    generators = [_generator(clip, seed) for clip in clips]
    noisy = (clips + sigma[:, None, None, None, None] * _noise(clips, generators) for _ in range(samples))
    with frozen(model):
        mean = mean_gradients(model, noisy, clips, targets, score)
    return Maps(scaled(strongest_channel(mean)), "nearest", clips.shape[-3:])


def _noise(clips: Tensor, generators: list[torch.Generator]) -> Tensor:
    """Standard normal noise of the clips' shape, each clip by its own generator."""
    return torch.stack([torch.randn(clips.shape[1:], generator=each) for each in generators]).to(clips)


def _generator(clip: Tensor, seed: int) -> torch.Generator:
    """Random generator that depends on the clip's content and the seed alone."""
    return torch.Generator().manual_seed(zlib.crc32(clip.detach().cpu().numpy().tobytes(), seed))


def passes(size: tuple[int, int, int], *, samples: int = 25, **_options: object) -> int:
    """Forward passes of the model for a row; one with its gradient counts as three."""
    return 3 * samples

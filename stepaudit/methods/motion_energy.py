"""The control that points at motion: change of each pixel from frame to frame, for any model."""

import torch
from torch import Tensor, nn

from stepaudit.errors import TooShortError
from stepaudit.layers import gaussian_blur
from stepaudit.maps import Maps
from stepaudit.methods._grey import grey
from stepaudit.methods._scale import scaled

ranges = {"smoothing": (0, 1)}
ignores_model = True


def attribute(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, smoothing: float = 0.02
) -> Maps:
    """Absolute change of the grey clip, smoothed in each frame, scaled to a maximum of 1 in each clip.

    A frame's change is the mean of that from the frame before and that to the frame after; the first and last frame
    have only one of them. So a clip that is played backwards has the same map, backwards.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        smoothing: standard deviation of the Gaussian, in shares of the frame's shorter side; 0 does not smooth.

    Raises:
        TooShortError: a clip of one frame.
    """
    if clips.shape[2] < 2:
        raise TooShortError("clip of 1 frame: motion needs 2")
    change = grey(clips).diff(dim=1).abs()
    change = torch.cat([change[:, :1], change, change[:, -1:]], dim=1)
    energy = gaussian_blur((change[:, 1:] + change[:, :-1]) / 2, smoothing * min(clips.shape[-2:]))
    return Maps(scaled(energy), "nearest", clips.shape[-3:])

"""The control that points at edges: contrast of neighbouring pixels in each frame, for any model."""

from torch import Tensor, nn
from torch.nn import functional

from stepaudit.maps import Maps
from stepaudit.methods._grey import grey
from stepaudit.methods._scale import scaled

ignores_model = True


def attribute(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Magnitude of the grey frames' Sobel gradient, scaled to a maximum of 1 in each clip. The border is continued.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
    """
    frames = functional.pad(grey(clips), (1, 1, 1, 1), mode="replicate")
    across = _smoothed(frames, dim=-2)
    down = _smoothed(frames, dim=-1)
    magnitude = (across[..., 2:] - across[..., :-2]).hypot(down[..., 2:, :] - down[..., :-2, :])
    return Maps(scaled(magnitude), "nearest", clips.shape[-3:])


def _smoothed(frames: Tensor, dim: int) -> Tensor:
    """Each pixel twice, with its two neighbours on an axis. Sums, not a convolution: a flat frame has no edges."""
    length = frames.shape[dim] - 2
    return frames.narrow(dim, 0, length) + frames.narrow(dim, 2, length) + 2 * frames.narrow(dim, 1, length)

"""Methods and metrics that a configuration may name, `odd_methods:…`, and that go wrong or right in a known way."""

from itertools import count

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.maps import Maps

COUNT = count()


def _uniform(clips: Tensor, values: Tensor) -> Tensor:
    return values[:, None, None, None].half().float().expand(-1, clips.shape[2], 1, 1)


def picky(
    model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0, above: float = 1.0
) -> Maps:
    """Refuses clips that are brighter than a threshold, on average over their first frame."""
    if (clips[:, :, 0].mean(dim=(1, 2, 3)) > above).any():
        raise NotApplicableError("too bright for me")
    return Maps(_uniform(clips, torch.full((len(clips),), 0.5)), "nearest", tuple(clips.shape[-3:]))


def buggy(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Has a bug."""
    raise ValueError("a bug")


def uniform(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: Tensor, seed: int = 0) -> Maps:
    """The ratio everywhere; no mask is optimised, nothing is known of what it keeps."""
    return Maps(_uniform(clips, ratios), "nearest", tuple(clips.shape[-3:]))


def threshold(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: Tensor,
    seed: int = 0,
    at: float = 0.14,
    kept: float = 1.0,
    rank_at: float = 2.0,
    full: float = 1.0,
) -> Maps:
    """The ratio everywhere; claims to keep a probability from one ratio on, and the first place from another on."""
    details = {
        "kept_probability": kept * (ratios >= at),
        "kept_rank": torch.where(ratios >= rank_at, 1, 2),
        "full_probability": torch.full_like(ratios, full),
    }
    return Maps(_uniform(clips, ratios), "nearest", tuple(clips.shape[-3:]), details)


def buggy_metric(importance: Tensor) -> float:
    """A metric with a bug."""
    raise ValueError("a bug")


def mean_by_frame(importance: Tensor, *, scale: float = 1.0) -> list[float]:
    """A metric of each frame: its mean."""
    return [scale * value for value in importance.mean(dim=(1, 2)).tolist()]


def extremes(importance: Tensor) -> dict[str, float]:
    """A metric of two parts: how small and how great the map gets."""
    least, greatest = importance.aminmax()
    return {"least": least.item(), "greatest": greatest.item()}


def raw_gradient(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Values of any sign and size, as they come."""
    return Maps(_uniform(clips, torch.full((len(clips),), -7.0)), "nearest", tuple(clips.shape[-3:]))


def spoiling(importance: Tensor, clip: Tensor) -> float:
    """A metric that writes into the map and the clip that it is given."""
    importance.zero_()
    clip.zero_()
    return 0.0


def no_number(importance: Tensor, *, kind: str = "nan") -> float:
    """A metric that gives no number."""
    return {"nan": float("nan"), "inf": float("inf"), "none": None, "text": "0.5", "list": [0.5]}[kind]


def _brightness(clips: Tensor) -> Tensor:
    return clips.mean(dim=1)


def _maps(values: Tensor) -> Maps:
    return Maps(values.clamp(0, 1).half().float(), "nearest", tuple(values.shape[-3:]))


def scaled_alone(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Brightness in shares of each clip's greatest."""
    return _maps(_brightness(clips) / _brightness(clips).amax(dim=(1, 2, 3), keepdim=True))


def scaled_together(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Brightness on a scale that depends on the number of clips."""
    return _maps(_brightness(clips) * torch.linspace(0.5, 1, len(clips))[:, None, None, None])


def turned_round(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Brightness of the clips in the wrong order."""
    return _maps(_brightness(clips).flip(0))


def unseeded(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Noise that has no seed."""
    return _maps(torch.rand(_brightness(clips).shape, generator=torch.Generator().manual_seed(next(COUNT))))


def seeded(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Noise of a seed, the same for each clip."""
    noise = torch.rand(_brightness(clips)[:1].shape, generator=torch.Generator().manual_seed(seed))
    return _maps(noise.expand(len(clips), -1, -1, -1))

"""Support: share of the map on the voxels that the model's logits for this clip depend on at all."""

import torch
from torch import Tensor, nn

from stepaudit.errors import AuditError, NonFiniteError, NoPeakError
from stepaudit.layers import frozen, gradient


def score(importance: Tensor, clip: Tensor, model: nn.Module) -> dict[str, float | AuditError]:
    """Share of the map's mass on the support, and the support's share of all voxels, for comparison.

    The support holds the voxels at which a logit has a gradient other than 0. For networks set by hand
    (`planted_white_box`) it is the whole truth; for most others it is every voxel, and says nothing.

    Args:
        importance: [T, H, W], not negative.
        clip: [3, T, H, W] in [0, 1].

    Returns:
        `mass`: a NoPeakError if the map is 0; `share`.

    Raises:
        NonFiniteError: the model's gradient is NaN or infinite.
    """
    chosen = support(model, clip).to(importance.device)
    mass = importance.double()
    total = mass.sum().item()
    share = NoPeakError("the map is 0 everywhere") if total <= 0 else (mass * chosen).sum().item() / total
    return {"mass": share, "share": chosen.double().mean().item()}


def support(model: nn.Module, clip: Tensor) -> Tensor:
    """[T, H, W], bool: voxels with a gradient other than 0 of any logit.

    One pass back for all logits: they are added up with the weights √1, √2, …, so that none makes up for others.
    """
    with frozen(model), torch.enable_grad():
        clips = clip[None].detach().requires_grad_()
        logits = model(clips)[0]
        weights = torch.arange(1, len(logits) + 1, device=logits.device).sqrt()
        slope = gradient(logits * weights, clips)
    if not slope.isfinite().all():
        raise NonFiniteError("the gradient of the model's logits is NaN or infinite")
    return (slope[0] != 0).any(dim=0)

"""The control that points at the mean position of the training clips' boxes, for any clip and model."""

from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.maps import Maps

ignores_model = True


def attribute(
    model: nn.Module, clips: Tensor, targets: Tensor, *, box_prior: Tensor, ratios: None = None, seed: int = 0
) -> Maps:
    """The share of the annotated training clips that have a box on a voxel, the same for every clip.

    Args:
        clips: [N, 3, T, H, W].
        box_prior: [T, H, W] in [0, 1], mean over training clips of what their boxes cover in each frame.

    Raises:
        NotApplicableError: no training clip has a box.
    """
    if not box_prior.any():
        raise NotApplicableError("no training clip of the data set has a box")
    grid = box_prior.half().float().expand(len(clips), -1, -1, -1).to(clips.device)
    return Maps(grid, "nearest", clips.shape[-3:])
